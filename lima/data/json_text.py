"""JSON as it must be: UTF-8, no key twice in an object, no half characters; what is wrong is a reason with its place.

The one parser of what users write. Knows nothing of files or of rows.
"""

import json
import re
import sys
from typing import Any

from lima.errors import LimaError

_HALF = re.compile(r"\\u[dD][89a-fA-F]")
"An escape for half of a character; two such make one"
COMMA = "Expecting ',' delimiter"


class NotJson(LimaError):
    """Why a text cannot be read as JSON, to follow the name of what it is in: 'is not JSON (…)'

    `at` is the place in the text, where it is known, and `what` the parser's own words."""

    def __init__(self, reason: str, at: int | None = None, what: str = "") -> None:
        super().__init__(reason)
        self.at, self.what = at, what


def parse_json(data: bytes | str) -> Any:
    """The value that a whole text spells; NotJson where it is not one value of JSON"""
    text = data if isinstance(data, str) else decoded(data)
    try:
        value, end = value_at(text, skip(text, 0))
        if (more := skip(text, end)) < len(text):
            raise NotJson("", more, "Extra data")
    except NotJson as e:
        if not e.what or e.at is None:
            raise
        column = e.at - text.rfind("\n", 0, e.at)
        raise NotJson(f"is not JSON ({e.what}, line {line_of(text, e.at)}, column {column})", e.at, e.what) from None
    return value


def value_at(text: str, at: int) -> tuple[Any, int]:
    """The value that begins at a place, and the place behind it; NotJson where there is none"""
    try:
        value, end = _DECODER.raw_decode(text, at)
    except json.JSONDecodeError as e:
        place = e.pos
        if e.msg == COMMA:  # it is missing behind what was read, not before what comes next, which may be lines below
            while text[place - 1].isspace():
                place -= 1
        raise NotJson(f"is not JSON ({e.msg})", place, e.msg) from None
    except RecursionError:
        raise NotJson("is nested too deeply to be read", at) from None
    except ValueError as e:
        # Python reads no whole numbers of more digits, and says so with advice on its own settings.
        what = (
            f"a whole number of more than {sys.get_int_max_str_digits():,} digits"
            if "integer string conversion" in str(e)
            else e
        )
        raise NotJson(f"is not JSON as expected ({what})", at) from None
    if _HALF.search(text, at, end) and not _encodes(value):
        raise NotJson("holds half of a character (a lone surrogate): correct its encoding", at)
    return value, end


def decoded(data: bytes) -> str:
    """The text of UTF-8, without its byte order mark; NotJson for any other encoding"""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in data[:4]:
        raise NotJson("is UTF-16 or UTF-32 text, expected UTF-8: `iconv -f UTF-16 -t UTF-8 OLD > NEW` converts it")
    try:
        return data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as e:
        raise NotJson(f"is not UTF-8 text ({e.reason} at byte {e.start}): convert it to UTF-8", e.start) from None


def skip(text: str, at: int) -> int:
    """The next place that is not white space"""
    found = _SPACE.match(text, at)
    return found.end() if found else at


def line_of(text: str, at: int) -> int:
    """The line of a place, from 1"""
    return 1 + text.count("\n", 0, at)


_SPACE = re.compile(r"[ \t\r\n]*")


def _encodes(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError):
        return False
    return True


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, in which no key may occur twice: the later one would win silently"""
    row = dict(pairs)
    if len(row) < len(pairs):
        seen = set[str]()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"the key {key!r} occurs twice in one object")
            seen.add(key)
    return row


_DECODER = json.JSONDecoder(object_pairs_hook=_once)
