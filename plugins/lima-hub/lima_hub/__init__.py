"""lima-hub: data sets of the Hugging Face Hub as examples, by name or from a local copy, as a plugin of lima.

Brings the source `hub`. Knows nothing of tokens or of training.
"""

from collections.abc import Callable
from typing import Any

from lima import hookimpl


@hookimpl
def register_sources(register: Callable[[str, Any], None]) -> None:
    from lima_hub.source import Hub

    register("hub", Hub())
