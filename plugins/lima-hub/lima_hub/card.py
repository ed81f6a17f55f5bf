"""What the card of a data set, its README, says about it: the licence, and which files are of which split.

The card is data of whoever published it: paths in it that lead out of the folder are refused. Knows nothing of rows.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from lima import LimaError, kind_of, read_bytes, visible

NOT_STATED = "not stated"
MOST = 1024 * 1024
"Characters of a card that are read"


def card_of(folder: Path) -> dict[str, Any]:
    """The facts at the beginning of README.md; none where it has none. LimaError for what is not YAML"""
    file = folder / "README.md"
    if not file.is_file():
        return {}
    text = read_bytes(file).decode("utf-8", "replace").removeprefix("\ufeff")[:MOST]
    lines = text.splitlines()
    if not lines or lines[0].strip() != "---" or "---" not in lines[1:]:
        return {}
    try:
        found = yaml.safe_load("\n".join(lines[1 : lines.index("---", 1)]))
    except (yaml.YAMLError, ValueError, RecursionError) as e:
        problem = visible(str(e).splitlines()[0]) if str(e) else type(e).__name__
        raise LimaError(
            f"{visible(str(file))}: the lines between its --- are not YAML ({problem}). Correct or remove them."
        ) from None
    return found if isinstance(found, dict) else {}


def licence_of(card: Mapping[str, Any]) -> str:
    """The licence that a card states, or that it states none"""
    stated = card.get("license", card.get("licence"))
    given = [stated] if isinstance(stated, str) else stated if isinstance(stated, list) else []
    names = [one.strip() for one in given if isinstance(one, str) and one.strip()]
    own = card.get("license_name")
    if names == ["other"] and isinstance(own, str) and own.strip():
        names = [own.strip()]
    return visible(" AND ".join(names))[:200] or NOT_STATED


def data_files(card: Mapping[str, Any], config: str, where: str) -> dict[str, list[str]] | None:
    """The patterns of files of each split that the card states for a configuration; None where it states none

    LimaError for a configuration that it does not have, for several of which none is chosen, and for a pattern that leads out."""
    configs = [one for one in _listed(card.get("configs")) if isinstance(one, dict) and one.get("data_files")]
    if not configs:
        if config:
            raise LimaError(f"{where} has no configurations, so leave out config={visible(config)}.")
        return None
    names = [str(one.get("config_name", "default")) for one in configs]
    default = next((n for n, one in zip(names, configs, strict=True) if one.get("default") is True), "default")
    wanted = config or (names[0] if len(names) == 1 else default)
    if wanted not in names:
        listed = visible(", ".join(names[:20]))
        raise LimaError(f"{where} has the configurations {listed}. Choose one: …?config={visible(names[0])}")
    found = dict[str, list[str]]()
    for split, pattern in _patterns(configs[names.index(wanted)]["data_files"], where):
        found.setdefault(split, []).append(_inside(pattern, where))
    return found


def _patterns(value: Any, where: str) -> Iterator[tuple[str, str]]:
    for one in _listed(value):
        if isinstance(one, str):
            yield "train", one
        elif isinstance(one, dict):
            pairs = [(one.get("split", "train"), one.get("path"))] if "path" in one else list(one.items())
            for split, paths in pairs:
                for path in _listed(paths):
                    if not isinstance(path, str):
                        raise LimaError(
                            f"{where}: the card's data_files have {kind_of(path)} where a path was expected."
                        )
                    yield str(split), path


def _inside(pattern: str, where: str) -> str:
    parts = PurePosixPath(pattern).parts
    if not parts or parts[0] == "/" or ".." in parts or ":" in pattern or "\0" in pattern:
        raise LimaError(
            f"{where}: the card names the files {visible(pattern)[:100]!r}, which are not in its folder. Correct the card."
        )
    return pattern


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
