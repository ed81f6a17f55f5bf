"""A run: from a recipe to a checkpoint folder."""

from typing import TYPE_CHECKING, NoReturn

_MOVED = frozenset(("CHANGEABLE", "PATIENCE", "ROUNDING", "fine_tune", "resume"))
"What `lima.train` had when it was a module of lima 0.1"

if not TYPE_CHECKING:  # a type checker would take every name to be here

    def __getattr__(name: str) -> NoReturn:
        if name in _MOVED:
            raise ImportError(
                f"lima.train is a package now, and {name} has moved to lima.train.start. Import public names from lima itself.",
                name=__name__,
            )
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
