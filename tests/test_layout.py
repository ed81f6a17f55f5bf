"""The house rules, from the syntax tree: who may import whom, what the core may not know, how long a thing may be."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = sorted((ROOT / "lima").rglob("*.py"))
PLUGINS = sorted(p for p in (ROOT / "plugins").iterdir() if (p / "pyproject.toml").is_file())
HOUSE = CORE + [f for p in PLUGINS for f in sorted((p / p.name.replace("-", "_")).rglob("*.py"))]
LAYERS = [
    {"errors", "hookspecs", "hostile", "memory", "lock", "guard"},
    {"example", "recipe"},
    {"plugins"},
    {"migrate"},
    {"store"},
    {"run"},
    {"rendering", "attention", "dropout", "neftune", "batching", "shard", "figures", "head", "linear"},
    {"loss", "compiled", "budget", "builtin", "model", "eot", "parameters", "saving"}
    | {"generate", "decode", "cache", "checkpoint", "adapter"},
    {"dev"},
    {"prepare"},
    {"assemble"},
    {"loop", "plan", "choice"},
    {"train"},
    {"testing"},
    {"cli", "__main__"},
]
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
}


def name(path):
    return path.relative_to(ROOT).as_posix()


def imports(tree, top_only=False):
    """(module, line) of every import; with `top_only` those that run when the module is imported"""
    nodes = ast.walk(tree)
    if top_only:
        nodes = [n for n in tree.body if not (isinstance(n, ast.If) and "TYPE_CHECKING" in ast.dump(n.test))]
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                yield f"{node.module}.{alias.name}" if node.module in ("lima", "lima.cli") else node.module, node.lineno


def core_layer(module):
    """The layer of a lima module named by an import, or None for the package itself"""
    parts = module.split(".")
    return next((i for i, layer in enumerate(LAYERS) if len(parts) > 1 and parts[1] in layer), None)


@pytest.mark.parametrize("path", CORE, ids=name)
def test_core_modules_import_only_from_below(path):
    own = core_layer(".".join(path.relative_to(ROOT).with_suffix("").parts).replace(".__init__", ""))
    tree = ast.parse(path.read_text())
    if path.name == "__init__.py" and path.parent.name == "lima":
        return
    assert own is not None, f"{name(path)} has no layer: add it to LAYERS"
    for module, line in imports(tree, top_only=True):
        if module.split(".")[0] == "lima":
            layer = core_layer(module)
            assert layer is None or layer <= own, f"{name(path)}:{line} imports {module} from above"


@pytest.mark.parametrize("path", CORE, ids=name)
def test_the_core_names_no_plugin_and_knows_no_conversation(path):
    text = path.read_text()
    assert re.findall(r"\blima_\w+|lima-(?!tune|runs|x\b)\w+", re.sub("lima_varlen|lima_spec", "", text)) == []
    assert re.findall(r"dialogue|multi.?turn|\bchat\b", text, re.I) == []


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda p: p.name)
def test_plugins_import_public_names_and_only_plugins_they_declare(plugin):
    import tomllib

    import lima

    declared = {
        re.split(r"[<>=!~ \[]", d)[0]
        for d in tomllib.loads((plugin / "pyproject.toml").read_text())["project"]["dependencies"]
    }
    own = plugin.name.replace("-", "_")
    for path in sorted((plugin / own).rglob("*.py")):
        for module, line in imports(ast.parse(path.read_text())):
            where, top = f"{name(path)}:{line}", module.split(".")[0]
            if top == "lima":
                parts = module.split(".")
                private = any(p.startswith("_") for p in parts if p not in lima.__all__)
                assert not private, f"{where} imports the private name {module}"
            elif top.startswith("lima_") and top != own:
                assert top.replace("_", "-") in declared, f"{where} imports {top}, which {plugin.name} does not declare"


@pytest.mark.parametrize("path", HOUSE, ids=name)
def test_modules_are_short_and_say_what_they_are(path):
    text = path.read_text()
    tree = ast.parse(text)
    assert text.count("\n") <= 400, f"{name(path)} is too long: two rooms would be clearer"
    assert ast.get_docstring(tree) or not text.strip(), f"{name(path)} does not say what it is"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno - node.lineno <= 70, f"{name(path)}:{node.lineno} {node.name} is too long"


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
            for module, line in imports(ast.parse(path.read_text()), top_only=True):
                assert module.split(".")[0] not in HEAVY, f"{name(path)}:{line} imports {module} at the top"
                parts = module.split(".")
                if parts[0] == package and len(parts) > 1:
                    todo.append(plugin / package / f"{parts[1]}.py")


def test_the_tree_in_the_readme_is_the_tree():
    """Every top-level folder and core module stands in the README with a line"""
    readme = (ROOT / "README.md").read_text()
    for module in (ROOT / "lima").glob("*.py"):
        if not module.name.startswith("__"):
            assert f"{module.stem}" in readme, f"README.md does not mention lima/{module.name}"
    for plugin in PLUGINS:
        assert plugin.name in readme
