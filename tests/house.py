"""The modules of lima, of its plugins and of their tests, and what each imports, from the syntax tree. Imports none of them."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
CORE = sorted((ROOT / "lima").rglob("*.py"))
PLUGINS = sorted(p for p in (ROOT / "plugins").iterdir() if (p / "pyproject.toml").is_file())
HOUSE = CORE + [f for p in PLUGINS for f in sorted((p / p.name.replace("-", "_")).rglob("*.py"))]
TESTS = sorted(f for folder in ("tests", "plugins/*/tests") for f in ROOT.glob(f"{folder}/*.py"))
PACKAGES = {
    ".".join(f.parent.relative_to(ROOT if f in CORE else ROOT / "plugins" / f.relative_to(ROOT).parts[1]).parts)
    for f in HOUSE
    if f.name == "__init__.py"
}
OPEN = {"lima.cli", "lima.cli.progress", "lima.testing"}
"Beside `lima` what a plugin may import of the core: what these modules define or export"


@cache
def tree_of(path):
    return ast.parse(path.read_text())


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
                yield f"{node.module}.{alias.name}" if node.module in PACKAGES | OPEN else node.module, node.lineno
        elif isinstance(node, ast.Call) and re.search(r"\b(import_module|__import__)$", ast.unparse(node.func)):
            yield from ((text_of(argument), node.lineno) for argument in node.args[:1] if text_of(argument))


def text_of(node):
    """What is written of a text, with a question mark where an f-string is filled in; empty for anything else"""
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    texts = [p.value if isinstance(p, ast.Constant) and isinstance(p.value, str) else "?" for p in parts]
    return "".join(texts) if texts != ["?"] else ""


def module_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[2:] if parts[0] == "plugins" else parts).removesuffix(".__init__")
