"""lima-natural-instructions: tasks of Super-Natural Instructions as examples, as a plugin of lima (LIMA §2).

Brings the source `natural-instructions`. Knows nothing of tokens or of training.
"""

from collections.abc import Callable
from typing import Any

from lima import hookimpl


@hookimpl
def register_sources(register: Callable[[str, Any], None]) -> None:
    from lima_natural_instructions.source import NaturalInstructions

    register("natural-instructions", NaturalInstructions())
