"""lima-curate: a data set of one's own, from sources to a frozen file: filters, mixes, who is owed what, and a page to edit on.

Brings the filters, the commands `lima mix`, `lima curate`, `lima sources card` and `licence`, and the source of what they make.
Knows nothing of training.
"""

from collections.abc import Callable
from typing import Any

from lima import hookimpl


@hookimpl
def register_filters(register: Callable[[str, Any], None]) -> None:
    from lima_curate.filters.length import Length

    register("length", Length())
