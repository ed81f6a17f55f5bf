"""Options of a plugin, declared as a dataclass: each value of a table is checked by the annotation of its field.

Knows nothing of what the options do.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from lima.data.files import shown
from lima.errors import LimaError, did_you_mean

Options = TypeVar("Options")


@dataclass(frozen=True)
class Between:
    """The least and the largest value of a number: `Annotated[int, Between(1, 100)]`"""

    least: float
    most: float


def options_of(kind: type[Options], table: str, values: Mapping[str, Any]) -> Options:
    """An object of the dataclass with these values, and its own defaults for the others

    LimaError, beginning with the `table`, such as 'my-plugin', for an unknown key and for a value that its field cannot have.
    Fields may be bool, str, `Literal` of texts, tuple[str, ...], and int or float with `Between`; others are checked by the
    dataclass itself, in __post_init__."""
    hints = get_type_hints(kind, include_extras=True)
    known = [one.name for one in fields(kind) if one.init]  # type: ignore[arg-type]
    if unknown := next((key for key in values if key not in known), None):
        raise LimaError(f"{shown(unknown)} is not an option of {table!r}.{did_you_mean(unknown, known)}")
    return kind(**{name: _checked(f"{table}.{name}", hints[name], value) for name, value in values.items()})


def _checked(name: str, hint: Any, value: Any) -> Any:
    fits, expected = _kinds(hint, value)
    if not fits:
        raise LimaError(f"{name} is {shown(value)}; expected {expected}.")
    return tuple(value) if hint == tuple[str, ...] else value


def _kinds(hint: Any, value: Any) -> tuple[bool, str]:
    """Whether a value fits a field, and what would"""
    if hint is bool:
        return isinstance(value, bool), "true or false"
    if hint is str:
        return isinstance(value, str), "text"
    if hint == tuple[str, ...]:
        fits = isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)
        return fits, 'a list of texts, such as ["a", "b"]'
    if get_origin(hint) is Literal:
        choices = get_args(hint)
        return value in choices if isinstance(value, str) else False, " or ".join(map(repr, choices))
    if get_origin(hint) is Annotated and isinstance(bound := get_args(hint)[1], Between):
        return _number(get_args(hint)[0], bound, value)
    if get_origin(hint) in (Union, UnionType):
        found = [_kinds(one, value) for one in get_args(hint)]
        return any(fits for fits, _ in found), " or ".join(dict.fromkeys(words for _, words in found))
    return True, ""


def _number(kind: type, bound: Between, value: Any) -> tuple[bool, str]:
    what = "a whole number" if kind is int else "a number"
    numeric = isinstance(value, int if kind is int else int | float) and not isinstance(value, bool)
    fits = numeric and math.isfinite(value) and bound.least <= value <= bound.most
    return fits, f"{what} from {bound.least:,} to {bound.most:,}"
