"""lima-smollm2: a small English model as a base, converted from a file that pip brings.

Importing this module is cheap: torch and the rest load when something is used.
"""

from collections.abc import Callable
from typing import Any

from lima import hookimpl


@hookimpl
def register_base_models(register: Callable[[str, Any], None]) -> None:
    from lima_smollm2.base_model import Base

    register("smollm2", Base())
