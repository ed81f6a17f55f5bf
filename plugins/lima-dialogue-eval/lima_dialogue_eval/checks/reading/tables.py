"""Tables and JSON in a text: Markdown tables, drawn ones, HTML, columns set with spaces or tabs; JSON wherever it stands.

Knows nothing of what the cells and values mean.
"""

import html
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import regex

from lima_dialogue_eval.checks.reading.text import Text, alike, as_pattern, found, has, is_pattern, plain

MOST_CELLS = 20_000
"Cells of a text's tables that are read"
MOST_BRACKETS = 20
"Brackets at which JSON within a text may begin"
_RULE = regex.compile(r"[ \t]*\|?[ \t]*:?-++:?[ \t]*+(?:\|[ \t]*:?-++:?[ \t]*+)*+\|?[ \t]*")
_DRAWN_RULE = regex.compile(r"[\s+\-=:|─━═┄┈┌┐└┘├┤┬┴┼╔╗╚╝╠╣╦╩╬╒╕╘╛╞╡╤╧╪╭╮╰╯┏┓┗┛┣┫┳┻╋┡┩╇│┃║]+")
_BARS = str.maketrans("│┃║｜", "||||")
_CELL = regex.compile(r"(?<!\\)\|")
_GAP = regex.compile(r"(?<=\S)(?:\t+| {2,}+)(?=\S)")
_HTML_ROW = regex.compile(r"<tr\b[^<>]{0,200}>(.*?)(?:</tr>|(?=<tr\b)|</table>|\Z)", regex.IGNORECASE | regex.DOTALL)
_HTML_CELL = regex.compile(r"<t([hd])\b[^<>]{0,200}>", regex.IGNORECASE)
_FENCED = regex.compile(r"^[ \t]*```[^\n]*\n(.*?)^[ \t]*```", regex.MULTILINE | regex.DOTALL)
_MISSING = object()


@dataclass(frozen=True)
class Table:
    """Rows of cells, the header first if there is one"""

    rows: list[list[str]]
    has_header: bool
    "Whether a line below the first row, or HTML, says that it is the header"
    sure: bool
    "Whether nobody could take it for anything else"

    @property
    def body(self) -> list[list[str]]:
        """The rows below the header"""
        return self.rows[1:] if self.has_header else self.rows


def tables(text: Text) -> list[Table]:
    """The tables of a text; those that are sure first, the others only where there is no such"""
    lines = [regex.sub(r"^[ \t]*(?:>[ \t]?)++", "", line) for line in text.raw.translate(_BARS).splitlines()]
    found = [*_html_tables(text.raw), *_tables(lines, _bars)]
    sure = [table for table in found if table.sure]
    return sure or found or [*_tables(text.raw.splitlines(), _columns)] or _separated(text.raw)


def has_table(text: Text) -> bool:
    """Whether there is something that may be a table"""
    return bool(tables(text)) or "\\begin{tabular}" in text.raw


def certain_table(text: Text) -> bool:
    """Whether there is a table that nobody could take for anything else"""
    return any(table.sure for table in tables(text))


def _tables(lines: list[str], cells_of: Callable[[str], list[str]]) -> Iterator[Table]:
    """Runs of two or more lines with cells; lines that only draw are left out"""
    rows: list[list[str]] = []
    header = drawn = False
    left = MOST_CELLS
    for line in [*lines, ""]:
        if _rule(line) and (rows or not line.strip(" -")):
            header = header or len(rows) == 1
            drawn = drawn or bool(line.strip(" -=:"))
            continue
        cells = cells_of(line)
        left -= len(cells)
        apart = cells_of is _columns and rows and len(cells) != len(rows[0])
        if len(cells) > 1 and not apart and left > 0:
            rows.append(cells)
            continue
        if len(rows) > 1 or (rows and header and drawn):
            yield Table(rows, header, drawn and cells_of is _bars)
        rows, header, drawn = [], False, False


def _rule(line: str) -> bool:
    """Whether a line only draws"""
    drawn = any(sign in line for sign in "-=─═━") and len(line) < 2_000
    return drawn and bool(_RULE.fullmatch(line) or _DRAWN_RULE.fullmatch(line))


def _bars(line: str) -> list[str]:
    """The cells of a line with |"""
    line = line.strip()
    if "|" not in line:
        return []
    return [_clean(cell) for cell in _CELL.split(line.removeprefix("|").removesuffix("|"))]


def _columns(line: str) -> list[str]:
    """The cells of a line whose columns are set with tabs or with two spaces or more"""
    return [_clean(cell) for cell in _GAP.split(line.strip())] if line.strip() else []


def _separated(raw: str) -> list[Table]:
    """What a code fence has as comma- or semicolon-separated values"""
    for fenced in _FENCED.findall(raw):
        lines = [line for line in fenced.splitlines() if line.strip()]
        for mark in ",;":
            rows = [[_clean(cell) for cell in line.split(mark)] for line in lines[:1000]]
            if (
                len(rows) > 1
                and len({len(row) for row in rows}) == 1
                and len(rows[0]) > 1
                and not lines[0].startswith(("[", "{"))
            ):
                return [Table(rows, True, False)]
    return []


def _html_tables(raw: str) -> Iterator[Table]:
    if "<tr" not in raw.lower():
        return
    rows: list[list[str]] = []
    header = False
    for row in _HTML_ROW.findall(raw)[:1000]:
        parts = _HTML_CELL.split(row)
        header = header or (not rows and parts[1::2].count("h") + parts[1::2].count("H") == len(parts) // 2)
        rows.append([_clean(cell) for cell in parts[2::2]])
    yield Table(rows, header, True)


def _clean(cell: str) -> str:
    return html.unescape(plain(cell.replace("\\|", "|"))).strip()


def json_of(text: Text) -> Any:
    """The JSON value that a text has: all of it, in a fence, or the longest within it; `NO_JSON` without one"""
    raw = text.raw.strip()
    for part in (raw, *_FENCED.findall(text.raw)[:20]):
        value = parsed(part)
        if value is not _MISSING:
            return value
    decoder, longest, end = json.JSONDecoder(parse_constant=_refuse), 0, 0
    value = _MISSING
    for start in [bracket.start() for bracket in regex.finditer(r"[\[{]", raw)][:MOST_BRACKETS]:
        if start >= end:
            try:
                one, end = decoder.raw_decode(raw, start)
            except (ValueError, RecursionError):
                continue
            if end - start > longest:
                value, longest = one, end - start
    return value


NO_JSON = _MISSING


def is_json(text: Text) -> bool:
    """Whether the whole reply is one JSON value; a code fence around it is forgiven"""
    return parsed(text.raw) is not _MISSING


def parsed(text: str) -> Any:
    """A JSON value, in a code fence or not; `NO_JSON` for anything else"""
    text = text.strip()
    if text.startswith("```") and text.endswith("```"):
        text = regex.sub(r"\A```[\w+-]{0,20}[ \t]*", "", text.removesuffix("```"))
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return _MISSING


def _refuse(name: str) -> None:
    raise ValueError(name)


def difference(wanted: Any, given: Any, options: dict[str, Any], path: str = "") -> str:
    """Where JSON differs from what is wanted, '' where it does not

    Keys may come in any order. Unless `exact`: letters in any case, numbers as texts, a list within an object of one key."""
    exact, where = options.get("exact", False), path or "the value"
    if isinstance(wanted, dict):
        return _objects(wanted, given, options, path)
    if isinstance(wanted, list):
        if isinstance(given, dict) and len(given) == 1 and not exact and not path:
            given = next(iter(given.values()))
        if not isinstance(given, list):
            return f"{where} is not a list"
        if len(given) != len(wanted):
            return f"{where} has {len(given)} elements, {len(wanted)} wanted"
        same = partial(difference, options=options)
        if options.get("any_order"):
            return _any_order(wanted, given, same, where)
        whys = (same(w, g, path=f"{path}[{i}]") for i, (w, g) in enumerate(zip(wanted, given, strict=True)))
        return next((why for why in whys if why), "")
    return "" if _equal(wanted, given, exact) else f"{where} is {str(given)[:40]!r}, {wanted!r} wanted"


def _objects(wanted: dict[str, Any], given: Any, options: dict[str, Any], path: str) -> str:
    where = path or "the value"
    if not isinstance(given, dict):
        return f"{where} is not an object"
    key_of = str if options.get("exact") else _key
    there = {key_of(key): value for key, value in given.items()}
    for key, value in wanted.items():
        if key_of(key) not in there:
            return f"{where} has no {key!r}"
        if why := difference(value, there.pop(key_of(key)), options, f"{path}.{key}" if path else key):
            return why
    return f"{where} has {next(iter(there))[:40]!r}, too" if there and not options.get("extra_keys") else ""


def _any_order(wanted: list[Any], given: list[Any], same: Any, where: str) -> str:
    left = list(given)
    for one in wanted:
        place = next((i for i, other in enumerate(left) if not same(one, other, path=".")), None)
        if place is None:
            return f"{where} has no element {json.dumps(one, ensure_ascii=False)}"
        del left[place]
    return ""


def _key(key: str) -> str:
    return alike(key).strip().casefold().replace(" ", "_").replace("-", "_")


def _equal(wanted: Any, given: Any, exact: bool) -> bool:
    if isinstance(wanted, bool) or wanted is None or isinstance(given, bool) or given is None:
        return wanted is given
    if isinstance(wanted, int | float) and isinstance(given, int | float):
        return math.isclose(wanted, given, rel_tol=1e-9)
    if isinstance(wanted, str) and is_pattern(wanted):
        return found(as_pattern(wanted), str(given))
    if exact or isinstance(given, dict | list):
        return type(wanted) is type(given) and wanted == given
    return alike(str(wanted)).strip().casefold() == alike(str(given)[:2_000]).strip().casefold()


def objects_of(value: Any) -> Iterator[dict[str, Any]]:
    """Every object within a JSON value, in their order; the outermost first"""
    todo = [value]
    while todo:
        one = todo.pop()
        if isinstance(one, dict):
            yield one
            todo += reversed(one.values())
        elif isinstance(one, list):
            todo += reversed(one)


def row_counts(text: Text) -> frozenset[int]:
    """How many rows the tables may be said to have below their header"""
    found = tables(text)
    counts = {len(table.rows) - 1 for table in found} | {len(table.rows) for table in found if not table.has_header}
    return frozenset({*counts, sum(len(table.body) for table in found)})


def column_counts(text: Text) -> frozenset[int]:
    """How many columns the tables may be said to have"""
    return frozenset(len(row) for table in tables(text) for row in table.rows) or frozenset({0})


def header_lacks(wanted: list[str], text: Text) -> str:
    """Which texts are in no table's first row and in no first column"""
    edges = [table.rows[0] + [row[0] for row in table.rows if row] for table in tables(text) if table.rows]
    if not edges:
        return "no table"
    lacking = min(([one for one in wanted if not has(one, Text("\n".join(edge)))] for edge in edges), key=len)
    return f"no column for {', '.join(map(repr, lacking))}" if lacking else ""


def keys_differ(wanted: list[str], text: Text) -> str:
    """Where an object of the text's JSON has other keys, '' where all have these; a wrapper of a list is left out"""
    value = json_of(text)
    if value is NO_JSON:
        return "no JSON"
    keys = {_key(key) for key in wanted}
    objects = [one for one in objects_of(value) if not any(isinstance(v, dict | list) for v in one.values())]
    for one in objects:
        there = {_key(key) for key in one}
        if lacking := keys - there:
            return f"an object without the key {sorted(lacking)[0]!r}"
        if more := there - keys:
            return f"an object with the key {sorted(more)[0][:40]!r}"
    return "" if objects or not wanted else "no object"


def json_equals(options: dict[str, Any], text: Text) -> str:
    """Where the text's JSON differs from what is wanted"""
    given = json_of(text)
    return "no JSON" if given is NO_JSON else difference(options["value"], given, options)
