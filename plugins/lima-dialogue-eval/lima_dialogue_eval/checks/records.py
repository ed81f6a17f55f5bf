"""Labels and what stands with each of them in a row, a column or an object; and in which order labels come.

Knows nothing of prose.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lima_dialogue_eval.checks.reading.lists import top_items
from lima_dialogue_eval.checks.reading.tables import json_of, objects_of, tables
from lima_dialogue_eval.checks.reading.text import Text, as_pattern, compiled, fold, is_pattern
from lima_dialogue_eval.checks.values import Value, alternatives, mentions, shown

MOST_RECORDS = 500
"Rows and objects that are read"


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


def listed(given: Any) -> list[Any]:
    """What a label wants, as a list"""
    return given if isinstance(given, list) else [given]


def find_label(name: str, text: Text, as_written: bool = False) -> Iterator[tuple[int, int]]:
    """Where a label stands; `as_written`, a name is not found in small letters: Hop is not what rabbits do"""
    pattern = as_pattern(name) if is_pattern(name) else fold(as_pattern(name))
    if not is_pattern(name) and (as_written or len(name) < 4) and name[0].isupper():
        pattern = f"(?-i:{pattern}|{fold(as_pattern(name.upper()))})"
    for found in compiled(pattern).finditer(text.folded):
        if found.end() > found.start():
            yield found.span()


def records(labels: list[Label], text: Text) -> Iterator[tuple[int, Text]]:
    """(label, what stands in its row, its column or its object); those of several labels are left out"""
    rows: list[list[str]] = []
    value = json_of(text)
    if isinstance(value, dict | list):
        for one in objects_of(value):
            rows.append([str(v)[:500] for v in one.values() if not isinstance(v, dict | list)])
            rows += [[key, *_flat(v)] for key, v in one.items()]
        rows += [[str(v)[:500] for v in row] for row in value if isinstance(row, list)]
    for table in tables(text):
        rows += table.body
        if table.has_header:
            rows += [[head, *(r[i] for r in table.body if i < len(r))] for i, head in enumerate(table.rows[0])]
    for cells in rows[:MOST_RECORDS]:
        if len(named := labels_in(labels, cells)) == 1:
            yield named[0], Text("\n".join(cells))


def _flat(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [str(v)[:500] for v in value.values()]
    return [str(v)[:500] for v in value] if isinstance(value, list) else [str(value)]


def labels_in(labels: list[Label], cells: list[str]) -> list[int]:
    """Which labels some cells have"""
    text = Text("\n".join(cell[:500] for cell in cells if cell))
    return [i for i, label in enumerate(labels) if next(find_label(label.name, text), None)]


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
        if not any(_in_order([alternatives(one) for one in listed(given)], line) for line in own):
            values = ", ".join(shown(one) for one in listed(given))
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
        one_each = [named[0] for unit in units[:MOST_RECORDS] if len(named := labels_in(labels, [unit])) == 1]
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
