"""Whether what is to answer is there: said before a study is begun, and before hours of asking. Loads no weights.

Knows nothing of studies.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from lima import Store, is_folder, is_registered, load_plugins
from lima_judges import divided

LOADS = ("checkpoint", "alpaca", "in-context")
"Registered models whose weights are loaded when they are opened"

RECORDINGS = ("replies", "recorded")
"Registered models that are files: nothing is asked, and nothing paid"


def is_recording(spec: str) -> bool:
    """Whether its replies were given elsewhere"""
    return is_registered(spec) and spec.partition(":")[0] in RECORDINGS


def loads(spec: str) -> bool:
    """Whether opening it loads weights on this machine"""
    return not is_registered(spec) or spec.partition(":")[0] in LOADS


def check_there(spec: str, store: Store, opened: Callable[[str], Any]) -> None:
    """LimaError, as of opening it, for what is not there; what would load weights is not opened if its folder or run is there"""
    if loads(spec):
        named = divided(spec.partition(":")[2])[0] if is_registered(spec) else spec
        if named and (
            is_folder(Path(named)) or named in load_plugins().registry("base_models") or _is_run(named, store)
        ):
            return
    opened(spec)


def _is_run(named: str, store: Store) -> bool:
    return any(row["id"].startswith(named) for row in store.runs())
