"""A table of what a module offers to plugins, for the documentation: each public name, its arguments and its first sentence."""

import ast
import dataclasses
import inspect
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

MOST = 12
"Parameters that are shown; more are a recipe's or a result's"


def of(module: str) -> str:
    """A row for each public name of a module, in its order"""
    offered = import_module(module)
    names = getattr(offered, "__all__", None) or _defined(module)
    rows = [_row(getattr(offered, name), name) for name in names if not name.startswith("__")]
    return "\n".join(["| name | |", "|---|---|", *rows]) + "\n"


def _defined(module: str) -> Sequence[str]:
    """What a module defines, or imports under its own name"""
    found, tree = [], ast.parse(inspect.getsource(import_module(module)))
    for node in tree.body:
        found += [node.name] if isinstance(node, ast.FunctionDef | ast.ClassDef) else []
        found += [a.asname for a in getattr(node, "names", ()) if getattr(a, "asname", None) == a.name]
        found += [t.id for t in getattr(node, "targets", ()) if isinstance(t, ast.Name)]
    return [name for name in found if not name.startswith("_")]


def _row(thing: Any, name: str) -> str:
    module = getattr(thing, "__module__", None) if inspect.isroutine(thing) or inspect.isclass(thing) else None
    text = (inspect.getdoc(thing) if module else _beside(thing, name)) or ""
    first = text.split("\n\n")[0].replace("\n", " ").replace("|", "\\|")
    return f"| `{name}{_called(thing)}` | {first} |"


def _called(thing: Any) -> str:
    """Its parameters without their types; of a class only where they are its fields"""
    if not (inspect.isroutine(thing) or dataclasses.is_dataclass(thing)):
        return ""
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    parameters = [f"{stars.get(p.kind, '')}{p.name}" for p in inspect.signature(thing).parameters.values()]
    return f"({', '.join(parameters)})" if len(parameters) <= MOST else "(…)"


def _beside(thing: Any, name: str) -> str:
    """The text below the line in which a constant is defined; else its value, where that is short"""
    for module in [m for n, m in sorted(sys.modules.items()) if n.startswith("lima") and vars(m).get(name) is thing]:
        try:
            body = ast.parse(inspect.getsource(module)).body
        except (OSError, TypeError):
            continue
        for node, after in zip(body, body[1:], strict=False):
            targets = [*getattr(node, "targets", ()), getattr(node, "target", None)]
            named = any(isinstance(t, ast.Name) and t.id == name for t in targets)
            if named and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                return str(after.value.value)
    return f"`{thing!r}`" if len(repr(thing)) < 60 and "<" not in repr(thing) else ""
