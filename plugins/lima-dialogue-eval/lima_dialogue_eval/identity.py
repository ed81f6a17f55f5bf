"""What a grader is, by hash: what it says of itself, else the source of its code.

Knows nothing of what a grader does.
"""

import ast
import hashlib
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Identifies(Protocol):
    """A grader that says what decides its grades, such as a prompt and a model"""

    def identity(self) -> str: ...


def grader_hash(grader: Any) -> str:
    """SHA-256 of a grader's `identity()`; without one, of its class's module and of those of its package that it imports"""
    if isinstance(grader, Identifies):
        return hashlib.sha256(grader.identity().encode("utf-8", "surrogatepass")).hexdigest()
    digest = hashlib.sha256()
    for name, source in sorted(_sources(type(grader).__module__).items()):
        digest.update(name.encode() + b"\0" + source + b"\0")
    return digest.hexdigest()


def _sources(module: str) -> dict[str, bytes]:
    """The source of a module and, transitively, of the modules of its top-level package that it imports"""
    package, found, waiting = module.partition(".")[0], dict[str, bytes](), [module]
    while waiting:
        name = waiting.pop()
        path = None if name in found else _file(name)
        if path is None:
            continue
        found[name] = path.read_bytes()
        waiting += [other for other in _imported(found[name]) if other.partition(".")[0] == package]
    return found


def _file(name: str) -> Path | None:
    """The Python file of a module, or None if it is not one"""
    if name in sys.modules:
        file = getattr(sys.modules[name], "__file__", None)
    else:
        try:
            spec = find_spec(name)
        except (ImportError, ValueError):
            return None
        file = spec.origin if spec else None
    return Path(file) if file and file.endswith(".py") and Path(file).is_file() else None


def _imported(source: bytes) -> list[str]:
    """Every module that a source imports, function bodies included; a name of a package may be a module, too"""
    names: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return names
