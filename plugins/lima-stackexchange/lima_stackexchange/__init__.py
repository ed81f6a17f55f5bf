"""lima-stackexchange: examples from the dumps of Stack Exchange, as a plugin of lima (LIMA §2).

Brings the source `stackexchange` (questions with their top answers, by the paper's filters) and `stackexchange-threads` (comment
chains as candidate dialogues), each with who wrote what under which licence; and, importable from here, the words by which they
refuse an answer. Knows nothing of tokens or of training.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from lima import hookimpl

__all__ = ["FEWEST_WORDS", "first_person", "points_to_what_is_gone", "prose", "refers", "stands_alone"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'lima_stackexchange' has no attribute {name!r}")
    return getattr(import_module("lima_stackexchange.wording"), name)


@hookimpl
def register_sources(register: Callable[[str, Any], None]) -> None:
    from lima_stackexchange.questions import Questions
    from lima_stackexchange.threads import Threads

    register("stackexchange", Questions())
    register("stackexchange-threads", Threads())
