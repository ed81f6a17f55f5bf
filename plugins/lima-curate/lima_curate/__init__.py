"""lima-curate: a data set of one's own, from sources to a frozen file: filters, mixes, who is owed what, and a page to edit on.

Brings the filters, the commands `lima mix`, `lima curate`, `lima sources card` and `licence`, and the source of what they make.
Knows nothing of training.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from lima import hookimpl

_HOME = {
    "Chosen": "filters.chain",
    "Exclusion": "filters.chain",
    "choose": "filters.chain",
    "open_filter": "filters.chain",
    "contamination": "filters.contamination",
    "words_of": "words",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'lima_curate' has no attribute {name!r}")
    return getattr(import_module(f"lima_curate.{_HOME[name]}"), name)


@hookimpl
def register_filters(register: Callable[[str, Any], None]) -> None:
    from lima_curate.filters.contamination import Contamination
    from lima_curate.filters.length import Length

    register("length", Length())
    register("contamination", Contamination())
