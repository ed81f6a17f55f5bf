"""A folder on disk → a model that is ready to train or to answer."""

from typing import TYPE_CHECKING, NoReturn

_MOVED = frozenset(
    (
        "check_folder",
        "check_trainable",
        "check_vocabulary",
        "check_weights",
        "folder_hash",
        "load_config",
        "load_model",
        "load_tokenizer",
        "pick_device",
        "saved_dtype",
    )
)
"What `lima.model` had when it was a module of lima 0.1"

if not TYPE_CHECKING:  # a type checker would take every name to be here

    def __getattr__(name: str) -> NoReturn:
        if name in _MOVED:
            raise ImportError(
                f"lima.model is a package now, and {name} has moved to lima.model.folder. Import public names from lima itself.",
                name=__name__,
            )
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
