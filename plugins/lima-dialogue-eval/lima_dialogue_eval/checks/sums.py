"""Sums that a text works out, such as `2 × (4 + 3) × 2.5 m = 35 m²`: whether one of them is surely wrong.

Only what can be read in one way is judged. An equation that words belong to ("two walls of 4 × 2.5 = 20"), with units that do not
fit, or that somebody calls wrong, holds. Knows nothing of what was asked.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from typing import Any

import regex

from lima_dialogue_eval.checks.reading.text import Text

LONGEST, MOST = 300, 100
"Characters of an equation, and equations of a text, that are looked at"

_NUMBER = r"(?<![\p{L}\d.,:])(?:\d{1,3}(?:,\d{3})+|\d{1,15})(?:\.\d{1,9})?(?![\d:]|[.,]\d)"
_STOP = r"(?:and|or|to|per|of|at|for|each|both|half|twice|double|another|from|with|then|so|in|on|if|plus|minus|times|less|by|x)"
_UNIT = rf"(?:m\^?[23]|[m]?[²³]|%|[€£$¥]|(?!{_STOP}\b)\p{{L}}++[²³]?\.?)"
_TOKEN = regex.compile(
    rf"(?P<number>{_NUMBER})|(?P<add>\+|plus\b)|(?P<subtract>[-−–]|(?:minus|less)\b)"
    r"|(?P<multiply>[×*·]|x(?![\p{L}])|(?:times|multiplied by|by)\b)|(?P<divide>[/÷]|divided by\b)"
    rf"|(?P<open>[(\[])|(?P<close>[)\]])|(?P<unit>{_UNIT})|(?P<odd>\S)",
    regex.IGNORECASE,
)
_EQUALS = regex.compile(r"(?<![<>=!:/≈~])=(?![=>])|\b(?:equals|is equal to|makes|comes to|is)\b", regex.IGNORECASE)
_DOUBTED = regex.compile(
    r"\b(?:not|never|wrong\w*|mistake\w*|error|should|instead|rather|wrote|said|oops|correct\w*|false|would|if)\b|n't\b|≠|\?",
    regex.IGNORECASE,
)
_COUNTING = regex.compile(
    r"\b(?:one|two|three|four|five|six|seven|eight|nine|ten|dozen|hundred|both|each|every|half|twice|double|triple|pair|per|"
    r"another|other|same|again|times)\b",
    regex.IGNORECASE,
)
_MARKER = regex.compile(r"^\s*(?:\d{1,2}[.)]|[-*•–])\s+")
_BREAK = regex.compile(r"[.:;!?]\s+|→|=>|\n")
_LATER_BREAK = regex.compile(r"[.:;!?,]\s+|→|=>|\n|\b(?:and|then|so)\b", regex.IGNORECASE)
"After one equation a comma begins the next"


_UNMATCHED = regex.compile(r"[(\[](?=[^()\[\]]*+\Z)")
"In brackets there may be an equation of its own"


@dataclass(frozen=True)
class _Read:
    """What an expression is worth, and what it is made of"""

    value: Fraction
    exact: bool
    "Whether all its numbers are whole and none is divided"
    sums: int
    "How many operations it has"
    units: frozenset[str]


class _Unreadable(Exception):
    """What is not an expression that can be read in one way"""


def wrong_sums(wanted: bool, text: Text) -> str:
    """The first sum that is surely wrong; '' where there is none"""
    for left, right in islice(_equations(text.plain), MOST):
        if _surely_differ(left, right):
            return f"{' '.join(left.split())} is not {' '.join(right.split())[:40]}"
    return ""


def _equations(text: str) -> Iterator[tuple[str, str]]:
    """(what stands before, what stands after) each sign of equality in lines that call nothing wrong"""
    for line in text.splitlines():
        if _EQUALS.search(line) and not _DOUBTED.search(line):
            yield from _of_line(_MARKER.sub("", line))


def _of_line(line: str) -> Iterator[tuple[str, str]]:
    """Those of one line; the first without the words that lead to it"""
    signs = list(islice(_EQUALS.finditer(line), MOST + 1))
    edges = [0, *(end for sign in signs for end in sign.span()), len(line)]
    parts = [line[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True)]
    for place, (left, right) in enumerate(zip(parts, parts[1:], strict=False)):
        breaks = list((_LATER_BREAK if place else _BREAK).finditer(left))
        tail = left[breaks[-1].end() :] if breaks else left
        opened = _UNMATCHED.search(tail)
        tail = tail[opened.end() :] if opened else tail
        digit = regex.search(r"[\d(\[€£$]", tail)
        if digit is None or len(tail) > LONGEST or _COUNTING.search(tail[: digit.start()]):
            continue
        yield tail[digit.start() :], right[:LONGEST]


def _surely_differ(left: str, right: str) -> bool:
    """Whether an expression is worth something other than what is said right of it, or than all that begins there"""
    try:
        worth = _read(list(_TOKEN.finditer(left)))
        if not worth.sums:
            return False
        tokens = list(_TOKEN.finditer(right))
        said = _prefixes(tokens)
    except _Unreadable:
        return False
    return bool(said) and all(_differs(worth, one, decimals) for one, decimals in said)


def _prefixes(tokens: "list[regex.Match[str]]") -> list[tuple[_Read, int]]:
    """What the text right of a sign may say: its first number with its unit, and the longer expressions that begin with it"""
    found = []
    for length in range(1, min(len(tokens), 40) + 1):
        try:
            read = _read(tokens[:length])
        except _Unreadable:
            continue
        number = next(t["number"] for t in tokens if t["number"])
        found.append((read, len(number.partition(".")[2])))
    units = frozenset[str]().union(*(read.units for read, _ in found if not read.sums))
    return [(_Read(r.value, r.exact, r.sums, r.units | units), n) for r, n in found]


def _differs(worth: _Read, said: _Read, decimals: int) -> bool:
    """Whether two values differ by more than rounding, and their units do not explain it"""
    if said.units and worth.units and not said.units & worth.units:
        return False
    if {"%"} & (said.units | worth.units):
        return False
    step = Fraction(1, 10**decimals)
    rounded = (worth.value / step).denominator != 1
    return abs(worth.value - said.value) >= (step if rounded else Fraction(1, 10**9))


def _read(tokens: "list[regex.Match[str]]") -> _Read:
    """The value of an expression, all of whose tokens are read"""
    reader = _Reader(tokens[:60] if len(tokens) <= 60 else [])
    value = reader.added()
    if reader.at < len(reader.tokens) or not reader.tokens:
        raise _Unreadable
    return _Read(value, reader.exact, reader.sums, frozenset(reader.units))


class _Reader:
    """Reads tokens from left to right, products before sums"""

    def __init__(self, tokens: "list[regex.Match[str]]") -> None:
        self.tokens, self.at, self.sums, self.exact = tokens, 0, 0, True
        self.units: set[str] = set()

    def _kind(self) -> Any:
        return self.tokens[self.at].lastgroup if self.at < len(self.tokens) else None

    def _take(self) -> str:
        self.at += 1
        return str(self.tokens[self.at - 1][0])

    def added(self) -> Fraction:
        value = self._multiplied()
        while (kind := self._kind()) in ("add", "subtract"):
            self._take()
            other = self._multiplied()
            self.sums += 1
            value = value + other if kind == "add" else value - other
        return value

    def _multiplied(self) -> Fraction:
        value = self._one()
        while (kind := self._kind()) in ("multiply", "divide", "open"):
            if kind != "open":
                self._take()
            other = self._one()
            self.sums += 1
            if kind == "divide" and not other:
                raise _Unreadable
            value = value / other if kind == "divide" else value * other
        return value

    def _one(self) -> Fraction:
        if self._kind() == "open":
            self._take()
            value = self.added()
            if self._kind() != "close":
                raise _Unreadable
            self._take()
        else:
            self._unit(before=True)
            if self._kind() != "number":
                raise _Unreadable
            value = Fraction(self._take().replace(",", ""))
        self._unit()
        return value

    def _unit(self, before: bool = False) -> None:
        """A unit, of up to three words; before a number only a currency"""
        for _ in range(1 if before else 3):
            if self._kind() != "unit" or (before and self.tokens[self.at][0] not in "€£$¥"):
                return
            self.units.add(_plain_unit(self._take()))


def _plain_unit(unit: str) -> str:
    """metres, m, m² and square metres are the same here, which only tells scales apart"""
    unit = regex.sub(r"\^?[23²³.]+$", "", unit.casefold())
    unit = {"square": "m", "sq": "m", "sqm": "m", "metre": "m", "meter": "m"}.get(unit.rstrip("s") or unit, unit)
    return {"litre": "l", "liter": "l"}.get(unit.rstrip("s"), unit.rstrip("s") or unit)
