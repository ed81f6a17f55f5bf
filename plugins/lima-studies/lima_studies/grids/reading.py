"""A grid from a TOML file: arms that are written out, or axes whose combinations are the arms.

Knows nothing of what is done with it.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import fields
from itertools import product
from pathlib import Path
from typing import Any

from lima import LimaError, did_you_mean, read_bytes
from lima_studies.jobs.grid import OWN, Arm, Evaluated, Grid
from lima_studies.likert import paper

FIRST, ALL = "first", "all"
_TOP = ("title", "seeds", "compare", "recipe", "arms", "axes", "evaluate")
_NAME = re.compile(r"[A-Za-z0-9][\w.+-]{0,79}", re.ASCII)
_OF_ARM = ("text", "model", "paper", "size")


def read_grid(path: Path) -> Grid:
    """The grid of a file; LimaError with the file and the key for what is wrong with it"""
    try:
        found = tomllib.loads(read_bytes(path, "the grid").decode("utf-8-sig"))
    except (ValueError, RecursionError) as e:
        raise LimaError(f"{path} is not TOML: {e}.") from None
    try:
        return _grid(found, path.stem)
    except LimaError as e:
        raise LimaError(f"{path}: {e}") from None


def _grid(found: Mapping[str, Any], stem: str) -> Grid:
    _check_keys(found, _TOP, "a grid")
    recipe, seeds = _table(found, "recipe"), found.get("seeds", 2)
    if own := next((key for key in recipe if key in OWN), None):
        raise LimaError(
            f"recipe.{own}: the grid decides it. For several fine-tunes of each arm write seeds = 3 at the top."
        )
    if not isinstance(seeds, int) or isinstance(seeds, bool) or not 1 <= seeds <= 100:
        raise LimaError(f"seeds is {seeds!r}; expected the number of fine-tunes of each arm, 1 to 100.")
    if bool(found.get("arms")) == bool(found.get("axes")):
        raise LimaError("expected either [arms.NAME] tables or [axes], with an arm at least.")
    arms = tuple(_arms(_table(found, "arms")) if found.get("arms") else _combined(_table(found, "axes")))
    evaluated = _evaluated(_table(found, "evaluate"))
    grid = Grid(
        title=str(found.get("title") or stem),
        recipe=recipe,
        arms=arms,
        evaluated=evaluated,
        seeds=seeds,
        against=_against(found.get("compare", FIRST), arms),
    )
    grid.check()
    return grid


def _against(compare: Any, arms: tuple[Arm, ...]) -> str | None:
    names = [arm.name for arm in arms]
    if compare == ALL:
        return None
    if compare == FIRST:
        return names[0]
    if compare not in names:
        raise LimaError(
            f"compare is {compare!r}; expected {FIRST!r}, {ALL!r} or an arm.{did_you_mean(str(compare), names)}"
        )
    return str(compare)


def _arms(tables: Mapping[str, Any]) -> Iterator[Arm]:
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise LimaError(f"arms.{name} is {table!r}; expected a table: [arms.{name}].")
        yield _arm(name, table)


def _arm(name: str, table: Mapping[str, Any]) -> Arm:
    if not _NAME.fullmatch(name):
        raise LimaError(
            f"{name!r} cannot be an arm's name: letters, digits, dots, dashes and plus signs, up to 80 of them."
        )
    own = {key: table[key] for key in _OF_ARM if key in table}
    changes = {key: value for key, value in table.items() if key not in _OF_ARM}
    if decided := next((key for key in changes if key in OWN), None):
        raise LimaError(f"arm {name}: {decided!r} is decided by the grid. Leave it out.")
    if own.get("model") and changes:
        raise LimaError(f"arm {name}: nothing is trained, so leave out {next(iter(changes))!r}, or model.")
    if (beside := own.get("paper", "")) and beside not in paper.ABLATIONS:
        raise LimaError(f"arm {name}: paper is {beside!r}.{did_you_mean(str(beside), paper.ABLATIONS)}")
    for key in ("text", "model"):
        if not isinstance(own.get(key, ""), str):
            raise LimaError(f"arm {name}: {key} is {own[key]!r}; expected text.")
    return Arm(**{"name": name, "text": _said(changes) or own.get("model", ""), **own}, changes=changes)


def _said(changes: Mapping[str, Any]) -> str:
    """What is an arm's own, in words"""
    listed = {key: ", ".join(map(str, value)) if isinstance(value, list) else value for key, value in changes.items()}
    return "; ".join(f"{key} {value}" for key, value in listed.items())


def _combined(axes: Mapping[str, Any]) -> Iterator[Arm]:
    """An arm for each combination: an axis is a recipe key with values, or a name with a table of recipe keys a label"""
    points = [list(_points(name, axis)) for name, axis in axes.items()]
    for chosen in product(*points):
        changes: dict[str, Any] = {}
        for label, values in chosen:
            if double := next((key for key in values if key in changes), None):
                raise LimaError(f"axes: two axes set {double!r} ({label}). Let one axis set it.")
            changes |= values
        yield _arm("+".join(label for label, _ in chosen), changes)


def _points(name: str, axis: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(axis, list) and axis:
        for value in axis:
            yield f"{name}-{value}".replace(" ", "-"), {name: value}
    elif isinstance(axis, dict) and axis:
        for label, values in axis.items():
            if not isinstance(values, dict):
                raise LimaError(f"axes.{name}.{label} is {values!r}; expected a table of recipe keys.")
            yield label, values
    else:
        raise LimaError(
            f"axes.{name} is {axis!r}; expected a list of values for the recipe key {name}, or tables: {name}.LABEL = {{ ... }}."
        )


def _evaluated(table: Mapping[str, Any]) -> Evaluated:
    known = {field.name: field for field in fields(Evaluated)}
    _check_keys(table, [*known, "judge"], "[evaluate]")
    values = dict(table)
    judges = values.pop("judge", values.pop("judges", []))
    numbers = {"take": (int, 1), "samples": (int, 1), "max_new_tokens": (int, 1), "seed": (int, 0),
               "temperature": (float, 0), "top_p": (float, 0), "repetition_penalty": (float, 0)}  # fmt: skip
    for key, value in values.items():
        kind, least = numbers.get(key, (str, 0))
        right = isinstance(value, (int, float) if kind is float else kind) and not isinstance(value, bool)
        if not right or (kind is not str and value < least):
            raise LimaError(
                f"evaluate.{key} is {value!r}; expected {'text' if kind is str else f'a number from {least}'}."
            )
    judges = [judges] if isinstance(judges, str) else judges
    if not isinstance(judges, list) or not all(isinstance(judge, str) for judge in judges):
        raise LimaError(f"evaluate.judge is {judges!r}; expected a model's name, or a list of them.")
    return Evaluated(**values, judges=tuple(judges))


def _table(found: Mapping[str, Any], key: str) -> dict[str, Any]:
    table = found.get(key, {})
    if not isinstance(table, dict):
        raise LimaError(f"{key} is {table!r}; expected a table: [{key}].")
    return table


def _check_keys(table: Mapping[str, Any], known: Any, of: str) -> None:
    for key in table:
        if key not in known:
            raise LimaError(f"{key!r} is not a key of {of}.{did_you_mean(key, known)}")
