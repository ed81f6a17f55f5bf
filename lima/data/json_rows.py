"""The rows of JSON: an object a line, one array, or one object that holds the array; each row with its line.

After a broken row reading continues with the next one, where that can be found. Knows nothing of what the rows mean.
"""

import re
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Any

from lima.data.json_text import NotJson, decoded, line_of, skip, value_at
from lima.data.keys import is_metadata
from lima.errors import LimaError

Found = tuple[int, int, Any, str]
"(place in the file from 1, line, value, what is wrong with it or '')"
LISTS = ("data", "rows", "examples", "train", "instances", "items", "records", "samples")
"Keys under which one object holds all rows of a file"
_TURN_KEYS = frozenset(("role", "from", "user", "content", "value"))


def json_rows(path: str, data: bytes) -> Iterator[Found]:
    """The rows of a file's bytes; LimaError for what is wrong with the file as a whole"""
    start = data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if not start:
        return
    if b"\0" in data[:4] or data[:1] >= b"\xfe":
        _text(path, data)  # says which encoding it is
    if start == b"[":
        text = _text(path, data)
        behind = yield from _array(path, text, skip(text, 0))
        _check_end(path, text, behind)
    elif start == b"{" and (found := _single(path, data)):
        yield from found()
    else:
        yield from json_lines(data.split(b"\n") if b"\n" in data else data.split(b"\r"))


def is_lines(start: Sequence[bytes]) -> bool:
    """Whether a file that begins with these two lines has a row a line: the first is a whole object, and not all there is"""
    if len(start) < 2 or not start[1].strip():
        return False
    try:
        text = decoded(start[0]).rstrip()
        value, end = value_at(text, skip(text, 0))
    except NotJson:
        return False
    return isinstance(value, dict) and end == len(text)


def json_lines(lines: Iterable[bytes]) -> Iterator[Found]:
    """The row of each line that is not empty"""
    for number, line in enumerate(lines, 1):
        if not line.strip() or (number == 1 and line.strip() == b"\xef\xbb\xbf"):
            continue
        try:
            text = decoded(line).rstrip()
            value, end = value_at(text, skip(text, 0))
            if end < len(text):
                raise NotJson("", skip(text, end), "Extra data")
            yield number, number, value, ""
        except NotJson as e:
            if e.what:
                yield (
                    number,
                    number,
                    None,
                    f"not JSON ({e.what.removesuffix(' at')} at column {(e.at or 0) + 1}). One object a line is expected.",
                )
            else:
                yield number, number, None, f"the line {e}."


def _single(path: str, data: bytes) -> Callable[[], Iterator[Found]] | None:
    """How to read a file that is one object; None where it has one a line"""
    first, _, rest = data.partition(b"\n")
    if rest.strip():
        try:
            value_at(text := decoded(first).rstrip(), skip(text, 0))
            return None
        except NotJson:
            pass
    try:
        text = decoded(data)
    except NotJson:
        return None  # line by line, so that each is named
    start = skip(text, 0)
    if (at := _rows_in(text, start)) is not None:
        return lambda: _wrapped(path, text, at)
    try:
        value, end = value_at(text, start)
    except NotJson:
        return None
    return (lambda: iter([(1, line_of(text, start), value, "")])) if skip(text, end) == len(text) else None


def _members(text: str, at: int) -> Generator[tuple[str, int], int | None, None]:
    """(key, where its value begins) of an object's members from a place before a key; the caller may send where the value ends"""
    while True:
        at = skip(text, at)
        key, at = value_at(text, at)
        at = skip(text, at)
        if not isinstance(key, str) or text[at : at + 1] != ":":
            raise NotJson("is not JSON (Expecting ':' delimiter)", at)
        at = skip(text, at + 1)
        end = yield key, at
        at = skip(text, value_at(text, at)[1] if end is None else end)
        if text[at : at + 1] != ",":
            return
        at += 1


def _holds_rows(text: str, key: str, at: int) -> bool:
    """Whether a member of the file's object is its list of rows, and not the turns of a single one"""
    if key not in LISTS or text[at : at + 1] != "[" or text[(first := skip(text, at + 1)) : first + 1] != "{":
        return False
    try:
        return not _TURN_KEYS & value_at(text, first)[0].keys()
    except NotJson:
        return True


def _rows_in(text: str, start: int) -> int | None:
    """Where the array of rows begins in a file that is one object; None for any other file"""
    try:
        for key, at in _members(text, start + 1):
            if _holds_rows(text, key, at):
                return at
            if not is_metadata(key, value_at(text, at)[0]):
                return None  # a row of its own: what it says beside a list must be read
    except NotJson:
        pass
    return None


def _wrapped(path: str, text: str, at: int) -> Iterator[Found]:
    behind = yield from _array(path, text, at)
    behind = skip(text, behind)
    try:
        if text[behind : behind + 1] == ",":
            members = _members(text, behind + 1)
            for key, place in members:
                if _holds_rows(text, key, place):
                    raise LimaError(
                        f"{path}, line {line_of(text, place)}: the file has a second list of rows, {key!r}. Make a file of each."
                    )
                value, end = value_at(text, place)
                if not is_metadata(key, value):
                    raise LimaError(
                        f"{path}, line {line_of(text, place)}: the object around the rows has {key!r}, which would not be read. "
                        "Write the rows alone, or write it into each of them."
                    )
                behind = skip(text, end)
        if text[behind : behind + 1] != "}":
            raise NotJson("", behind)
    except NotJson as e:
        line = line_of(text, behind if e.at is None else e.at)
        raise LimaError(
            f"{path}, line {line}: the object around the rows does not end as JSON does. Correct it."
        ) from None
    _check_end(path, text, behind + 1)


def _array(path: str, text: str, start: int) -> Generator[Found, None, int]:
    """The rows of the array that begins at `start`; returns the place behind it"""
    at, counted, line, number = skip(text, start + 1), 0, 1, 0
    if text[at : at + 1] == "]":
        return at + 1
    next_row = _row_starts(text, at)
    complete = text.rstrip().endswith("]" if start == skip(text, 0) else "}")
    while True:
        line, counted = line + text.count("\n", counted, at), at
        number += 1
        value, behind, wrong, where = _row(text, at, number)
        if not wrong:
            yield number, line, value, ""
            if text[behind] == "]":
                return behind + 1
            at = skip(text, behind + 1)
            continue
        place = line + text.count("\n", counted, where)
        end = text.rfind("]", at)
        if end < 0 or not complete:
            raise LimaError(f"{path}, line {place}: {wrong} The file is cut off: copy or download it again.")
        if next_row is None and "{" in text[where:]:
            raise LimaError(
                f"{path}, line {place}: {wrong} Where the next row begins cannot be told: correct this one first."
            )
        yield number, place, None, wrong
        following = next_row.search(text, at + 1) if next_row else None
        if following is None:
            return end + 1
        at = following.start(1)


def _row(text: str, at: int, number: int) -> tuple[Any, int, str, int]:
    """(value, place of the ',' or ']' behind it, what is wrong or '', where) of the row of an array that begins at a place"""
    try:
        value, end = value_at(text, at)
    except NotJson as e:
        where = at if e.at is None else e.at
        column = where - text.rfind("\n", 0, where)
        return (
            None,
            at,
            f"not JSON ({e.what.removesuffix(' at')} at column {column})." if e.what else f"row {number} {e}.",
            where,
        )
    behind = skip(text, end)
    mark = text[behind : behind + 1]
    if mark not in (",", "]") or not mark:
        return None, behind, f"expected ',' or ']' after row {number}, found {mark or 'the end'!r}.", end
    return value, behind, "", at


def _row_starts(text: str, first: int) -> re.Pattern[str] | None:
    """What a row begins with: a line with the indentation of the first one, and a value; None if rows do not begin lines"""
    line = text.rfind("\n", 0, first) + 1
    margin = text[line:first]
    if margin.strip():  # the first row is on the bracket's line
        margin = ""
        if "\n{" not in text:
            return None
    return re.compile(rf"(?<=\n){re.escape(margin)}([{{\[\"\-0-9tfnNI])")


def _text(path: str, data: bytes) -> str:
    try:
        return decoded(data)
    except NotJson as e:
        line = f", line {1 + data[: e.at].count(10)}" if e.at else ""
        raise LimaError(f"{path}{line} {e}.") from None


def _check_end(path: str, text: str, at: int) -> None:
    """LimaError unless the file ends at a place"""
    at = skip(text, at)
    if at < len(text):
        more = text[at : at + 40].splitlines()[0]
        raise LimaError(
            f"{path}, line {line_of(text, at)}: expected the end of the file after its array, found {more!r}. "
            "Remove it, or write all rows into one array."
        )
