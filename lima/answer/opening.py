"""What answers, opened by its name: a registered model, a folder, a base model or a run of the database.

Knows nothing of what it is asked.
"""

from inspect import signature
from pathlib import Path
from typing import Any

from lima.errors import LimaError, did_you_mean
from lima.paths import is_folder
from lima.plugins import load_plugins
from lima.record.store import Store


def is_registered(name: str) -> bool:
    """Whether NAME or NAME:ARGUMENT is a model that a plugin registered, not a folder or a run"""
    models = load_plugins().registry("models")
    kind = models.split(name)[0]
    return kind in models or kind in models.contested


def open_model(name: str, store: Store, trust_remote_code: bool = False) -> Any:
    """The `Model` that NAME or NAME:ARGUMENT names; a folder, a base model or a run of the store is a checkpoint

    Code that comes with a folder runs only with `trust_remote_code`; LimaError for a model that does not take it."""
    plugins = load_plugins()
    models = plugins.registry("models")

    def opened(spec: str) -> Any:
        kind = models.split(spec)[0]
        if trust_remote_code and "trust_remote_code" not in signature(models.find(kind).open).parameters:
            raise LimaError(f"The model {kind!r} runs no code of a folder. Leave out --trust-remote-code.")
        return models.open(spec, store, **({"trust_remote_code": True} if trust_remote_code else {}))

    if is_registered(name):
        return opened(name)
    if is_folder(Path(name)) or name in plugins.registry("base_models"):
        return opened(f"checkpoint:{name}")
    runs = [row["id"] for row in store.runs()]
    if not any(run.startswith(name) for run in runs):
        raise LimaError(
            f"{name!r} is not a model, a folder, a base model or a run in {store.path}."
            f"{did_you_mean(name, [*models, *runs[-20:]])}"
        )
    return opened(f"checkpoint:{name}")
