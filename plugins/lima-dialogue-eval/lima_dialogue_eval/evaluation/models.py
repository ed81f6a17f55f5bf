"""The name that opens an evaluated model again.

Knows nothing of conversations.
"""

from pathlib import Path
from typing import Any

from lima import CheckpointModel


def reopenable(given: Any, model: Any) -> str:
    """The name by which the model can be opened again, from any directory: its folder, else the given name"""
    if isinstance(model, CheckpointModel):
        return str(Path(model.name).resolve())
    return given if isinstance(given, str) else str(model.name)
