"""What value each check takes, and what is wrong with one that it does not take.

Knows nothing of what the checks do.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from lima import LimaError, did_you_mean
from lima_dialogue_eval.checks.history import MEASURES, REFERENCE
from lima_dialogue_eval.checks.reading.text import as_pattern, compiled, texts
from lima_dialogue_eval.checks.values import value

Fault = tuple[str, str]
"What is wrong, and what to do about it"


@dataclass(frozen=True)
class Shape:
    """One kind of value"""

    expected: str
    fits: Callable[[Any], bool]
    patterns: Callable[[Any], list[str]] = lambda given: []
    "The patterns in it, which must be regular expressions"
    options: "dict[str, Shape]" = field(default_factory=dict)
    "For an object with options: the shape of each"
    needed: tuple[str, ...] = ()
    "The options that cannot be left out"
    alone: bool = False
    "Whether a reference to a reply may stand for the object"

    @property
    def refers(self) -> bool:
        """Whether it names what was said before"""
        return self.alone or "reply" in self.options

    def faults(self, name: str, given: Any) -> Iterator[Fault]:
        """What is wrong with a value"""
        if self.options and isinstance(given, dict):
            yield from self._faults_of_options(name, given)
        elif not self.fits(given):
            yield f"{name} is {_short(given)}", f"Put {self.expected}."
        else:
            for pattern in self.patterns(given):
                try:
                    compiled(pattern)
                except LimaError as e:
                    yield f"{name}: {str(e).rstrip('.')}", "Fix it, or put a plain text."

    def _faults_of_options(self, name: str, given: dict[Any, Any]) -> Iterator[Fault]:
        for key, one in given.items():
            if key not in self.options:
                yield f"{name} has an unknown key {key!r}", f"Rename it.{did_you_mean(str(key), self.options)}"
            else:
                yield from self.options[key].faults(f"{key!r} of {name}", one)
        for key in self.needed:
            if key not in given:
                yield f"{name} has no {key!r}", f"Add {self.options[key].expected}."


def _short(given: Any) -> str:
    text = repr(given)
    return text if len(text) <= 60 else text[:59] + "…"


def _is_text(given: Any) -> bool:
    return isinstance(given, str) and bool(given.strip())


def _is_number(given: Any) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool) and math.isfinite(given)


def _is_value(given: Any) -> bool:
    if isinstance(given, dict):
        return set(given) == {"any"} and isinstance(given["any"], list) and _each(_is_simple)(given["any"])
    return _is_simple(given)


def _is_simple(given: Any) -> bool:
    return _is_text(given) or _is_number(given)


def _each(one: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Of a list, or of one thing alone: there is one, and all fit"""
    return lambda given: bool(texts(given)) and all(map(one, texts(given)))


def _is_object(one: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda given: (
        isinstance(given, dict) and bool(given) and all(map(_is_text, given)) and all(map(one, given.values()))
    )


def _is_reply(given: Any) -> bool:
    return type(given) is int and given != 0 or isinstance(given, str) and bool(REFERENCE.fullmatch(given))


def _within(given: Any) -> list[str]:
    """The patterns of texts, values and labels, however deep they stand"""
    if isinstance(given, dict):
        return [p for key, one in given.items() for p in (*([] if key == "any" else _within(key)), *_within(one))]
    if isinstance(given, list | tuple):
        return [pattern for one in given for pattern in _within(one)]
    return [as_pattern(given)] if _is_text(given) else []


NUMBER = Shape("a whole number", lambda given: type(given) is int and given >= 0)
BOOLEAN = Shape("true or false", lambda given: isinstance(given, bool))
TRUE = Shape("true", lambda given: given is True)
TEXTS = Shape("a text or a list of texts", _each(_is_text), _within)
LABELS = Shape(
    "a list of two texts or more",
    lambda given: isinstance(given, list) and len(given) > 1 and _each(_is_text)(given),
    _within,
)
PATTERNS = Shape("a pattern or a list of patterns", _each(_is_text), texts)
VALUES = Shape('a text or a number, a list of them, or {"any": […]}', _each(_is_value), _within)
PAIRS = Shape("an object with a value, or a list of values, for each label", _is_object(_each(_is_value)), _within)
AMOUNTS = Shape(
    "an object with a number for each word", _is_object(lambda one: _is_simple(one) and value(one).kind == "number")
)
CHECK = Shape("a check", lambda given: False)
ANY = Shape("a JSON value", lambda given: True)
_REPLY = Shape('the number of a reply (1 the first, -1 the last), or "user 1"', _is_reply)
_FACTOR = Shape("a number above 0", lambda given: _is_number(given) and given > 0)
_SHARE = Shape("a number from 0 to 1", lambda given: _is_number(given) and 0 <= given <= 1)
_MEASURE = Shape(f"one of {', '.join(MEASURES)}", lambda given: isinstance(given, str) and given in MEASURES)
_COMPARED = {"reply": _REPLY, "factor": _FACTOR, "in": _MEASURE}
_OR_OPTIONS = f"{_REPLY.expected}, or an object with 'reply' and"
COMPARED = Shape(f"{_OR_OPTIONS} 'factor' or 'in'", _is_reply, options=_COMPARED, needed=("reply",))
AS_MANY = Shape(
    "an object with 'reply' and 'in'", _is_reply, options={"reply": _REPLY, "in": _MEASURE}, needed=("reply",)
)
ITEMS_FROM = Shape(f"{_OR_OPTIONS} 'new'", _is_reply, options={"reply": _REPLY, "new": NUMBER}, needed=("reply",))
_WHAT = Shape("one of items, lines, numbers", lambda given: given in ("items", "lines", "numbers"))
KEEPS = Shape(
    "an object with 'reply' and 'what'",
    lambda given: False,
    options={"reply": _REPLY, "what": _WHAT, "except": VALUES},
    needed=("reply", "what"),
)
_REPLIES = Shape(f"{_REPLY.expected}, or a list of them", _each(_is_reply))
_REPLACING = Shape("an object of old and new texts", _is_object(lambda one: isinstance(one, str)))
REPEATS = Shape(
    f"{_OR_OPTIONS} 'replacing'",
    _is_reply,
    options={"reply": _REPLIES, "replacing": _REPLACING, "share": _SHARE, "exact": TRUE},
    needed=("reply",),
)
DIFFERS = Shape(
    f'{_REPLY.expected}, or "every reply"', lambda given: _is_reply(given) or given == "every reply", alone=True
)
AGREES_WITH = Shape(
    "an object with 'reply' and 'on'",
    lambda given: False,
    options={"reply": _REPLY, "on": TEXTS},
    needed=("reply", "on"),
)
JSON_EQUALS = Shape(
    "an object with 'value'",
    lambda given: False,
    options={"value": ANY, "any_order": BOOLEAN, "extra_keys": BOOLEAN, "exact": BOOLEAN},
    needed=("value",),
)


def with_options(given: Any) -> dict[str, Any]:
    """The options of a check about an earlier reply, of which the number alone may be given"""
    return given if isinstance(given, dict) else {"reply": given}


def out_of_reach(name: str, given: Any, replies: int) -> Iterator[Fault]:
    """What is wrong with a reference to what was said before a turn with so many replies before it"""
    named = given.get("reply") if isinstance(given, dict) else given
    for reference in texts(named):
        if not _is_reply(reference):
            continue
        user = REFERENCE.fullmatch(reference) if isinstance(reference, str) else None
        number, there = (int(user[1]), replies + 1) if user else (int(reference), replies)
        if abs(number) > there:
            counted = (
                f"{there} user turn{'s' * (there > 1)}"
                if user
                else f"{there or 'no'} repl{'y' if there == 1 else 'ies'}"
            )
            verb = "is" if there == 1 else "are"
            advice = (
                f"Put a number from 1 to {there}, or -1 for the last." if there else "Leave it out of the first turn."
            )
            yield f"{name} names {reference!r}, and there {verb} {counted} before this reply", advice
