"""Tables of what objects and database tables have, for the documentation: from the classes, their docstrings and a new database.

The docstring of a Protocol's method says what it is and what it may raise; its second paragraph when it is called, and where.
"""

import ast
import inspect
import re
import tempfile
import textwrap
from importlib import import_module
from pathlib import Path
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


def fields(module: str, *names: str) -> str:
    """A table for each of a module's classes: fields with types and defaults, properties and methods, of its bases too"""
    return "\n".join(_class(getattr(import_module(module), name)) for name in names)


def _class(cls: Any) -> str:
    doc = inspect.cleandoc(cls.__doc__ or "").split("\n\n")[0].replace("\n", " ")
    ours = [one for one in reversed(cls.__mro__) if one.__module__.startswith("lima")]
    rows = {name: row for one in ours or [cls] for name, row in _members(one)}
    head = [f"**`{cls.__name__}`**: {doc[0].lower()}{doc[1:]}.", "", "| member | |", "|---|---|"]
    return "\n".join([*head, *rows.values()]) + "\n"


def _members(cls: Any) -> list[tuple[str, str]]:
    """(name, row) of each public member that a class itself defines"""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    assert isinstance(tree, ast.ClassDef)
    found = []
    for node, after in zip(tree.body, [*tree.body[1:], None], strict=True):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            text = after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else ""
            found.append((node.target.id, _row(_field(node), str(text))))
        elif isinstance(node, ast.FunctionDef) and ast.get_docstring(node):
            what = (ast.get_docstring(node) or "").partition("\n\n")[0]
            found.append((node.name, _row(_method(node), what)))
    return [(name, row) for name, row in found if not name.startswith("_")]


def _field(node: ast.AnnAssign) -> str:
    """A field as it is written, with its default where that is short"""
    default = "" if node.value is None else f" = {ast.unparse(node.value)}".replace("'", '"')
    default = re.sub(r"field\(default_factory=(dict|list)\)", lambda m: {"dict": "{}", "list": "[]"}[m[1]], default)
    return f"{ast.unparse(node.target)}: {ast.unparse(node.annotation)}{default}".replace("Weight", "float")


def _method(node: ast.FunctionDef) -> str:
    returned = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    if any(ast.unparse(one) in ("property", "cached_property") for one in node.decorator_list):
        return f"{node.name}:{returned.removeprefix(' ->')}"
    arguments = re.sub(r"^(self|cls)(, )?", "", ast.unparse(node.args))
    return f"{node.name}({arguments}){returned}"


def columns(owner: str, *, starting: str = "") -> str:
    """A row for each table and view that a set of migrations makes in a new database, and whose name starts so: its columns"""
    from lima import Store

    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "new.db") as store:
        made = store.rows(
            "select m.name, m.type from table_owners o join sqlite_master m on m.name = o.name "
            "where o.owner = ? and m.name like ? and m.name not like '#_%' escape '#' order by m.type, m.name",
            [owner, f"{starting}%"],
        )
        rows = [
            f"| `{one['name']}`{' (view)' * (one['type'] == 'view')} | "
            + ", ".join(f"`{c['name']}`" for c in store.rows("select name from pragma_table_info(?)", [one["name"]]))
            + " |"
            for one in made
        ]
    return "\n".join(["| table | columns |", "|---|---|", *rows]) + "\n"


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
    member = re.sub(r"'([^']*)'", r"\1", member.replace("Filled", "str"))
    texts = [re.sub(r"\s+", " ", cell).replace("|", "\\|") for cell in (f"`{member}`", *cells)]
    return f"| {' | '.join(texts)} |"
