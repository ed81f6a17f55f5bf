"""Who wants to hear of each training step: `lima demo`'s workers listen here, through the hook `after_step`.

Apart from the worker, which runs as a script and would otherwise exist twice. Knows nothing of who listens.
"""

from collections.abc import Callable
from typing import Any

listeners: list[Callable[[Any, int, dict[str, Any]], None]] = []
"""each hears (run, step, metrics)"""


def heard(run: Any, step: int, metrics: dict[str, Any]) -> None:
    """Pass a step on to whoever listens"""
    for listener in listeners:
        listener(run, step, metrics)
