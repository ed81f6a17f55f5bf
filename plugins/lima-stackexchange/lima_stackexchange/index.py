"""An index on the disk that joins what a dump has apart: posts with their answers, comments and the names of their authors.

A temporary SQLite file, gone when it is closed; of memory it takes a fixed few megabytes. Knows nothing of what is asked of it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lima import Scratch
from lima_stackexchange.columns import MOST_ID, Author, Text

ALL = 1 << 32
"Keys of one exchange: its number times this, and the id of a post or a person"
TEXT = "id INTEGER, score INTEGER, written TEXT, person INTEGER, name TEXT, licence TEXT, text TEXT"
"The columns of a text in a table, behind those of the table itself"


class Index(Scratch):
    """The tables of one reading, and which posts of the present exchange were there"""

    named = False
    "Whether the present exchange has a file with the names of its people"

    def __init__(self, *places: Any) -> None:
        super().__init__(*places)
        self._seen = bytearray()

    def is_new(self, id: int) -> bool:
        """Whether this post of the present exchange was not there before; a bit a post"""
        at, bit = id >> 3, 1 << (id & 7)
        if at >= len(self._seen):
            self._seen.extend(bytes(min(max(at + 1, 2 * len(self._seen)), (MOST_ID >> 3) + 1) - len(self._seen)))
        if self._seen[at] & bit:
            return False
        self._seen[at] |= bit
        return True

    def has(self, id: int) -> bool:
        """Whether this post of the present exchange was there"""
        return id >> 3 < len(self._seen) and bool(self._seen[id >> 3] & 1 << (id & 7))

    def next_exchange(self, named: bool) -> None:
        """Ids begin anew; `named` if the exchange has a file with the names of its people"""
        self._seen, self.named = bytearray(), named


@contextmanager
def index(*tables: str) -> Iterator[Index]:
    """An index with these tables, as SQL creates them"""
    with Index.opened(*tables, "CREATE TABLE person (key INTEGER PRIMARY KEY, name TEXT)") as opened:
        yield opened


def stored(text: Text) -> tuple[int, int, str, int, str, str, str]:
    """The values of a text in the columns `TEXT`"""
    return text.id, text.score, text.written, text.author.id, text.author.name, text.licence, text.text


def restored(id: int, score: int, written: str, person: int, name: str, licence: str, text: str) -> Text:
    """The text of these values"""
    return Text(id, score, written, Author(person, name), licence, text)
