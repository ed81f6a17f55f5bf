"""What a row of Posts.xml or Comments.xml says: its columns as values, or a sentence on what is wrong with them.

Knows nothing of which rows are used.
"""

from datetime import date
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

from lima import Credit, Wrong, shown, visible
from lima_stackexchange.dump import DumpRow
from lima_stackexchange.licences import licence_on, named

MOST_ID = 1_000_000_000
"The largest id that is read; Stack Overflow's posts and comments have 80 and 140 million"
MOST_KIND, MOST_SCORE = 1000, 1_000_000_000
LONGEST_TEXT = 200_000
"Characters of a body's HTML; Stack Exchange allows 30,000 of Markdown"


class Kind(IntEnum):
    """Of a post; there are others, such as the texts about tags"""

    QUESTION = 1
    ANSWER = 2


class Author(NamedTuple):
    """Who wrote a text"""

    id: int
    "0: the account is gone"
    name: str
    "'' where only another file has it"

    @property
    def known(self) -> bool:
        """Whether there is somebody to name"""
        return self.id > 0 or bool(self.name)

    def is_same(self, other: "Author") -> bool:
        """Whether both are one person: by the account, of those who have none by the name"""
        return self.id == other.id if self.id > 0 or other.id > 0 else bool(self.name) and self.name == other.name


class Text(NamedTuple):
    """One text with what its licence asks for: a question, an answer, a comment"""

    id: int
    score: int
    written: str
    "Date and time as the dump has them: texts of one form, which sort by time"
    author: Author
    licence: str
    text: str
    "HTML of a post, Markdown of a comment"

    def credit(self, part: str, site: str, path: str, name: str) -> Credit:
        """What the licence asks for, with the author's name where Users.xml has it"""
        called = name or self.author.name or f"user {self.author.id}"
        profile = f"https://{site}/users/{self.author.id}" if self.author.id > 0 else ""
        return Credit(
            part=part, author=named(called), author_url=profile, url=f"https://{site}/{path}",
            written=self.written[:10], licence=self.licence,
        )  # fmt: skip


def number(row: DumpRow, name: str, least: int, most: int, absent: int | None = None) -> int:
    """The whole number in a column; Wrong where there is none in these bounds"""
    try:
        found = int(row.columns[name])
    except KeyError:
        if absent is not None:
            return absent
        keys = ", ".join(list(row.columns)[:8]) or "none"
        raise Wrong(f"it has no {name}.", f"it has no {name}; its columns are {visible(keys[:200])}.") from None
    except ValueError:
        found = most + 1
    if least <= found <= most:
        return found
    expected = f"expected a whole number from {least:,} to {most:,}"
    raise Wrong(f"its {name} is not a number; {expected}.", f"its {name} is {shown(row.columns[name])}; {expected}.")


def post_head(row: DumpRow) -> tuple[int, int, int]:
    """Id, kind and score of a row of Posts.xml; Wrong where the row is no post"""
    if row.element != "row":
        raise Wrong("it is not a row of a dump.", f"it is <{visible(row.element[:80])}>; expected <row>.")
    columns = row.columns
    try:
        id, kind, score = int(columns["Id"]), int(columns["PostTypeId"]), int(columns["Score"])
        right = 1 <= id <= MOST_ID and 1 <= kind <= MOST_KIND and abs(score) <= MOST_SCORE
    except (KeyError, ValueError):
        right = False
    if not right:  # said by whichever of them it is
        id, kind = number(row, "Id", 1, MOST_ID), number(row, "PostTypeId", 1, MOST_KIND)
        score = number(row, "Score", -MOST_SCORE, MOST_SCORE)
    if kind in (Kind.QUESTION, Kind.ANSWER):
        _ = when(row), text_of(row, "Body")
    return id, kind, score


@lru_cache(maxsize=10_000)
def _day(text: str) -> date:
    return date.fromisoformat(text)


@lru_cache(maxsize=10_000)
def _licence(day: str, stated: str) -> str:
    return licence_on(_day(day), stated)


def when(row: DumpRow, name: str = "CreationDate") -> str:
    """When it was written, or what the column says, to the millisecond"""
    value = row.columns.get(name, "")
    try:
        _day(value[:10])
    except ValueError:
        expected = "expected one such as 2015-01-27T20:09:32.720."
        raise Wrong(f"its {name} is not a date; {expected}", f"its {name} is {shown(value)}; {expected}") from None
    return value[:23]


def text_of(row: DumpRow, name: str) -> str:
    """The text in a column, which may be empty"""
    value = row.columns.get(name)
    if value is None:
        raise Wrong(f"it has no {name}.")
    if len(value) > LONGEST_TEXT:
        raise Wrong(f"its {name} is longer than {LONGEST_TEXT:,} characters.")
    return value


def _text(row: DumpRow, id: int, score: int, columns: tuple[str, str, str]) -> Text:
    """The text in a column, with its author in two others"""
    text, user, name = columns
    written, stated = when(row), row.columns.get("ContentLicense", "")
    author = Author(number(row, user, -MOST_SCORE, MOST_ID, 0), row.columns.get(name, "").strip()[:100])
    return Text(id, score, written, author, _licence(written[:10], stated), text_of(row, text))


def post_of(row: DumpRow, id: int, score: int) -> Text:
    """A question or an answer, whose id and score are known"""
    return _text(row, id, score, ("Body", "OwnerUserId", "OwnerDisplayName"))


def comment_of(row: DumpRow) -> tuple[int, Text]:
    """A comment, behind the id of its post"""
    if row.element != "row":
        raise Wrong("it is not a row of a dump.", f"it is <{visible(row.element[:80])}>; expected <row>.")
    id, post = number(row, "Id", 1, MOST_ID), number(row, "PostId", 1, MOST_ID)
    return post, _text(row, id, 0, ("Text", "UserId", "UserDisplayName"))
