"""A local copy of a data set: the files of each split, by its card or by their names as the Hub understands them.

Files with Python code, such as a loading script, are not looked at. Knows nothing of what rows mean.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lima import LimaError, Row, did_you_mean, read_rows, visible
from lima_hub.card import card_of, data_files
from lima_hub.options import Asked

SUFFIXES = (".parquet", ".jsonl", ".ndjson", ".json", ".csv", ".tsv")
PACKED = (".gz", ".zst")
MOST = 100_000
"Files of a folder"
_NUMBERED = re.compile(r"(?:.*/)?([\w.-]+?)-\d{5}-of-\d{5}")
_WORDS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_NOT_ROWS = frozenset(("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "config.json"))
"What the library `datasets` writes beside rows"


def local_rows(asked: Asked) -> Iterator[Row]:
    """The rows of the split in the folder, file by file; LimaError where it has no such split"""
    for file in files_of(asked):
        yield from read_rows(file)


def files_of(asked: Asked, card: dict[str, Any] | None = None) -> list[Path]:
    """The files of the split, by name"""
    where = visible(str(asked.folder))
    splits = _splits(asked, card_of(asked.folder) if card is None else card, where)
    if asked.options.split not in splits:
        known = visible(did_you_mean(asked.options.split, splits))
        raise LimaError(
            f"{where} has no split {visible(asked.options.split)!r}.{known} Choose one: "
            f"hub:{where}?split={visible(next(iter(splits)))}"
        )
    return splits[asked.options.split]


def _splits(asked: Asked, card: dict[str, Any], where: str) -> dict[str, list[Path]]:
    stated = data_files(card, asked.options.config, where)
    if stated is not None:
        found = {split: _matching(asked.folder, patterns) for split, patterns in stated.items()}
        if missing := next((split for split, files in found.items() if not files and split == asked.options.split), ""):
            named = visible(", ".join(stated[missing]))[:200]
            raise LimaError(
                f"{where}: the card names the files {named} of the split {visible(missing)!r}, and there are none. Fetch the "
                "whole data set."
            )
        return {split: files for split, files in found.items() if files}
    splits = dict[str, list[Path]]()
    for file in _matching(asked.folder, ["**"]):
        splits.setdefault(split_of(file.relative_to(asked.folder).as_posix()), []).append(file)
    if not splits:
        raise LimaError(
            f"{where} has no files of rows ({', '.join(SUFFIXES)}). Expected a copy of a data set, as `hf download "
            "--repo-type dataset OWNER/NAME --local-dir FOLDER` makes it; what `save_to_disk` wrote is not read."
        )
    return splits


def _matching(folder: Path, patterns: list[str]) -> list[Path]:
    found = set[Path]()
    for pattern in patterns:
        for place, path in enumerate(folder.glob(f"{pattern}/*" if pattern == "**" else pattern)):
            if place >= MOST:
                raise LimaError(f"{visible(str(folder))} has more than {MOST:,} files. Name a folder with fewer.")
            if path.is_file() and _has_rows(path, folder):
                found.add(path)
    return sorted(found)


def _has_rows(path: Path, folder: Path) -> bool:
    parts = path.relative_to(folder).parts
    name = path.name.lower()
    for ending in PACKED:
        name = name.removesuffix(ending)
    return name.endswith(SUFFIXES) and name not in _NOT_ROWS and not any(part.startswith(".") for part in parts)


def split_of(path: str) -> str:
    """The split of a file by its path within the data set: its numbered name, a word in it, else 'train'"""
    if numbered := _NUMBERED.match(path):
        return numbered[1]
    words = re.split(r"[-._ /\d]+", path.lower())
    return next((split for split, known in _WORDS.items() if set(known) & set(words)), "train")
