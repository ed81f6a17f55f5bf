"""The house rules, from the syntax tree: who may import whom, what the core may not know, how long a thing may be."""

import ast
import re
from functools import cache
from importlib import import_module

import pytest

from house import CORE, HOUSE, OPEN, PLUGINS, ROOT, TESTS, imports, module_of, name, tree_of

FLOORS = (
    {"errors", "text", "paths", "places", "recipe"},
    {"contract"},
    {"isolation", "distributions", "commands", "hook_checks", "registry", "plugins", "model"},
    {"data"},
    {"record"},
    {"answer"},
    {"train"},
    {"builtin", "cli", "__main__"},
)
"From the ground up. `lima/__init__` and `lima/testing` may look anywhere, and nobody else at `lima/testing`"
HEAVY = {
    "torch",
    "transformers",
    "sqlite_utils",
    "accelerate",
    "peft",
    "scipy",
    "numpy",
    "rich",
    "jinja2",
    "tokenizers",
    "matplotlib",
    "openai",
    "httpx2",
    "llm",
    "starlette",
    "uvicorn",
}


@cache
def offered():
    """What a plugin may import of `OPEN`: public names that the modules define, name in `__all__` or export by an alias"""
    found = set(OPEN)
    for module in OPEN:
        path = ROOT / f"{module.replace('.', '/')}.py"
        found |= {f"{module}.{name}" for name in getattr(import_module(module), "__all__", ())}
        for node in tree_of(path if path.is_file() else path.with_suffix("") / "__init__.py").body:
            names = [node.name] if isinstance(node, ast.FunctionDef | ast.ClassDef) else []
            names += [t.id for t in getattr(node, "targets", ()) if isinstance(t, ast.Name)]
            names += [a.name for a in getattr(node, "names", ()) if a.asname == a.name]
            found |= {f"{module}.{n}" for n in names if not n.startswith("_")}
    return found


def may_be_imported(module):
    """Whether a plugin may import this of the core"""
    import lima

    return module in ("lima", *offered()) or module.removeprefix("lima.") in lima.__all__


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        ("import lima", True),
        ("from lima import LimaError, hookimpl", True),
        ("from lima.cli import json_option, Group", True),
        ("from lima.cli.progress import Bar", True),
        ("import lima.testing", True),
        ("from lima.testing import tiny_tokenizer", True),
        ("from importlib import import_module\nimport_module('lima_chat.formats')", True),
        ("from lima import _HOME", False),
        ("import lima.record.store", False),
        ("from lima.record.store import Store", False),
        ("from lima.cli import ask", False),
        ("from lima.cli import LimaError", False),
        ("from lima.cli.show import json_option", False),
        ("from lima.testing import Path", False),
        ("def f():\n    import importlib\n    return importlib.import_module('lima.record.store')", False),
        ("import_module(f'lima.{name}')", False),
        ("__import__('lima.record')", False),
    ],
)
def test_what_a_plugin_may_import_is_told_from_the_rest(code, allowed):
    core = [module for module, _ in imports(ast.parse(code)) if module.split(".")[0] == "lima"]
    assert all(map(may_be_imported, core)) is allowed


def floor_of(module):
    """The floor of a lima module, or None for one that may look anywhere"""
    parts = module.split(".")
    return next((i for i, floor in enumerate(FLOORS) if len(parts) > 1 and parts[1] in floor), None)


def looks_up(path):
    """What is wrong with the imports of a module of the core"""
    module, own = module_of(path), floor_of(module_of(path))
    if module == "lima" or f"{module}.".startswith("lima.testing."):
        return
    if own is None:
        yield f"{name(path)} has no floor: add it to FLOORS"
        return
    for other, line in imports(tree_of(path)):
        if other.split(".")[0] == "lima" and other.split(".")[-1] not in ("hookimpl", "__version__"):
            floor = floor_of(other)
            if floor is None:
                yield f"{name(path)}:{line} imports {other}: name the module that has it"
            elif floor > own:
                yield f"{name(path)}:{line} imports {other} from above"


def test_core_modules_look_down_only():
    """Imports in functions and for types alone count as well"""
    assert [wrong for path in CORE for wrong in looks_up(path)] == []


def test_the_core_names_no_plugin_and_knows_no_conversation():
    wrong = []
    for path in CORE:
        text = re.sub(r"pip install lima-\w+", "", path.read_text())  # to advise is not to know
        functions = (node for node in ast.walk(tree_of(path)) if isinstance(node, ast.FunctionDef))
        own = "|".join(["lima_varlen", "lima_spec", *(rf"{f.name}\b" for f in functions if "fixture" in ast.dump(f))])
        found = re.findall(r"\blima_\w+|lima-(?!tune|runs|haiku\b|x\b)\w+", re.sub(own, "", text))
        found += re.findall(r"dialogue|multi.?turn|\bchat\b", text, re.I)
        wrong += [f"{name(path)}: {one}" for one in found]
    assert wrong == []


def undeclared(plugin):
    """What a plugin imports and may not"""
    import tomllib

    declared = {
        re.split(r"[<>=!~ \[]", d)[0]
        for d in tomllib.loads((plugin / "pyproject.toml").read_text())["project"]["dependencies"]
    }
    own = plugin.name.replace("-", "_")
    for path in sorted((plugin / own).rglob("*.py")):
        for module, line in imports(tree_of(path)):
            where, top = f"{name(path)}:{line}", module.split(".")[0]
            if top == "lima" and not may_be_imported(module):
                yield f"{where} imports {module}; public are lima, {', '.join(sorted(OPEN))}"
            elif top.startswith("lima_") and top != own and top.replace("_", "-") not in declared:
                yield f"{where} imports {top}, which {plugin.name} does not declare"


def test_plugins_import_public_names_and_only_plugins_they_declare():
    assert [wrong for plugin in PLUGINS for wrong in undeclared(plugin)] == []


def unclear(path):
    """What makes a module hard to read"""
    text, tree = path.read_text(), tree_of(path)
    if text.count("\n") > 350:
        yield f"{name(path)} is too long: two modules would be clearer"
    if text.strip() and not ast.get_docstring(tree):
        yield f"{name(path)} does not say what it is"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno - node.lineno >= 60:
            yield f"{name(path)}:{node.lineno} {node.name} is too long"


def test_modules_are_short_and_say_what_they_are():
    assert [wrong for path in [*HOUSE, *TESTS] for wrong in unclear(path)] == []


@pytest.fixture(scope="module")
def core_tables(tmp_path_factory):
    """The names of the core's tables and views, as a store has them"""
    from lima.record.store import Store
    from lima.testing import only_plugins

    with only_plugins() as plugins, Store(tmp_path_factory.mktemp("core") / "l.db", plugins) as opened:
        return [r["name"] for r in opened.rows("select name from sqlite_master where type in ('table', 'view')")]


def uses_of(tables, tree):
    """(line, code) of each statement in a module that reads or writes one of these tables, in SQL or with sqlite-utils"""
    name = rf"\s+[\"'\[`]?(main\.)?({'|'.join(map(re.escape, tables))})\b(?!\.)"
    sql = re.compile(
        rf"\bselect\b.*?\b(from|join)\b([^()=]*,)?{name}|\b(delete\s+from|into|update|(drop|alter)\s+table){name}",
        re.I | re.S,
    )
    prose = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr)}
    for node in ast.walk(tree):
        text, asked = "", None
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            text = node.value
        elif isinstance(node, ast.JoinedStr):
            text = "".join(v.value if isinstance(v, ast.Constant) else "?" for v in node.values)
        elif isinstance(node, ast.Subscript) and re.search(r"\bdb$", ast.unparse(node.value)):
            asked = node.slice
        elif isinstance(node, ast.Call) and re.search(r"\.(table|find)$", ast.unparse(node.func)) and node.args:
            asked = node.args[0]
        if sql.search(text) or (isinstance(asked, ast.Constant) and asked.value in tables):
            yield node.lineno, ast.unparse(node)


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("store.rows('select id from runs order by created')", True),
        ("store.rows('select a.x from mine a join runs on runs.id = a.run')", True),
        ("store.rows('select x from mine, steps')", True),
        ("store.rows(f'select {x} '\n f'from runs where id = ?')", True),
        ("db.execute('DELETE FROM \"runs\"')", True),
        ("db.execute('insert or replace into steps values (1)')", True),
        ("store.db['choices'].drop()", True),
        ("db.table('runs').insert({})", True),
        ("store.find('runs', name, 'run')", True),
        ("store.rows('select runs.id, runs.steps from my_runs runs')", False),
        ("store.rows('select run, steps from mine')", False),
        ("row['steps']", False),
        ("def f():\n    'Select from runs'", False),
        ("say('Choose from runs that are done')", False),
    ],
)
def test_sql_on_a_table_is_seen(code, found):
    assert bool(list(uses_of(["runs", "steps", "choices"], ast.parse(code)))) is found


def test_sql_on_the_cores_tables_is_only_in_record(core_tables):
    outside = [path for path in HOUSE if path.parent != ROOT / "lima" / "record"]
    found = [f"{name(path)}:{line} {code}" for path in outside for line, code in uses_of(core_tables, tree_of(path))]
    assert found == [], "ask the Store, or a function of lima/record"


def test_entry_modules_of_plugins_import_nothing_heavy():
    """What loads with `lima --help`: a plugin's entry module and what it imports at the top of its own package"""
    for plugin in PLUGINS:
        package = plugin.name.replace("-", "_")
        seen, todo = set(), [plugin / package / "__init__.py"]
        while todo:
            path = todo.pop()
            if path in seen or not path.is_file():
                continue
            seen.add(path)
            for module, line in imports(tree_of(path), top_only=True):
                assert module.split(".")[0] not in HEAVY, f"{name(path)}:{line} imports {module} at the top"
                parts = module.split(".")
                if parts[0] == package and len(parts) > 1:
                    todo.append(plugin / package / f"{parts[1]}.py")


def test_the_tree_in_the_readme_is_the_tree():
    """Every folder and module of the core, and every plugin, has a line of its own there, and there are no others"""
    tree = (ROOT / "README.md").read_text().partition("```text\nlima/")[2].partition("```")[0]
    found, folder = set(), ""
    for line in tree.splitlines()[1:]:
        depth, entry = len(line) - len(line.lstrip()), (line.split() or [""])[0]
        if depth == 0:
            break
        if depth == 2:
            folder = entry if entry.endswith("/") else ""
            found.add(entry)
        elif depth == 4:
            found.add(folder + entry)
    wanted = {p.relative_to(ROOT / "lima").as_posix() for p in CORE if not p.name.startswith("__")}
    wanted |= {f"{p.rpartition('/')[0]}/" for p in wanted if "/" in p}
    assert found == wanted
    for plugin in PLUGINS:
        assert f"\n  {plugin.name}/ " in (ROOT / "README.md").read_text()


def test_an_old_import_fails_with_the_new_place():
    with pytest.raises(
        ModuleNotFoundError, match=r"lima.store has moved to lima.record.store. Import public names from lima"
    ):
        __import__("lima.store")
    with pytest.raises(ModuleNotFoundError, match=r"^No module named 'lima.nowhere'"):
        __import__("lima.nowhere")


@pytest.mark.parametrize(("package", "home"), [("lima.train", "start"), ("lima.model", "folder")])
def test_an_old_name_of_a_module_that_is_a_package_now_fails_with_the_new_place(package, home):
    old, new = import_module(package), import_module(f"{package}.{home}")
    assert [name for name in old._MOVED if not hasattr(new, name)] == []
    for moved in old._MOVED:
        with pytest.raises(
            ImportError, match=rf"{moved} has moved to {package}\.{home}\. Import public names from lima"
        ):
            exec(f"from {package} import {moved}", {})
    with pytest.raises(ImportError, match="cannot import name 'nowhere'"):
        exec(f"from {package} import nowhere", {})
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nowhere'"):
        _ = old.nowhere


def test_every_public_name_is_there():
    import lima

    for public in lima.__all__:
        assert getattr(lima, public) is not None
