"""The package that `lima plugins new` makes: its files from the templates beside this module, and whether its name may be used.

Needs no network. Knows nothing of how a package is installed.
"""

import re
import shutil
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from importlib.util import find_spec
from keyword import iskeyword
from pathlib import Path

from lima import __version__
from lima.distributions import canonical
from lima.errors import LimaError
from lima.paths import cannot, is_there, shown
from lima.plugins import Plugins
from lima.registry import singular

FILES = "plugin_files"
"The folder beside this module with a template of each file"
LONGEST = 60
"Characters of a name: it is part of the names of files"


@dataclass(frozen=True)
class PluginKind:
    """What `--kind` can name: a table of kinds.toml, which says what the fields mean"""

    name: str
    noun: str
    object: str
    try_it: str
    about: str
    registry: str = ""
    needs: tuple[str, ...] = ()

    @property
    def hook(self) -> str:
        return f"register_{self.registry or 'commands'}"


@cache
def kinds_of_plugin() -> dict[str, PluginKind]:
    """The kinds of plugin that can be made, by name"""
    text = files("lima.cli").joinpath(FILES, "kinds.toml").read_text(encoding="utf-8")
    return {name: PluginKind(name, **table) for name, table in tomllib.loads(text).items()}


def make(name: str, kinds: Sequence[str], plugins: Plugins) -> Path:
    """Write the package NAME with these kinds into a new folder NAME below the current one, completely or not at all; the folder

    LimaError for a name that cannot be used."""
    kinds = list(dict.fromkeys(kinds))
    _check_name(name)
    _check_objects(short_name(name), kinds, plugins)
    texts, folder = _texts(name, kinds), Path(name)
    if is_there(folder):
        raise LimaError(f"{shown(folder)} is there already. Choose another name, or move it away.")
    try:
        folder.mkdir()  # whoever makes it writes into it
        try:
            for place, text in texts.items():
                (folder / place).parent.mkdir(parents=True, exist_ok=True)
                (folder / place).write_text(text, encoding="utf-8")
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    except OSError as e:
        raise cannot("write", folder, e) from None
    return folder


def short_name(name: str) -> str:
    """The name under which a package's objects are registered: its own without 'lima-'"""
    return canonical(name).removeprefix("lima-")


def module_name(name: str) -> str:
    """The module of a package"""
    return canonical(name).replace("-", "_")


def _check_name(name: str) -> None:
    """Raise LimaError unless a package of this name can be made, installed and imported beside what is there"""
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", name) or len(name) > LONGEST:
        raise LimaError(
            f"{name[:LONGEST]!r} is not a name of a package: expected letters, digits, '-', '_' and '.', a letter or digit at "
            f"both ends, and at most {LONGEST} characters. Write one such as lima-haiku."
        )
    module = module_name(name)
    if not module.isidentifier() or iskeyword(module):
        raise LimaError(
            f"Python cannot import a module {module!r}, which {name!r} would have. Write a name such as lima-haiku."
        )
    try:
        installed = distribution(name).version
    except PackageNotFoundError:
        installed = ""
    if installed:
        raise LimaError(f"{name!r} is installed already, with version {installed}. Choose another name.")
    if module in sys.stdlib_module_names or find_spec(module):
        raise LimaError(
            f"There is a module {module!r} already, which that of {name!r} would hide. Choose another name."
        )


def _check_objects(short: str, kinds: Sequence[str], plugins: Plugins) -> None:
    """Raise LimaError where what would be registered is another plugin's, or has no name"""
    if not short:
        raise LimaError("'lima-' alone leaves no name for what is registered. Write one behind it, such as lima-haiku.")
    chosen = [kinds_of_plugin()[kind] for kind in kinds]
    owners = {singular(one.registry): plugins.registry(one.registry).owners for one in chosen if one.registry}
    owners |= {"command": plugins.commands} if "command" in kinds else {}
    for noun, known in owners.items():
        if owner := known.get(short):
            raise LimaError(
                f"The {noun} {short!r} is {owner}'s already. Choose a name that does not end in {short!r}, or my-{short}."
            )


def _texts(name: str, kinds: Sequence[str]) -> dict[str, str]:
    """The text of each file of the package, by its place"""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("lima.cli", FILES),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        variable_start_string="<<",
        variable_end_string=">>",
        block_start_string="[%",
        block_end_string="%]",
    )
    chosen = [kinds_of_plugin()[kind] for kind in kinds]
    core = f"lima-tune>={'.'.join(__version__.split('.')[:2])}"
    words = {
        "name": name,
        "module": module_name(name),
        "short": short_name(name),
        "kinds": chosen,
        "what": _listed([kind.noun for kind in chosen]),
        "dependencies": list(dict.fromkeys([core, *(need for kind in chosen for need in kind.needs)])),
        "year": datetime.now(UTC).year,
    }
    module = words["module"]
    places = {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        "LICENSE": "LICENSE",
        ".gitignore": "gitignore",
        ".github/workflows/test.yml": "test.yml",
        f"{module}/__init__.py": "init.py",
        "tests/test_plugin.py": "test_plugin.py",
    }
    if "source" in kinds:
        places["questions.txt"] = "questions.txt"
    if "command" in kinds:
        places[f"{module}/tables.py"] = "kinds/tables.py"
    for kind in chosen:
        places[f"{module}/{kind.name}.py"] = f"kinds/{kind.name}.py"
        places[f"tests/test_{kind.name}.py"] = f"kinds/test_{kind.name}.py"
    return {place: environment.get_template(f"{file}.jinja").render(words) for place, file in places.items()}


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
