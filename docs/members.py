"""Tables of what an object of a kind has, for the documentation: from the Protocols and their docstrings themselves.

A method's docstring says what it is and what it may raise; its second paragraph says when it is called, and where.
"""

import ast
import inspect
import re
import textwrap
from typing import Any, Protocol


def of(kind: str) -> str:
    """The tables of a kind: what is needed, and each ability that may be added"""
    from lima.contract.kinds import KINDS
    from lima.plugins import load_plugins

    one, declared = KINDS[kind], load_plugins().declared(kind)
    parts = [_table("Every object has", one.needed, "")] if one.needed else []
    parts += [_table("It may have", protocol, "") for protocol in one.optional]
    parts += [_table("It may have", protocol, _owner(protocol)) for protocol in declared]
    if one.opened:
        parts += [_table("What `open` returns has", one.opened.needed, "")] if one.opened.needed else []
        opened = [p for p in one.opened.optional if p not in one.optional]
        parts += [_table("What `open` returns may have", protocol, "") for protocol in opened]
    return "\n".join(parts)


def _owner(protocol: Any) -> str:
    return str(protocol.__module__).partition(".")[0].replace("_", "-")


def _table(lead: str, protocol: Any, owner: str) -> str:
    """A table of the members of one Protocol and of those that it extends"""
    where = f", which {owner} declares" if owner else ""
    doc = inspect.cleandoc(protocol.__doc__ or "").split("\n\n")
    about = doc[0].replace("\n", " ")
    lines = [
        f"{lead} **`{protocol.__name__}`**{where}: {about[0].lower()}{about[1:]}.",
        *("", *doc[1:])[: 2 * len(doc[1:])],
    ]
    lines += ["", "| member | | when, and where |", "|---|---|---|"]
    bases = [b for b in reversed(protocol.__mro__) if getattr(b, "_is_protocol", False) and b is not Protocol]
    for base in bases:
        lines += _rows(base)
    return "\n".join(lines) + "\n"


def _rows(protocol: Any) -> list[str]:
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(protocol))).body
    assert isinstance(tree, ast.ClassDef)
    rows = []
    for at, node in enumerate(tree.body):
        if isinstance(node, ast.AnnAssign):
            after = tree.body[at + 1] if at + 1 < len(tree.body) else None
            text = after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else ""
            rows.append(
                _row(
                    f"{ast.unparse(node.target)}: {ast.unparse(node.annotation)}",
                    str(text),
                    "Read when it is registered",
                )
            )
        elif isinstance(node, ast.FunctionDef):
            what, _, when = (ast.get_docstring(node) or "").partition("\n\n")
            arguments = ast.unparse(node.args).removeprefix("self, ").removeprefix("self")
            returned = ast.unparse(node.returns) if node.returns else ""
            rows.append(_row(f"{node.name}({arguments}) -> {returned}", what, when.rstrip(".")))
    return rows


def _row(member: str, *cells: str) -> str:
    member = member.replace("Filled", "str").replace("'", "")
    texts = [re.sub(r"\s+", " ", cell).replace("|", "\\|") for cell in (f"`{member}`", *cells)]
    return f"| {' | '.join(texts)} |"
