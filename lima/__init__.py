"""lima: fine-tune a language model on a thousand good examples, with every other ability in a plugin.

The names that most plugins and scripts need, found on first use so that `import lima` stays light (no torch, transformers or
sqlite_utils). Public is any name of any module that does not begin with an underscore.
"""

from importlib import import_module
from typing import Any

import pluggy

hookimpl = pluggy.HookimplMarker("lima")
"""Marks a function of a plugin module as an implementation of a hook in `lima.hookspecs`"""

__version__ = "0.1.0"

_HOME = {
    "LimaError": "errors",
    "did_you_mean": "errors",
    "Record": "example",
    "Example": "example",
    "Span": "rendering",
    "Rendered": "rendering",
    "encode": "rendering",
    "verify": "rendering",
    "Recipe": "recipe",
    "Run": "run",
    "Store": "store",
    "Prompt": "generate",
    "Reply": "generate",
    "Sampling": "generate",
    "Model": "generate",
    "CheckpointModel": "generate",
    "fine_tune": "train",
    "load_plugins": "plugins",
    "Plugins": "plugins",
}

__all__ = ["__version__", "hookimpl", *_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'lima' has no attribute {name!r}")
    return getattr(import_module(f"lima.{_HOME[name]}"), name)
