"""The Python source that an object's behaviour is written in: its class's modules, and what they import of their own package.

Imports in functions count, those for types alone do not, nor do modules that are found only by a computed name. Nothing is
imported or run. Knows nothing of what the source is for.
"""

import ast
import importlib.util
import inspect
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any


def source_of(thing: Any, method: str) -> dict[str, bytes]:
    """Source by module name: of an object's class and of what that inherits from, of its method, and of what they import"""
    found: dict[str, bytes] = {}
    todo = [*_homes(thing.__class__), *_home(getattr(thing, method, None))]
    while todo:
        name = todo.pop()
        file = None if name in found else _file(name)
        if file is not None:
            found[name] = file.read_bytes().replace(b"\r\n", b"\n")
            todo += _imported(name, found[name], file.name == "__init__.py")
    return found


def _homes(kind: type) -> Iterator[str]:
    """The modules of a class and of its bases, without the standard library's and Protocols"""
    for one in kind.__mro__:
        if not getattr(one, "_is_protocol", False):
            yield from _home(one)


def _home(thing: Any) -> Iterator[str]:
    """The module that a class or a function is written in, if it is not the standard library's"""
    function = inspect.unwrap(getattr(thing, "__func__", thing)) if callable(thing) else None
    module = getattr(function, "__module__", None)
    if isinstance(module, str) and _root(module) not in sys.stdlib_module_names:
        yield module


def _root(module: str) -> str:
    return module.partition(".")[0]


def _file(module: str) -> Path | None:
    """The source file of a module that is loaded, or that lies in the package of one that is"""
    loaded = sys.modules.get(module)
    candidates = [Path(file)] if (file := getattr(loaded, "__file__", None)) else []
    if loaded is None:
        parts = module.split(".")[1:]
        for folder in getattr(sys.modules.get(_root(module)), "__path__", ()):
            candidates += [Path(folder, *parts).with_suffix(".py"), Path(folder, *parts, "__init__.py")]
    return next((path for path in candidates if path.suffix == ".py" and path.is_file()), None)


def _imported(module: str, source: bytes, is_package: bool) -> Iterator[str]:
    """The modules of its own package that a module imports"""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return
    package = module if is_package else module.rpartition(".")[0]
    for node in _nodes(tree):
        names: Iterable[str] = ()
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and (package or not node.level):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package or None)
            parts = [f"{base}.{alias.name}" for alias in node.names]
            names = [part if _file(part) else base for part in parts]
        yield from (name for name in names if _root(name) == _root(module))


def _nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that only a type checker reads"""
    todo = [tree]
    while todo:
        node = todo.pop()
        yield node
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            todo += node.orelse
        else:
            todo += ast.iter_child_nodes(node)
