"""Where dialogues are and how they are read: in this package's folder or any other, one JSON file each.

A file that cannot be read is kept with the reason, so that a linter can continue with the next. Knows nothing of what a
dialogue must look like.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from lima import LimaError, NotJson, parse_json
from lima_chat import has_known_replies

TRAIN, EVAL, KNOWN = "train", "eval", "known"
"""The folders of the dialogues to train on, the conversations to evaluate with and their replies with known grades; a further
set of conversations is in `eval-NAME`, its replies in `known-NAME`"""


@dataclass(frozen=True)
class File:
    """One JSON file and what is in it"""

    name: str
    "Path below the folder that was read, with forward slashes"
    data: Any
    error: str = ""
    "Why it could not be read; then `data` is None"

    @property
    def stem(self) -> str:
        """The file's name without folder and ending"""
        return self.name.rpartition("/")[2].removesuffix(".json")

    @property
    def folder(self) -> str:
        """The first folder of its path, '' at the top"""
        return self.name.partition("/")[0] if "/" in self.name else ""

    @property
    def kind(self) -> str:
        """What its folder is for: train, eval, known, or '' for any other"""
        if self.folder in (TRAIN, EVAL, KNOWN):
            return self.folder
        kind, _, name = self.folder.partition("-")
        return kind if kind in (EVAL, KNOWN) and name else ""

    @property
    def of_set(self) -> str:
        """Which set of conversations it belongs to by its folder: NAME of `eval-NAME` and `known-NAME`, '' for the first"""
        return self.folder.partition("-")[2] if self.kind else ""

    @property
    def is_evaluation(self) -> bool:
        """Whether its turns are a script for evaluating: the user's lines without answers"""
        turns = self.data.get("turns") if isinstance(self.data, dict) else None
        first = turns[0] if isinstance(turns, list) and turns else None
        if isinstance(first, dict) and ("user" in first) != ("role" in first):
            return "user" in first
        return self.kind == EVAL and not self.is_known

    @property
    def side(self) -> str:
        """What topics may not be shared with: train, eval, or `eval-NAME`"""
        return (f"{EVAL}-{self.of_set}" if self.of_set else EVAL) if self.is_evaluation else TRAIN

    @property
    def is_known(self) -> bool:
        """Whether it has replies with known grades to a conversation's turns"""
        return has_known_replies(self.data) or self.kind == KNOWN


def our_folder() -> Traversable:
    """The folder of dialogues that comes with this package"""
    folder = files("lima_dialogues").joinpath("dialogues")
    if not folder.is_dir():
        raise LimaError(
            "lima_dialogues/dialogues is not a folder: it is a symbolic link in the repository, and this checkout was made "
            "without symbolic links. Install the wheel of lima-dialogues, or clone again with "
            "`git clone -c core.symlinks=true` (on Windows with developer mode switched on)."
        )
    return folder


def further_sets() -> list[str]:
    """The names of the sets of conversations that come with this package beside the first, such as 'b' for `eval-b`"""
    folder = files("lima_dialogues").joinpath("dialogues")
    found = [entry.name for entry in folder.iterdir() if entry.is_dir()] if folder.is_dir() else []
    return sorted(name for kind, _, name in (entry.partition("-") for entry in found) if kind == EVAL and name)


def read(folder: Traversable) -> list[File]:
    """Every JSON file in a folder and its subfolders, sorted by path; hidden ones are left out"""
    return [_read(name, path) for name, path in sorted(_walk(folder, ""), key=lambda found: found[0])]


def read_folder(path: str | Path) -> list[File]:
    """The JSON files of a user's folder; LimaError if the folder or such a file does not exist"""
    folder = Path(path)
    if not folder.is_dir():
        kind = "a file" if folder.exists() else "not there"
        raise LimaError(f"{path} is {kind}; expected a folder of dialogues, one JSON file each.")
    found = files_below(folder)
    if not found:
        raise LimaError(f"No .json file in {path} or its subfolders; expected one file for each dialogue.")
    return found


def files_below(path: str | Path) -> list[File]:
    """The JSON files of a folder and its subfolders, or the one file that the path is; LimaError where they cannot be listed"""
    if Path(path).is_file():
        return [_read(Path(path).name, Path(path))]
    try:
        return read(Path(path))
    except OSError as e:
        raise LimaError(f"Cannot read {path}: {e.strerror}.") from None


def _walk(folder: Traversable, above: str) -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        name = f"{above}{entry.name}"
        if entry.name.startswith("."):
            continue
        # A link to a folder above would never end, so linked folders are not entered.
        if entry.is_dir() and not (isinstance(entry, Path) and entry.is_symlink()):
            yield from _walk(entry, f"{name}/")
        elif entry.name.endswith(".json") and entry.is_file():
            yield name, entry


def _read(name: str, path: Traversable) -> File:
    try:
        return File(name, parse_json(path.read_bytes()))
    except OSError as e:
        return File(name, None, f"cannot be read ({e.strerror})")
    except NotJson as e:
        return File(name, None, str(e))
