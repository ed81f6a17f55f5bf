"""What both sources share: submissions are read into a database on the disk, those that pass, and taken from it in order.

Knows nothing of what is made of one.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

from lima import LimaError, Scratch, Tally, Wrong, options_of
from lima_reddit.files import Dump, dump_of, rows
from lima_reddit.options import PLUGIN, Options
from lima_reddit.things import LICENCE, Text, flagged, submission_of

POST = (
    "CREATE TABLE post (key INTEGER PRIMARY KEY, place TEXT, rank INTEGER, id TEXT, subreddit TEXT, score INTEGER, author TEXT, "
    "written TEXT, title TEXT, text TEXT)"
)
_INSERT = "INSERT OR IGNORE INTO post VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
TWICE = "a submission before it has the same id."
_OTHER = "it is of another subreddit."
_GONE = "it was removed or deleted, or its author is gone."
_PROGRAM = "a bot or a moderator posted it."
_ADULT = "it is marked as not safe for work."
_NSFW = re.compile(r"\bnsfw\b", re.I)


class Post(NamedTuple):
    """A submission that passed"""

    place: str
    "File and line"
    text: Text


class Submissions(ABC):
    """A source that reads Pushshift's dumps"""

    name: ClassVar[str]
    description: ClassVar[str]
    options: ClassVar[tuple[str, ...]]
    tables: ClassVar[tuple[str, ...]] = ()
    needs_comments: ClassVar[bool]
    licence = LICENCE

    def __init__(self, settings: Options | None = None) -> None:
        self.settings = settings or Options()

    def with_options(self, values: dict[str, Any]) -> Self:
        """The same with what the recipe says"""
        return type(self)(options_of(Options, PLUGIN, values))

    def dump(self, argument: str | None) -> Dump:
        """The files that are named; LimaError where there are none"""
        if not argument:
            raise LimaError(
                f"The source {self.name!r} reads a dump: write it as {self.name}:PATH, a file of submissions or "
                "a folder with some."
            )
        return dump_of(argument, self.needs_comments)

    def read(self, scratch: Scratch, files: tuple[Path, ...], tally: Tally) -> None:
        """Fill the table `post` with what passes"""
        added, first = 0, None
        for row in rows(files):
            try:
                post = submission_of(row)
            except Wrong as e:
                if row.file != first and isinstance(row.value, dict) and "title" not in row.value:
                    raise LimaError(f"{row.where}: {e} Name a file of submissions first.") from None
                tally.add_wrong(e, row.where)
                continue
            first = row.file
            why = self._why_not(post, row) or self.why_not(post, row)
            if why:
                tally.add(why, row.where)
                continue
            added += 1
            rank = -post.score if self.settings.draw == "best" else self._lot(post.id)
            scratch.add(_INSERT, post.key, row.where, rank, *self.kept(post))
        tally.add_many(TWICE, added - scratch.one("SELECT COUNT(*) FROM post"), [])

    def _why_not(self, post: Text, row: Any) -> str:
        """Why no source takes a submission; '' if one may"""
        settings = self.settings
        if settings.subreddits and post.subreddit.lower() not in settings.subreddits:
            return _OTHER
        if post.deleted or flagged(row, "removed_by_category", "removed_by"):
            return _GONE
        if post.by_program or flagged(row, "distinguished", "stickied"):
            return _PROGRAM
        if (flagged(row, "over_18") or _NSFW.search(post.title)) and not settings.over_18:
            return _ADULT
        return f"its score is less than {settings.least_score:,}." if post.score < settings.least_score else ""

    def _lot(self, id: str) -> int:
        """A number of the submission's own, so that others change nothing"""
        return int.from_bytes(blake2b(f"{self.settings.seed} {id}".encode(), digest_size=7).digest())

    @staticmethod
    def kept(post: Text) -> tuple[Any, ...]:
        """The values of a submission in the table"""
        return post.id, post.subreddit, post.score, post.author, post.written, post.title, post.text

    def taken(self, scratch: Scratch, which: str = "") -> Iterator[Post]:
        """The submissions of `which` in the order in which they are to be taken: the best first, or by the seed"""
        asked = f"SELECT place, id, subreddit, score, author, written, title, text FROM post {which} ORDER BY rank, key"
        for place, *values in scratch.execute(asked):
            yield Post(place, Text(*values))

    @abstractmethod
    def why_not(self, post: Text, row: Any) -> str:
        """Why this source does not take a submission; '' if it does. May say it of the row, too"""


def permalink(post: Text, comment: str = "") -> str:
    """The address of a submission, or of a comment to it"""
    return f"https://www.reddit.com/r/{post.subreddit}/comments/{post.id}/" + (f"_/{comment}/" if comment else "")
