"""What belongs to the whole process, and code of a plugin must leave as it found it; what it changed is set back and named.

Knows nothing of plugins.
"""

import os
import sys
import warnings
from typing import Any, NamedTuple

OF_LIBRARIES = ("ACCELERATE_", "CUDA_", "FSDP_", "KMP_", "NCCL_", "PYTEST_", "PYTORCH_", "TORCH", "TF_")
"Environment variables that libraries set while they are imported or used, whoever asked for it"


class Surroundings(NamedTuple):
    """The process as it was at one moment"""

    directory: str
    environment: dict[Any, Any]
    "As the operating system has it"
    filters: list[Any]
    "Of warnings"
    dtype: Any
    "torch's default type; None while torch is not loaded"
    gradients: bool | None
    "Whether torch records gradients"
    modules: int
    "How many are imported: a library may set filters while it is"


def seen() -> Surroundings:
    """The process as it is now; cheap, since it is asked before and after every call of a plugin"""
    try:
        directory = os.getcwd()
    except OSError:  # it was removed
        directory = ""
    torch = sys.modules.get("torch")
    try:
        dtype, gradients = (torch.get_default_dtype(), torch.is_grad_enabled()) if torch else (None, None)
    except AttributeError:  # while it is imported
        dtype = gradients = None
    # A copy of the environment through its face takes as long as a small rendering.
    environment = os.environ._data.copy()  # type: ignore[attr-defined]
    return Surroundings(directory, environment, list(warnings.filters), dtype, gradients, len(sys.modules))


def put_back(before: Surroundings) -> list[str]:
    """Set back what is not as it was before; what that is, such as 'the working directory (to /tmp)'"""
    now = seen()
    if now == before:
        return []
    found = list[str]()
    if now.directory != before.directory and before.directory:
        os.chdir(before.directory)
        found.append(f"the working directory (to {now.directory})")
    for name in sorted(_changed(before.environment, now.environment)):
        found.append(f"the environment variable {name}")
        old = before.environment.get(_raw(name))
        if old is None:
            del os.environ[name]
        else:
            os.environ[name] = os.fsdecode(old)
    if now.filters != before.filters and now.modules == before.modules:
        warnings.resetwarnings()
        warnings.filters.extend(before.filters)  # type: ignore[attr-defined]
        found.append("the filters of warnings")
    torch = sys.modules.get("torch")
    if before.dtype is not None and now.dtype != before.dtype and torch is not None:
        torch.set_default_dtype(before.dtype)
        found.append(f"torch's default type (to {now.dtype})")
    if before.gradients is not None and now.gradients != before.gradients and torch is not None:
        torch.set_grad_enabled(before.gradients)
        found.append("whether torch records gradients")
    return found


def _raw(name: str) -> Any:
    """A variable's name as `Surroundings` has it"""
    return os.environ.encodekey(name)


def _changed(before: dict[Any, Any], now: dict[Any, Any]) -> set[str]:
    """Names of the variables that differ, but for those of libraries"""
    names = {os.fsdecode(key) for key in before.keys() | now.keys() if before.get(key) != now.get(key)}
    return {name for name in names if not name.startswith(OF_LIBRARIES)}
