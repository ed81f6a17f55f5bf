"""Values beside their labels, in JSON, tables, lists and prose: the capital of each country, the age of each animal.

A label has a wrong value only where it is plain to read: a row, a line, a sentence or a clause that has this label, the value of
another one, and not its own. Where that cannot be told, nothing is said. Knows nothing of what labels and values mean.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import regex

from lima_dialogue_eval.checks.reading.text import Text
from lima_dialogue_eval.checks.records import Label, find_label, listed, records
from lima_dialogue_eval.checks.values import Value, alternatives, kin, mentions, said, shown, surely_said

_SENTENCE = regex.compile(r"(?<=[.!?;…])[\"')\]]*\s+|\n+")
_CLAUSE = regex.compile(r"(?<=[.!?;…])\s+|\n+|[;,()]+|\s[–—-]\s|\b(?:and|but|while|whereas|or)\b", regex.IGNORECASE)
_LINE = regex.compile(r"\n+")
_BLOCK = regex.compile(r"\n[ \t]*\n\s*")
_DENYING = (
    r"n't\b|\b(?:not|never|nor|neither|no longer|than|unlike|instead|rather|formerly|previously"
    r"|confus\w+|mix\w*|mistak\w+|wrong\w*)\b"
)
_DENIAL = regex.compile(_DENYING, regex.IGNORECASE)
_DOUBT = regex.compile(
    rf"{_DENYING}|\b(?:once|was|were|used to|compar\w+|differ\w*|ahead|behind|when|if|unless|both|also|like|near|from|to)\b|\+",
    regex.IGNORECASE,
)
_MARKER = regex.compile(r"^([ \t>(]*)\d{1,3}[.):](?=\s)", regex.MULTILINE)
_DIRECTLY = regex.compile(r"[\s(:=–,-]{1,4}(?:(?:is|aged|at|has|costs|=)[\s:(]{1,2})?", regex.IGNORECASE)
_JOINED = regex.compile(r"[\s,&\"'(]*(?:\b(?:and|or)\b)?[\s\"'(]*", regex.IGNORECASE)
SHORT = 90
"Characters of a line or a clause in which a number beside a label can only be its own"


@dataclass(frozen=True, order=True)
class _Place:
    start: int
    end: int
    label: int = -1
    "Which label it is, or -1"
    owners: frozenset[tuple[int, int]] = frozenset()
    "Of which label, and which of its needs, it is the value"


def pairs(wanted: dict[str, Any], text: Text) -> str:
    """What is wrong with values and labels, '' where nothing is for certain"""
    labels = [Label(name, [alternatives(one) for one in listed(given)]) for name, given in wanted.items()]
    missing = [
        f"{shown(one)} for {name!r}"
        for name, given in wanted.items()
        for one in listed(given)
        if not any(said(value, text) for value in alternatives(one))
    ]
    if missing:
        return f"without {', '.join(missing)}"
    rows = list(records(labels, text))
    if not _from_records(labels, rows):
        _from_prose(labels, text)
    return "; ".join(
        f"{label.name!r} has {label.wrong!r}" for label in labels if label.wrong and len(label.right) < len(label.needs)
    )


def _from_records(labels: list[Label], rows: list[tuple[int, Text]]) -> bool:
    """Whether rows or objects tell about any label"""
    for i, record in rows:
        label = labels[i]
        label.right |= {n for n, need in enumerate(label.needs) if any(said(value, record) for value in need)}
        label.wrong = label.wrong or _other(labels, i, record)
    return bool(rows)


def _other(labels: list[Label], i: int, record: Text) -> str:
    """A value in a record that belongs to another label, or another number than its own"""
    own = [value for need in labels[i].needs for value in need]
    others = {value for label in labels for need in label.needs for value in need} - set(own)
    if theirs := sorted(value.text for value in others if surely_said(value, record)):
        return theirs[0]
    foreign = _foreign(own, record)
    return record.folded[foreign[0] : foreign[1]] if foreign else ""


def _foreign(own: list[Value], text: Text) -> tuple[int, int] | None:
    """Where a text has another number, time or date than a label's own, of the same kind"""
    places = {mention.start for value in own for mention in mentions(value, text)}
    others = [mention for value in own for mention in kin(value, text) if mention.start not in places]
    return min(((mention.start, mention.end) for mention in others), default=None)


def _from_prose(labels: list[Label], text: Text) -> None:
    """Reads clauses, sentences, lines and blocks; the whole text only where these tell nothing"""
    places = _places(labels, text)

    def within(start: int, end: int) -> list[_Place]:
        return places[bisect_left(places, _Place(start, -1)) : bisect_left(places, _Place(end, -1))]

    side_by_side = [unit for unit in _units(text.folded, _SENTENCE) if _is_side_by_side(within(*unit))]
    for boundary in (_CLAUSE, _SENTENCE, _LINE, _BLOCK):
        for start, end in _units(text.folded, boundary):
            if boundary is not _CLAUSE or not _is_within(start, end, side_by_side):
                _claim(labels, text, within(start, end), start, end)
    for place in places:
        if place.label >= 0 and not _is_within(place.start, place.end, side_by_side):
            _give_directly(labels[place.label], text, place.end)
    if not any(label.right or label.wrong for label in labels):
        names = [place.label for place in places if place.label >= 0]
        if len(set(names)) == len(names):
            _claim(labels, text, places, 0, len(text.folded))


def _is_within(start: int, end: int, units: list[tuple[int, int]]) -> bool:
    """Whether a place lies in one of the units, which are in their order"""
    i = bisect_left(units, (start + 1, 0)) - 1
    return i >= 0 and end <= units[i][1]


def _is_side_by_side(places: list[_Place]) -> bool:
    """Whether several labels stand before or after as many values: a clause of it would pair the last with the first"""
    runs = [len(run) for run in _runs(places)]
    return any(one > 1 and other > 1 for one, other in zip(runs, runs[1:], strict=False))


def _places(labels: list[Label], text: Text) -> list[_Place]:
    """Labels and values in the order of the text; a value within a longer one is left out, a label within a value as well"""
    owners: dict[Value, set[tuple[int, int]]] = {}
    for i, label in enumerate(labels):
        for n, need in enumerate(label.needs):
            for value in need:
                owners.setdefault(value, set()).add((i, n))
    markers = {found.end(1) for found in _MARKER.finditer(text.folded)}
    found: dict[tuple[int, int], set[tuple[int, int]]] = {}
    for value, whose in owners.items():
        for mention in mentions(value, text):
            if not mention.denied and mention.start not in markers:
                found.setdefault((mention.start, mention.end), set()).update(whose)
    values = [_Place(start, end, -1, frozenset(whose)) for (start, end), whose in found.items()]
    names = [
        _Place(start, end, i) for i, label in enumerate(labels) for start, end in find_label(label.name, text, True)
    ]
    kept: list[_Place] = []
    for place in sorted([*values, *names], key=lambda p: (p.start, -p.end, p.label)):
        if not kept or place.end > kept[-1].end or (place.start, place.end) == (kept[-1].start, kept[-1].end):
            kept.append(place)
    return kept


def _units(text: str, boundary: "regex.Pattern[str]") -> Iterator[tuple[int, int]]:
    start = 0
    for found in boundary.finditer(text):
        if found.start() > start:
            yield start, found.start()
        start = found.end()
    yield start, len(text)


def _claim(labels: list[Label], text: Text, places: list[_Place], start: int, end: int) -> None:
    """What one unit says about its labels"""
    named = {place.label for place in places if place.label >= 0}
    values = [place for place in places if place.owners]
    if not named:
        return
    if len(named) == 1:
        (i,) = named
        asked = "?" in text.folded[values[0].start if values else start : end]
        doubt = asked or end - start > 1_000 or bool(_DOUBT.search(text.folded, start, end))
        right = _give(labels, i, values, text, doubt)
        if len(right) < len(labels[i].needs) and not doubt and end - start <= SHORT:
            _give_number(labels[i], Text(text.folded[start:end]))
        return
    doubt = bool(_DENIAL.search(text.folded, places[0].start, places[-1].end))
    for label, own in _grouped(places, text):
        _give(labels, label, own, text, doubt)


def _give(labels: list[Label], i: int, values: list[_Place], text: Text, doubt: bool) -> set[int]:
    """Values that stand beside a label: its own are right; others are wrong where none is its own"""
    label = labels[i]
    right = {n for value in values for owner, n in value.owners if owner == i}
    label.right |= right
    if values and not right and not doubt:
        label.wrong = label.wrong or text.folded[values[0].start : values[0].end]
    return right


def _give_number(label: Label, unit: Text) -> None:
    """Another number, time or date than the label's own, alone with it in a short line"""
    foreign = _foreign([value for need in label.needs for value in need], unit)
    if foreign and not label.wrong:
        label.wrong = unit.folded[foreign[0] : foreign[1]]


def _give_directly(label: Label, text: Text, end: int) -> None:
    """A number, time or date right behind a label: Minka (11), Dubai: 14:30"""
    if not label.wrong and (gap := _DIRECTLY.match(text.folded, end)):
        ahead = Text(text.folded[gap.end() : gap.end() + 30])
        foreign = _foreign([value for need in label.needs for value in need], ahead)
        if foreign and foreign[0] == 0:
            label.wrong = ahead.folded[: foreign[1]]


def _runs(places: list[_Place]) -> list[list[_Place]]:
    """Labels and values in turn"""
    runs: list[list[_Place]] = []
    for place in places:
        if runs and (runs[-1][0].label >= 0) == (place.label >= 0):
            runs[-1].append(place)
        else:
            runs.append([place])
    return runs


def _grouped(places: list[_Place], text: Text) -> Iterator[tuple[int, list[_Place]]]:
    """Labels with the values beside them, where they alternate: each label before its values, or each after them"""
    runs = _runs(places)
    first_is_label = runs[0][0].label >= 0
    heads, tails = runs[0::2], runs[1::2]
    names, values = (heads, tails) if first_is_label else (tails, heads)
    if len(heads) != len(tails) or len({len(v) for v in values}) != 1:
        return
    if len(names) == 1 and len(names[0]) == len(values[0]) > 1:
        if "respectively" in text.folded[places[0].start : places[-1].end + 20].lower():
            yield from ((name.label, [value]) for name, value in zip(names[0], values[0], strict=True))
        return
    if all(len({p.label for p in run}) == len(run) and (len(run) == 1 or _coordinated(run, text)) for run in names):
        for run, own in zip(names, values, strict=True):
            yield from ((name.label, own) for name in run)


def _coordinated(run: list[_Place], text: Text) -> bool:
    """Whether labels are joined to one list, A, B and C"""
    gaps = [text.folded[a.end : b.start] for a, b in zip(run, run[1:], strict=False)]
    return all(len(gap) < 20 and _JOINED.fullmatch(gap) for gap in gaps) and bool(
        regex.search(r"\b(?:and|or)\b|&", gaps[-1])
    )
