"""Rows from files, the one way in: JSONL, JSON, CSV, TSV and Parquet, compressed or not, one file or many by a pattern.

Every row has its file and line, a broken one too. Knows nothing of what the rows mean.
"""

from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, Protocol, TypeVar

from lima.contract.examples import Refused
from lima.data.containers import files_of, first_lines, lines, opened, plain_name, rest, whole_line
from lima.data.json_rows import is_lines, json_lines, json_rows
from lima.data.keys import Ignored
from lima.data.tables import csv_rows, parquet_rows
from lima.errors import LimaError

_DELIMITERS = {".csv": ",", ".tsv": "\t"}


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file"""

    file: str
    "Its path"
    number: int
    "Its line in JSONL, else its place in the file, from 1"
    line: int
    "Where it begins or, if it is broken, where it breaks; in Parquet its number"
    value: Any
    "Any JSON value, such as a dict; of CSV a dict of texts"
    problem: str = ""
    "Why it could not be read, as a sentence; then `value` is None"
    unit: str = "line"
    "What is counted in `where`"
    texts: bool = False
    "Whether all values are texts, as in CSV"
    label: str = ""
    "The name of its file, with the folder where several files of a pattern have that name"

    @property
    def where(self) -> str:
        """File and line, for messages and provenance"""
        return f"{self.file}, {self.unit} {self.line}"


def read_rows(spec: str | Path) -> Iterator[Row]:
    """The rows of a file, or of all files that match a pattern; LimaError with the file where one cannot be read at all"""
    files = files_of(str(spec))
    names = [Path(file).name for file in files]
    for file, name in zip(files, names, strict=True):
        yield from _rows(file, name if names.count(name) == 1 else file)


def first_rows(spec: str, count: int = 20) -> list[Row]:
    """The first rows that could be read; LimaError if there are none"""
    found = list(islice(read_rows(spec), count))
    if not found:
        raise LimaError(f"{spec} is empty. Expected rows: JSONL, JSON, CSV, TSV or Parquet.")
    if good := [row for row in found if not row.problem]:
        return good
    raise LimaError(f"{found[0].where}: {found[0].problem} Files of rows are JSONL, JSON, CSV, TSV or Parquet.")


class Identified(Protocol):
    """What is made of a row: it has an id of its own"""

    @property
    def id(self) -> str: ...


Made = TypeVar("Made", bound=Identified)


def records_of(spec: str, ignored: Ignored, make: Callable[[Row], Made | Refused]) -> Iterator[Made | Refused]:
    """What `make` makes of each row of a file; a row that is broken, that it refuses, or with an earlier row's id is `Refused`

    Rows and the objects in their lists come without the ignored keys."""
    seen = Ids()
    for row in read_rows(spec):
        if row.problem:
            yield Refused(row.where, row.problem)
            continue
        try:
            record = make(replace(row, value=ignored.taken_from(row.value)) if ignored.keys else row)
        except LimaError as e:
            yield Refused(row.where, str(e))
            continue
        if not isinstance(record, Refused) and (earlier := seen.of(record.id, row)):
            keys = [key for key, value in row.value.items() if str(value) == record.id] or ["id"]
            advice = f"Correct it, or number the rows: {ignored.also(keys)}"
            yield Refused(row.where, f"its id {record.id!r} is that of {earlier} already. {advice}")
            continue
        yield record


class Ids:
    """The ids of a file's records, to find one that occurs twice; one that is the file's name and the row's number takes bytes"""

    def __init__(self) -> None:
        self._named, self._lines, self._of = dict[str, str](), dict[str, Any](), dict[str, Row]()

    def of(self, id: str, row: Row) -> str:
        """Where the id was before; else '', and from now on it is that of the row"""
        lines = self._lines.setdefault(row.label, array("q"))
        self._of.setdefault(row.label, row)
        label, _, number = id.rpartition(":")
        known = self._lines.get(label, ())
        at = int(number) if number.isdecimal() and len(number) < 19 and number == str(int(number)) else -1
        if 0 <= at < len(known) and known[at]:
            return replace(self._of[label], line=known[at]).where
        if id in self._named:
            return self._named[id]
        if label == row.label and at == row.number:
            lines.extend([0] * (at + 1 - len(lines)))
            lines[at] = row.line
        else:
            self._named[id] = row.where
        return ""


def number_of(row: Row, value: Any) -> Any:
    """The number that a cell of CSV spells; any other value as it is"""
    if row.texts and isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def shown(value: Any) -> str:
    """A value as an error quotes it: what is short as it is written, else what kind of value it is"""
    if not isinstance(value, str | bool | int | float):
        return kind_of(value)
    try:
        text = repr(value)
    except ValueError:  # Python writes no number of more than 4,300 digits
        return "a number of thousands of digits"
    return text if len(text) <= 40 else f"{text[:36]}…"


def shape_of(value: Any) -> str:
    """What a row looks like, in short: its keys with the kinds of their values"""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{str(k)!r}: {_inside(v)}" for k, v in islice(value.items(), 12)) + "}"
    return kind_of(value)


def kind_of(value: Any) -> str:
    """What a value is, in words"""
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}
    return "null" if value is None else names.get(type(value), type(value).__name__)


def _inside(value: Any) -> str:
    if isinstance(value, list) and value:
        first = value[0]
        keys = ", ".join(map(repr, islice(first, 6))) if isinstance(first, dict) else ""
        return f"a list of objects with {keys}" if keys else f"a list, of which the first is {kind_of(first)}"
    return kind_of(value)


def _rows(file: str, label: str) -> Iterator[Row]:
    suffix = Path(plain_name(file)).suffix
    with opened(file) as stream:
        if suffix in _DELIMITERS and not stream.peek(4).startswith(b"PAR1"):  # type: ignore[attr-defined]
            for number, line, value, problem in csv_rows(file, stream, _DELIMITERS[suffix]):
                yield Row(file, number, line, value, problem, texts=True, label=label)
            return
        start = first_lines(stream)
        if is_lines(start):  # which are read one by one; anything else as a whole
            second = whole_line(file, 2, start[1])
            for number, line, value, problem in json_lines(chain(start[:1], [second], lines(file, stream, 3))):
                yield Row(file, number, line, value, problem, label=label)
            return
        data = b"".join([*start, rest(stream)])
    parquet = data.startswith(b"PAR1")
    for number, line, value, problem in parquet_rows(file, data) if parquet else json_rows(file, data):
        yield Row(file, number, line, value, problem, "row" if parquet else "line", label=label)
