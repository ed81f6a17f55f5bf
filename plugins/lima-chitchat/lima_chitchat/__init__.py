"""lima-chitchat: conversations between people, from the package chitchat-dataset, as a plugin of lima.

Brings the source `chitchat`. Knows nothing of tokens or of training.
"""

from collections.abc import Callable
from typing import Any

from lima import hookimpl


@hookimpl
def register_sources(register: Callable[[str, Any], None]) -> None:
    from lima_chitchat.source import Chitchat

    register("chitchat", Chitchat())
