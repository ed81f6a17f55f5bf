"""The file of a frozen data set: JSON lines, a record each, and the source that reads them back.

A row keeps what a record says of itself, who is owed what, and the whole of its content, so that what is read has the same
content hash. Knows nothing of where records come from, nor of why these were chosen.
"""

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import Any

from lima import Credit, Example, Ignored, LimaError, Record, Refused, Row, kind_of, records_of, shown
from lima_chat import Conversation, Turn
from lima_dialogue_eval import new_file

PLUGIN = "lima-curate"
VERSION = 1
"Of the rows; under the key by which they are recognised"
MARK = "lima_row"
DEEPEST = 64
"Levels of a tool's description or of a call's arguments"
_TEXTS = ("id", "source", "licence", "provenance")
_KINDS = {Example: "example", Conversation: "dialogue"}
"Under which key the content of a record is"
_LISTS = ("tool_calls", "tools")
"Fields that hold a list of objects"


@dataclass(frozen=True)
class Written:
    """A data set that was written"""

    file: Path
    sha256: str
    "Of the file's bytes"
    hash: str
    "Of its contents: what `lima sources show` prints of the file, and a run records of its source"
    examples: int


def row_of(record: Record) -> dict[str, Any]:
    """A record as a row, ready for JSON; LimaError for a kind that a row cannot hold whole"""
    if type(record) not in _KINDS:
        raise LimaError(
            f"Example {record.id!r} is a {type(record).__name__}, which a data set cannot keep: it holds prompts with a response "
            "and conversations. Leave its source out."
        )
    row = {MARK: VERSION, "id": record.id} | {key: getattr(record, key) for key in _TEXTS[1:] if getattr(record, key)}
    if record.credits:
        row["credits"] = [_short(credit) for credit in record.credits]
    own = {one.name for one in fields(Record)}
    content = {key: value for key, value in _short(record).items() if key not in own}
    if isinstance(record, Conversation):
        content["turns"] = [_short(turn) for turn in record.turns]
    return row | {_KINDS[type(record)]: content}


def record_of(value: Any, name: str = "", where: str = "") -> Record:
    """The record of a row, with `name` and `where` as its id and provenance where it has none; LimaError says what is wrong"""
    row = _object(value, "the row")
    if MARK not in row:
        raise LimaError(
            f"the row has no {MARK!r}, so it is not of a data set that `lima mix` wrote. Name the file without 'dataset:'."
        )
    if type(row[MARK]) is not int or row[MARK] != VERSION:
        raise LimaError(
            f"{MARK!r} is {shown(row[MARK])}; this version of lima-curate reads {VERSION}. Make the data set again with it."
        )
    kinds = [kind for kind, key in _KINDS.items() if key in row]
    if len(kinds) != 1:
        raise LimaError(
            f"expected either 'example' or 'dialogue' in the row, found {'both' if kinds else 'neither of them'}."
        )
    _no_others(row, (MARK, *_TEXTS, "credits", *_KINDS.values()), "the row")
    about = {key: _text(row[key], f"{key!r}") for key in _TEXTS if key in row}
    about = {"id": name, "provenance": where} | {key: text for key, text in about.items() if text}
    if not about["id"].strip():
        raise LimaError("the row has no 'id'.")
    credits = tuple(
        Credit(**_fields(Credit, one, f"credit {n}")) for n, one in enumerate(_list(row, "credits", "the row"), 1)
    )
    if kinds[0] is Example:
        return _example(row["example"], about, credits)
    return _conversation(row["dialogue"], about, credits)


def write_dataset(file: str | Path, records: Iterable[Record]) -> Written:
    """Write a new data set, completely or not at all; LimaError where the file is there already or a record cannot be read back

    An id that an earlier record has is followed by a number: ids of several sources may be the same."""
    digest, contents, seen = hashlib.sha256(), list[str](), set[str]()
    with new_file(file) as beside, beside.open("xb") as out:
        for record in records:
            one = replace(record, id=free_id(record.id, seen))
            seen.add(one.id)
            line = json.dumps(_checked(one), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
            digest.update(line)
            out.write(line)
            contents.append(record.content_hash)
        if not contents:
            raise LimaError(f"There are no examples to write to {file}.")
    return Written(Path(file), digest.hexdigest(), hash_of(contents), len(contents))


def hash_of(contents: Iterable[str]) -> str:
    """The hash of a source whose records have these content hashes, in order"""
    return hashlib.sha256("\n".join(contents).encode()).hexdigest()


class Dataset:
    """Reads what `write_dataset` wrote"""

    description = f"a frozen data set of `lima mix` or `lima curate`: {MARK}, id, example or dialogue, credits"
    licence = "not stated"
    "Of an example that names none"
    options = ("ignore",)

    def __init__(self, ignored: Ignored | None = None) -> None:
        self.ignored = ignored or Ignored(PLUGIN)

    def with_options(self, values: dict[str, Any]) -> "Dataset":
        """The same with the keys that the recipe leaves unread"""
        return Dataset(Ignored.of(PLUGIN, values))

    def recognises(self, row: Any) -> bool:
        """By a key that no other format has"""
        return isinstance(row, dict) and MARK in row

    def examples(self, argument: str | None) -> Iterator[Record | Refused]:
        """A record for each row, or why there is none"""
        if not argument:
            raise LimaError("The source 'dataset' reads a file that `lima mix` wrote: write it as dataset:FILE.")
        yield from records_of(argument, self.ignored, _record)


def _record(row: Row) -> Record:
    record = record_of(row.value, f"{row.label}:{row.number}", row.where)
    return record if record.source.strip() else replace(record, source=row.label)


def _checked(record: Record) -> dict[str, Any]:
    """The row of a record, from which the same can be read"""
    row = row_of(record)
    try:
        again = record_of(row)
        json.dumps(row, ensure_ascii=False, allow_nan=False).encode()
    except (LimaError, ValueError) as e:
        raise LimaError(f"Example {record.id!r} of {record.source!r} cannot be kept in a data set: {e}") from None
    if again.content_hash != record.content_hash:
        raise LimaError(
            f"Example {record.id!r} of {record.source!r} has content that a data set does not keep. Leave it out."
        )
    return row


def free_id(id: str, seen: set[str]) -> str:
    """The id, or the first with a number behind it that is not taken"""
    number, free = 1, id
    while free in seen:
        number += 1
        free = f"{id} ({number})"
    return free


def _example(value: Any, about: Mapping[str, str], credits: tuple[Credit, ...]) -> Example:
    found = _fields(Example, value, "the example", without=Record)
    if blank := next((key for key in ("prompt", "response") if not found[key].strip()), None):
        raise LimaError(f"{blank!r} of the example is empty. Write it, or leave the example out.")
    return Example(**about, credits=credits, **found)


def _conversation(value: Any, about: Mapping[str, str], credits: tuple[Credit, ...]) -> Conversation:
    row = _object(value, "the dialogue")
    _no_others(row, ("turns", "tools", "tags"), "the dialogue")
    turns = tuple(
        Turn(**_fields(Turn, one, f"turn {n}")) for n, one in enumerate(_list(row, "turns", "the dialogue"), 1)
    )
    tools = tuple(_object(one, "a tool") for one in _list(row, "tools", "the dialogue"))
    tags = tuple(_text(one, "a tag") for one in _list(row, "tags", "the dialogue"))
    _not_deep(tools, "tools")
    return Conversation(**about, credits=credits, turns=turns, tools=tools, tags=tags)


def _short(thing: Any) -> dict[str, Any]:
    """The fields of a dataclass but for those that have their defaults"""
    found = {one.name: getattr(thing, one.name) for one in fields(thing)}
    defaults = {one.name: one.default for one in fields(thing) if one.default is not MISSING}
    # A weight of 1 is not 1.0: they are written, and hashed, differently.
    kept = {key: value for key, value in found.items() if key not in defaults or repr(value) != repr(defaults[key])}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in kept.items()}


def _fields(kind: Any, value: Any, what: str, without: Any = None) -> dict[str, Any]:
    """The values that a row has for the fields of a dataclass, each of the type of its field"""
    row, found = _object(value, what), dict[str, Any]()
    left = {one.name for one in fields(without)} if without else set()
    known = {one.name: one for one in fields(kind) if one.name not in left}
    _no_others(row, tuple(known), what)
    for name, field in known.items():
        if name in row:
            found[name] = _value(field, row[name], f"{name!r} of {what}")
        elif field.default is MISSING:
            raise LimaError(f"{what} has no {name!r}.")
    return found


def _value(field: Any, value: Any, what: str) -> Any:
    if field.name in _LISTS:
        if not isinstance(value, list):
            raise LimaError(f"{what} is {shown(value)}; expected a list.")
        _not_deep(value, what)
        return tuple(_object(one, what) for one in value)
    if field.default is True:
        if not isinstance(value, bool):
            raise LimaError(f"{what} is {shown(value)}; expected true or false.")
        return value
    if isinstance(field.default, float):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not 0 <= value <= sys.float_info.max:
            raise LimaError(f"{what} is {shown(value)}; expected a number of 0 or more.")
        return value
    return _text(value, what)


def _not_deep(value: Any, what: str) -> None:
    level, depth = [value], 0
    while level:
        level = [
            inner
            for one in level
            if isinstance(one, dict | list | tuple)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        depth += 1
        if depth > DEEPEST:
            raise LimaError(f"{what} are nested more than {DEEPEST} levels deep.")


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise LimaError(f"{what} is {kind_of(value)}; expected an object.")
    return value


def _list(row: Mapping[str, Any], key: str, what: str) -> list[Any]:
    value = row.get(key, [])
    if not isinstance(value, list):
        raise LimaError(f"{key!r} of {what} is {shown(value)}; expected a list.")
    return value


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise LimaError(f"{what} is {shown(value)}; expected text.")
    return value


def _no_others(row: Mapping[str, Any], known: tuple[str, ...], what: str) -> None:
    if other := next((key for key in row if key not in known), None):
        advice = f"To read it without: {Ignored(PLUGIN).also([other])}" if what == "the row" else "Take it out."
        raise LimaError(f"{what} has {shown(other)}, which rows of a data set do not have. {advice}")
