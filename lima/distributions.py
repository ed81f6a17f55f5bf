"""Installed distributions with an entry point of lima: what their metadata say, and a hash of their files. Imports none of them.

The metadata may be half removed or damaged. Knows nothing of hooks.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint, distributions, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from lima import __version__ as LIMA
from lima.errors import LimaError

CORE = "lima-tune"
GROUP = "lima"
"The group of entry points by which a distribution is a plugin"


_LIMA_TUNE = r"lima[-_.]+tune(?![\w.-]*\w)(?: *\[[^\]]*\])?"
"The core as a requirement may write it"


@dataclass(frozen=True)
class Found:
    """One entry point, and what the metadata of its distribution say"""

    entry: EntryPoint
    distribution: str
    "Its name; of one that is half removed what is left of it"
    version: str
    "Empty where the metadata do not say"
    folder: Path | None
    "Of the metadata; None where it is not known"
    half_removed: bool
    "Whether its metadata have no name any more"
    unmet: str
    "A version of lima that it needs, and that this one is not; empty for none"
    dist: Distribution | None = None
    unreadable: str = ""
    "Why its entry points cannot be read, or name no module; empty where they can"

    @property
    def module(self) -> str:
        """The module that its entry point names; empty where it names none"""
        return _module_of(self.entry)

    @property
    def requires(self) -> set[str]:
        """The distributions that it asks for, also for its extras, by their names as pip compares them"""
        names = re.findall(r"^Requires-Dist: *([\w.-]+)", _head(self.dist), re.M | re.I)
        return set(map(canonical, names))

    @property
    def stuck(self) -> str:
        """Why pip cannot remove it; empty where it can. Some installers leave out the list by which pip does"""
        if self.half_removed:
            return "its metadata have no name"
        if self.unreadable and not self.module:
            return self.unreadable
        return _unreadable(self.folder) if self.version else "its metadata name no version"

    @property
    def advice(self) -> str:
        """How to be rid of it"""
        if self.stuck:
            return f"To be rid of it, delete {' and '.join(map(str, self.remains()))}."
        return f"Remove it with `lima uninstall {self.distribution}`, or see `lima plugins`."

    def remains(self) -> list[Path]:
        """What is there of it: its metadata, and the modules that its entry point names"""
        if self.folder is None:
            return []
        # Where it names none, what the distribution is called is as good a guess.
        name = self.module.partition(".")[0] or self.distribution.replace("-", "_")
        root = self.folder.parent / name
        return [path for path in (root, root.with_suffix(".py"), self.folder) if path.exists()]


def found() -> list[Found]:
    """Every entry point of the group, the core's first, the others by distribution and name"""
    try:
        all_found = [_found(entry, entry.dist) for entry in entry_points(group=GROUP)]
    except Exception:  # of any distribution the file may be damaged, also of one that has nothing to do with lima
        all_found = [one for each in _each_distribution() for one in _found_in(each)]
    return sorted(all_found, key=lambda one: (one.distribution != CORE, one.distribution, one.entry.name))


def _each_distribution() -> Iterator[Distribution]:
    """Every distribution once: of two with one name the first, which is the one that Python imports"""
    names = set()
    for one in distributions():
        folder = getattr(one, "_path", None)
        name = canonical(_field(_head(one), "Name") or getattr(folder, "name", "").partition("-")[0])
        if name not in names:
            names.add(name)
            yield one


def _found_in(distribution: Distribution) -> list[Found]:
    """Its entry points of the group; where they cannot be read, one that says so, if the distribution seems to be a plugin"""
    try:
        return [_found(one, distribution) for one in distribution.entry_points if one.group == GROUP]
    except Exception as e:
        asks = re.search(rf"^Requires-Dist: *{_LIMA_TUNE}", _head(distribution), re.M | re.I)
        why = f"its file entry_points.txt cannot be read: {type(e).__name__}: {e}"
        return [_found(EntryPoint("", "", GROUP), distribution, why)] if asks or _seems_ours(distribution) else []


def _seems_ours(distribution: Distribution) -> bool:
    folder = getattr(distribution, "_path", None)
    try:
        return f"[{GROUP}]".encode() in (folder / "entry_points.txt").read_bytes() if folder else False
    except (OSError, TypeError):
        return False


def _head(distribution: Distribution | None) -> str:
    """The fields of the metadata, without the description"""
    text = _text(distribution, "METADATA") or _text(distribution, "PKG-INFO")
    return text.partition("\n\n")[0]  # not by email.parser, which takes as long as everything else together


def _found(entry: EntryPoint, distribution: Distribution | None, unreadable: str = "") -> Found:
    folder = getattr(distribution, "_path", None)
    folder = folder if isinstance(folder, Path) else None
    head = _head(distribution)
    name = _field(head, "Name") or (folder.name.partition("-")[0] if folder else _module_of(entry))
    if not unreadable and not _module_of(entry):
        unreadable = f"its entry point {entry.name!r} names {entry.value!r}, which is not a module"
    half = not _field(head, "Name")
    return Found(entry, name, _field(head, "Version"), folder, half, unmet_by(head), distribution, unreadable)


def _module_of(entry: EntryPoint) -> str:
    try:
        return str(entry.module)
    except AttributeError:  # its value is not MODULE or MODULE:OBJECT
        return ""


def _unreadable(folder: Path | None) -> str:
    """What is wrong with the list of a distribution's files"""
    if folder is None or folder.suffix != ".dist-info":
        return ""
    try:
        lines = (folder / "RECORD").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return "the list of its files, RECORD, is missing or damaged"
    return "" if all(line.count(",") >= 2 for line in lines if line) else "the list of its files, RECORD, is damaged"


def _text(distribution: Distribution | None, file: str) -> str:
    try:
        return (distribution.read_text(file) if distribution else None) or ""
    except (OSError, ValueError):
        return ""


def _field(head: str, name: str) -> str:
    match = re.search(rf"^{name}: *(.*?)\s*$", head, re.M)
    return match[1] if match else ""


def unmet_by(head: str) -> str:
    """The versions of lima that it asks for, as it writes them, where this one is none of them"""
    for asked in re.findall(rf"^Requires-Dist: *{_LIMA_TUNE} *\(?([^;)\n]*)", head, re.M | re.I):
        if asked.strip() and not _is_among(asked.strip()):
            return str(asked.strip())
    return ""


def _is_among(asked: str) -> bool:
    plain = re.fullmatch(r">=\s*(\d+(?:\.\d+)*)", asked)
    if plain and re.fullmatch(r"\d+(\.\d+)*", LIMA):  # what nearly all write: the library takes longer than lima
        return [int(n) for n in LIMA.split(".")] >= [int(n) for n in plain[1].split(".")]
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        return SpecifierSet(asked).contains(LIMA, prereleases=True)
    except InvalidSpecifier:
        return True


def check_removable(names: Iterable[str]) -> None:
    """LimaError for a plugin that pip cannot remove, with what to delete"""
    wanted = {canonical(name) for name in names}
    for one in found():
        if one.stuck and canonical(one.distribution) in wanted:
            raise LimaError(f"pip cannot remove {one.distribution}: {one.stuck}. {one.advice}")


def needed_by(name: str, asked: Mapping[str, set[str]]) -> set[str]:
    """A plugin and those that it depends on, directly or through others, given what each asks for; all by canonical names"""
    found, waiting = set[str](), [canonical(name)]
    while waiting:
        one = waiting.pop()
        found.add(one)
        waiting += (asked.get(one, set()) & asked.keys()) - found
    return found


def canonical(name: str) -> str:
    """A distribution's name as pip compares it"""
    return re.sub(r"[-_.]+", "-", name).lower()


def code_hash(distribution: Distribution | None, module: str) -> str:
    """SHA-256 over the files of a distribution, and of the top-level package of a module: what decides what a plugin does

    The package counts besides the distribution's own list, which of an editable installation names no code."""
    files = dict(sorted({**_listed(distribution), **_of_package(module)}.items()))
    digest = hashlib.sha256()
    for name, file in files.items():
        digest.update(name.encode("utf-8", "surrogateescape") + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _listed(distribution: Distribution | None) -> dict[str, Path]:
    """Files that a distribution says it has, but for its metadata and for what Python compiled"""
    try:
        files = list(distribution.files or ()) if distribution else []
    except Exception:  # a damaged RECORD
        files = []
    kept = [f for f in files if ".dist-info" not in f.parts[0] and ".." not in f.parts and _is_code(f)]
    return {f.as_posix(): path for f in kept if (path := Path(str(f.locate()))).is_file()}


def _of_package(module: str) -> dict[str, Path]:
    import sys

    root = module.partition(".")[0]
    loaded: ModuleType | Any = sys.modules.get(root) or sys.modules.get(module)
    folders = [Path(folder) for folder in getattr(loaded, "__path__", ())]
    if not folders:
        file = getattr(loaded, "__file__", None)
        return {Path(file).name: Path(file)} if file and Path(file).is_file() else {}
    return {f"{root}/{name}": file for folder in folders for name, file in _below(folder)}


def _below(folder: Path) -> Iterator[tuple[str, Path]]:
    for file in folder.rglob("*"):
        if file.is_file() and _is_code(file.relative_to(folder)):
            yield file.relative_to(folder).as_posix(), file


def _is_code(file: Any) -> bool:
    """Whether it is not something that Python or a test run left beside the code"""
    return "__pycache__" not in file.parts and not file.name.endswith((".pyc", ".pth"))
