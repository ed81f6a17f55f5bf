"""Values beside their labels, in JSON, tables, lists and prose: the capital of each country, the age of each animal.

A label has a wrong value only where it is plain to read: a row, a line, a sentence or a clause that has this label, the value of
another one, and not its own. Where that cannot be told, nothing is said. Knows nothing of what labels and values mean.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import regex

from lima_dialogue_eval.checks.reading.lists import top_items
from lima_dialogue_eval.checks.reading.tables import json_of, objects_of, tables
from lima_dialogue_eval.checks.reading.text import Text, as_pattern, compiled, fold, is_pattern
from lima_dialogue_eval.checks.values import Value, alternatives, kin, mentions, said, shown

MOST_RECORDS = 500
"Rows and objects that are read"
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
_DIRECTLY = regex.compile(r"[\s(:=–,-]{1,4}(?:(?:is|aged|at|has|costs|=)[\s:(]{1,2})?", regex.IGNORECASE)
_JOINED = regex.compile(r"[\s,&\"'(]*(?:\b(?:and|or)\b)?[\s\"'(]*", regex.IGNORECASE)
SHORT = 90
"Characters of a line or a clause in which a number beside a label can only be its own"


@dataclass
class Label:
    """A label, what it wants, and what the text gives it"""

    name: str
    needs: list[tuple[Value, ...]]
    "All that must stand beside it, each in one of several forms"
    right: set[int] = field(default_factory=set)
    "Which needs were found beside it"
    wrong: str = ""
    "What else stands beside it"
    places: list[tuple[int, int]] = field(default_factory=list)


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
    labels = [Label(name, [alternatives(one) for one in _listed(given)]) for name, given in wanted.items()]
    missing = [
        f"{shown(one)} for {name!r}"
        for name, given in wanted.items()
        for one in _listed(given)
        if not any(said(value, text) for value in alternatives(one))
    ]
    if missing:
        return f"without {', '.join(missing)}"
    records = list(_records(labels, text))
    if not _from_records(labels, records, text):
        _from_prose(labels, text)
    return "; ".join(
        f"{label.name!r} has {label.wrong!r}" for label in labels if label.wrong and len(label.right) < len(label.needs)
    )


def _listed(given: Any) -> list[Any]:
    return given if isinstance(given, list) else [given]


def find_label(name: str, text: Text) -> Iterator[tuple[int, int]]:
    """Where a label stands; one in capitals only, such as US, is not found in small letters"""
    pattern = as_pattern(name) if is_pattern(name) else fold(as_pattern(name))
    if name.isupper() and len(name) < 5:
        pattern = f"(?-i:{pattern})"
    for found in compiled(pattern).finditer(text.folded):
        if found.end() > found.start():
            yield found.span()


def _records(labels: list[Label], text: Text) -> Iterator[tuple[int, Text]]:
    """(label, what stands in its row, its column or its object)"""
    rows: list[tuple[str, list[str]]] = []
    value = json_of(text)
    if isinstance(value, dict | list):
        for one in objects_of(value):
            scalars = [str(v) for v in one.values() if not isinstance(v, dict | list)]
            rows += [("", scalars)] + [(key, _flat(v)) for key, v in one.items()]
        rows += [("", [str(v) for v in row]) for row in value if isinstance(row, list)]
    for table in tables(text):
        rows += [(row[0], row[1:]) for row in table.body] + [("", row) for row in table.body]
        if table.rows and table.has_header:
            rows += [(head, [r[i] for r in table.body if i < len(r)]) for i, head in enumerate(table.rows[0])]
    for head, cells in rows[:MOST_RECORDS]:
        named = _labels_in(labels, [head])
        if not head:
            named = _labels_in(labels, cells)
        if len(named) == 1:
            yield named[0], Text("\n".join(cells))


def _flat(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [str(v)[:500] for v in value.values()]
    return [str(v)[:500] for v in value] if isinstance(value, list) else [str(value)]


def _labels_in(labels: list[Label], cells: list[str]) -> list[int]:
    text = Text("\n".join(cell[:500] for cell in cells if cell))
    return [i for i, label in enumerate(labels) if next(find_label(label.name, text), None)]


def _from_records(labels: list[Label], records: list[tuple[int, Text]], text: Text) -> bool:
    """Whether rows or objects tell about any label"""
    for i, record in records:
        label = labels[i]
        label.right |= {n for n, need in enumerate(label.needs) if any(said(value, record) for value in need)}
        label.wrong = label.wrong or _other(labels, i, record)
    return bool(records)


def _other(labels: list[Label], i: int, record: Text) -> str:
    """A value in a record that belongs to another label, or another number than its own"""
    own = [value for need in labels[i].needs for value in need]
    for other in labels:
        for value in (value for need in other.needs for value in need):
            if (
                other is not labels[i]
                and value not in own
                and any(m.sure and not m.denied for m in mentions(value, record))
            ):
                return value.text
    for value in own:
        for mention in kin(value, record):
            if not any(m.start == mention.start for one in own for m in mentions(one, record)):
                return record.folded[mention.start : mention.end]
    return ""


def _from_prose(labels: list[Label], text: Text) -> None:
    """Reads clauses, sentences, lines and blocks; the whole text only where these tell nothing"""
    places = _places(labels, text)

    def within(start: int, end: int) -> list[_Place]:
        return places[bisect_left(places, _Place(start, -1)) : bisect_left(places, _Place(end, -1))]

    side_by_side = [unit for unit in _units(text.folded, _SENTENCE) if _is_side_by_side(within(*unit))]
    for boundary in (_CLAUSE, _SENTENCE, _LINE, _BLOCK):
        for start, end in _units(text.folded, boundary):
            around = side_by_side[max(0, bisect_left(side_by_side, (start + 1, 0)) - 1) :][:1]
            if boundary is not _CLAUSE or not (around and around[0][0] <= start and end <= around[0][1]):
                _claim(labels, text, within(start, end), start, end)
    for place in places:
        if place.label >= 0:
            _give_directly(labels[place.label], text, place.end)
    if not any(label.right or label.wrong for label in labels):
        names = [place.label for place in places if place.label >= 0]
        if len(set(names)) == len(names):
            _claim(labels, text, places, 0, len(text.folded))


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
    found: dict[tuple[int, int], set[tuple[int, int]]] = {}
    for value, whose in owners.items():
        for mention in mentions(value, text):
            if not mention.denied:
                found.setdefault((mention.start, mention.end), set()).update(whose)
    values = [_Place(start, end, -1, frozenset(whose)) for (start, end), whose in found.items()]
    names = [_Place(start, end, i) for i, label in enumerate(labels) for start, end in find_label(label.name, text)]
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
        _give(labels, i, values, text, doubt)
        if not values and not doubt and end - start <= SHORT:
            _give_number(labels[i], Text(text.folded[start:end]))
        return
    doubt = bool(_DENIAL.search(text.folded, places[0].start, places[-1].end))
    for label, own in _grouped(places, text):
        _give(labels, label, own, text, doubt)


def _give(labels: list[Label], i: int, values: list[_Place], text: Text, doubt: bool) -> None:
    """Values that stand beside a label: its own are right; others are wrong where none is its own"""
    label = labels[i]
    right = {n for value in values for owner, n in value.owners if owner == i}
    label.right |= right
    if values and not right and not doubt:
        label.wrong = label.wrong or text.folded[values[0].start : values[0].end]


def _give_number(label: Label, unit: Text) -> None:
    """Another number, time or date than the label's own, alone with it in a short line"""
    for need in label.needs:
        for value in need:
            if (other := kin(value, unit)) and not label.wrong:
                label.wrong = unit.folded[other[0].start : other[0].end]


def _give_directly(label: Label, text: Text, end: int) -> None:
    """A number, time or date right behind a label: Minka (11), Dubai: 14:30"""
    if not label.wrong and (gap := _DIRECTLY.match(text.folded, end)):
        ahead = Text(text.folded[gap.end() : gap.end() + 30])
        own = [value for need in label.needs for value in need]
        first = [other[0] for value in own if (other := kin(value, ahead)) and other[0].start == 0]
        if first and not any(mention.start == 0 for value in own for mention in mentions(value, ahead)):
            label.wrong = ahead.folded[: first[0].end]


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


def table_cells(wanted: dict[str, Any], text: Text) -> str:
    """Which labels have no row, and no column, with their values in this order"""
    found = tables(text)
    if not found:
        return "no table"
    lines = [row for table in found for row in table.rows]
    lines += [[row[i] for row in table.rows if i < len(row)] for table in found for i in range(len(table.rows[0]))]
    joined = [Text("\n".join(cells)) for cells in lines[:MOST_RECORDS]]
    wrong = []
    for name, given in wanted.items():
        own = [line for line in joined if next(find_label(name, line), None)]
        if not any(_in_order([alternatives(one) for one in _listed(given)], line) for line in own):
            values = ", ".join(shown(one) for one in _listed(given))
            wrong.append(f"the row of {name!r} without {values}" if own else f"no row for {name!r}")
    return "; ".join(wrong)


def _in_order(needs: list[tuple[Value, ...]], line: Text) -> bool:
    """Whether the values come one after another"""
    position = 0
    for need in needs:
        ends = [m.end for value in need for m in mentions(value, line) if m.start >= position and not m.denied]
        if not ends:
            return False
        position = min(ends)
    return True


def order(wanted: list[str], text: Text) -> str:
    """Which of two labels comes first though it should not; labels that are not there do not count"""
    value = json_of(text)
    units = [str(one) for one in value] if isinstance(value, list) else []
    units = units or ["\n".join(row[:1]) for table in tables(text) for row in table.body]
    units = units or [item.text for item in top_items(text)]
    if len(units) > 1:
        labels = [Label(name, []) for name in wanted]
        one_each = [named[0] for unit in units[:MOST_RECORDS] if len(named := _labels_in(labels, [unit])) == 1]
        if len(set(one_each)) == len(one_each) > 1:
            late = next(((a, b) for a, b in zip(one_each, one_each[1:], strict=False) if a > b), None)
            return f"{wanted[late[0]]!r} before {wanted[late[1]]!r}" if late else ""
    position, before = -1, ""
    for name in wanted:
        places = [start for start, _ in find_label(name, text)]
        later = [start for start in places if start > position]
        if places and not later:
            return f"{name!r} before {before!r}"
        position, before = (later[0], name) if places else (position, before)
    return ""
