"""From a file of JSON to records: rows with their lines, the turns that can be learnt from, and notes on the rest.

Knows nothing of any one format; readers give it turns.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from lima import Example, LimaError, Record, json_lines
from lima_chat.conversation import SURROGATE, Conversation, Turn, problem_of


@dataclass(frozen=True)
class Row:
    """One JSON value of a file"""

    number: int
    "Its line in JSONL, its place (from 1) in an array"
    where: str
    "File and line, for messages and provenance"
    value: Any

    def wrong(self, problem: str) -> LimaError:
        """The error that says where"""
        return LimaError(f"{self.where}: {problem}")


def rows(path: str) -> Iterator[Row]:
    """The rows of a JSONL file, or of a JSON array over any number of lines; LimaError with file and line if it is neither"""
    try:
        with open(path, encoding="utf-8-sig") as file:
            start = next((line.lstrip()[:1] for line in file if line.strip()), "")
    except UnicodeDecodeError:
        start = ""  # json_lines says which byte
    except OSError as e:
        raise LimaError(f"Cannot read {path}: {e.strerror}.") from None
    if start == "[":
        yield from _array(path)
        return
    for number, value in json_lines(path):
        yield Row(number, f"{path}, line {number}", value)


def _array(path: str) -> Iterator[Row]:
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as e:
        raise LimaError(
            f"{path} is not UTF-8 text ({e.reason} at byte {e.start}). Convert it, then try again."
        ) from None
    decoder = json.JSONDecoder()
    at, counted, line, number = _skip(text, 0) + 1, 0, 1, 0
    if text[_skip(text, at) :].startswith("]"):
        _check_end(path, text, _skip(text, at) + 1)
        return
    while True:
        at = _skip(text, at)
        line, counted = line + text.count("\n", counted, at), at
        number += 1
        try:
            value, at = decoder.raw_decode(text, at)
        except ValueError as e:
            raise LimaError(
                f"{path}, line {getattr(e, 'lineno', line)}: not JSON ({e}). Correct row {number}."
            ) from None
        except RecursionError:
            raise LimaError(
                f"{path}, line {line}: row {number} is nested too deeply to be read. Correct it, or leave it out."
            ) from None
        yield Row(number, f"{path}, line {line}", value)
        at = _skip(text, at)
        mark, at = text[at : at + 1], at + 1
        if mark == "]":
            _check_end(path, text, at)
            return
        if mark != ",":
            line += text.count("\n", counted, at)
            raise LimaError(
                f"{path}, line {line}: expected ',' or ']' after row {number}, found {mark or 'the end'!r}."
            )


def _check_end(path: str, text: str, at: int) -> None:
    """LimaError unless the file ends with its array, whose `]` is before `at`"""
    at = _skip(text, at)
    if at < len(text):
        line, more = 1 + text.count("\n", 0, at), text[at : at + 40].splitlines()[0]
        raise LimaError(
            f"{path}, line {line}: expected the end of the file after its array, found {more!r}. "
            "Remove it, or write all rows into one array."
        )


def _skip(text: str, at: int) -> int:
    while text[at : at + 1].isspace():
        at += 1
    return at


@dataclass
class Reading:
    """One pass over one file: makes its records and counts what is left off"""

    path: str
    seen: set[str] = field(default_factory=set)
    notes: dict[str, list[str]] = field(default_factory=dict)
    "What was left off: where"

    def record(self, row: Row, turns: Sequence[Turn], *, name: str = "", licence: str = "", origin: str = "") -> Record:
        """The record of a row's turns: a single exchange is a core Example, which any renderer takes, more a Conversation

        Answers before the first question and questions after the last answer are left off, with a note in the provenance."""
        kept, left_off = answered(turns)
        if problem := problem_of(tuple(kept or turns)):
            raise row.wrong(problem)
        for what, text in (("id", name), ("licence", licence), ("origin", origin)):
            if half := SURROGATE.search(text):
                raise row.wrong(
                    f"its {what} has half a character, {half[0]!r}, which is not text. Correct its encoding."
                )
        for note in left_off:
            self.note(row, note)
        file = Path(self.path).name
        identity = name or f"{file}:{row.number}"
        if identity in self.seen:
            self.note(row, "an id that an earlier row has; its number was added to it")
            identity = f"{identity} ({file}:{row.number})"
        self.seen.add(identity)
        provenance = "; ".join([row.where, *([origin] if origin else []), *(f"left off: {n}" for n in left_off)])
        same: dict[str, Any] = {"id": identity, "source": file, "licence": licence, "provenance": provenance}
        if [t.role for t in kept] == ["user", "assistant"]:
            weight = float(kept[1].weight) if kept[1].train else 0.0
            return Example(**same, prompt=kept[0].content, response=kept[1].content, weight=weight)
        return Conversation(**same, turns=tuple(kept))

    def note(self, row: Row, what: str) -> None:
        """Remember something to be said at the end"""
        self.notes.setdefault(what, []).append(row.where.removeprefix(f"{self.path}, "))

    def say(self) -> None:
        """One line on stderr for each kind of omission"""
        for what, places in self.notes.items():
            times = f"{len(places)} times, first in {places[0]}" if len(places) > 1 else places[0]
            click.echo(f"{self.path}: {what} ({times}).", err=True)


def answered(turns: Sequence[Turn]) -> tuple[list[Turn], list[str]]:
    """The turns from the first question to the last answer, and a note for each end that was left off

    A system turn that is not the first is never at an end: all turns are kept, so that the caller says what is wrong."""
    kept, notes = list(turns), list[str]()
    head = 1 if kept and kept[0].role == "system" else 0
    if any(turn.role == "system" for turn in kept[head:]):
        return kept, notes
    first = next((i for i, t in enumerate(kept) if t.role == "user"), len(kept))
    last = next((i for i in range(len(kept) - 1, -1, -1) if kept[i].role == "assistant"), -1)
    if last < first:
        return [], []  # no question with an answer: the caller says what is wrong with all of it
    if last < len(kept) - 1:
        notes.append("a last question without an answer")
    if first > head:
        notes.append("a first answer without a question")
    return kept[:head] + kept[first : last + 1], notes


def text_of(row: Row, holder: Any, key: str, what: str) -> str:
    """The text under a key; LimaError naming what was found instead"""
    value = holder.get(key)
    if isinstance(value, str):
        return value
    found = (
        f"{key!r} is {kind_of(value)}" if key in holder else f"its keys are {', '.join(map(repr, holder)) or 'none'}"
    )
    raise row.wrong(f"expected text in {key!r} of {what}, but {found}.")


def objects_of(row: Row, key: str, example: str) -> list[dict[str, Any]]:
    """The list of objects under a key of a row; LimaError naming what was found instead"""
    if not isinstance(row.value, dict):
        raise row.wrong(f"expected an object such as {example}, found {kind_of(row.value)}.")
    if key not in row.value:
        raise row.wrong(f"expected {key!r}, as in {example}; its keys are {', '.join(map(repr, row.value)) or 'none'}.")
    value = row.value[key]
    if not isinstance(value, list) or not value:
        what = "an empty list" if isinstance(value, list) else kind_of(value)
        raise row.wrong(f"{key!r} is {what}; expected a list such as {example}.")
    for number, one in enumerate(value, 1):
        if not isinstance(one, dict):
            raise row.wrong(f"turn {number} in {key!r} is {kind_of(one)}; expected an object, as in {example}.")
    return value


def identity_of(row: Row) -> str:
    """The row's own id, when it has one"""
    for key in ("id", "conversation_id"):
        if isinstance(row.value.get(key), str | int) and str(row.value[key]).strip():
            return str(row.value[key])
    return ""


def licence_of(row: Row) -> str:
    """The row's own licence, when it says one"""
    return next((row.value[k] for k in ("licence", "license") if isinstance(row.value.get(k), str)), "")


def kind_of(value: Any) -> str:
    """What a JSON value is, in words"""
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}
    return "null" if value is None else names.get(type(value), type(value).__name__)
