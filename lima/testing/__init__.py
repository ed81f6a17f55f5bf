"""For tests of plugins: tiny models, plugins that stay inside a test, commands, and a contract for each kind of object.

The names, found on first use: pytest loads `lima.testing.pytest`, which has the same as fixtures, wherever lima is installed.
Knows nothing of pytest.
"""

from importlib import import_module
from typing import Any

_PUBLIC = {
    "tiny": "ARCHITECTURES TEXT tiny_base tiny_model tiny_tokenizer starting",
    "isolated": "Printed only_plugins run_command run_process",
    "contract": "Contract check kept within",
    "texts": "Exchange",
    "sources": "SourceContract",
    "renderers": "RendererContract",
    "graders": "GraderContract EvaluationContract",
    "models": "ModelContract BaseModelContract",
    "filters": "FilterContract",
}
_HOME = {name: module for module, names in _PUBLIC.items() for name in names.split()}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'lima.testing' has no attribute {name!r}")
    return getattr(import_module(f"lima.testing.{_HOME[name]}"), name)
