"""An index on the disk that joins what a dump has apart: posts with their answers, comments and the names of their authors.

A temporary SQLite file, gone when it is closed; of memory it takes a fixed few megabytes. Knows nothing of what is asked of it.
"""

import json
import sqlite3
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lima import LimaError
from lima_stackexchange.columns import MOST_ID, Author, Text

ALL = 1 << 32
"Keys of one exchange: its number times this, and the id of a post or a person"
_CACHE = 32_000
"Kilobytes that SQLite keeps in memory"


class Index:
    """The tables of one reading; `execute` and the like are SQLite's"""

    def __init__(self, database: sqlite3.Connection, folder: Path) -> None:
        self._database, self._folder = database, folder
        self._seen = bytearray()

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        """A cursor over the result; LimaError where the disk is full"""
        try:
            return self._database.execute(sql, values)
        except sqlite3.OperationalError as e:
            raise LimaError(
                f"The index in {self._folder} cannot be written: {e}. It takes up to a third of the dump's size: free space, or name "
                "another folder in the environment variable TMPDIR."
            ) from None

    def one(self, sql: str, *values: Any) -> Any:
        """The first value of a result; None where it has no rows"""
        row = self.execute(sql, *values).fetchone()
        return row[0] if row else None

    def is_new(self, id: int) -> bool:
        """Whether this post of the present exchange was not there before; a bit a post"""
        at, bit = id >> 3, 1 << (id & 7)
        if at >= len(self._seen):
            self._seen.extend(bytes(min(max(at + 1, 2 * len(self._seen)), (MOST_ID >> 3) + 1) - len(self._seen)))
        if self._seen[at] & bit:
            return False
        self._seen[at] |= bit
        return True

    def next_exchange(self) -> None:
        """Ids begin anew"""
        self._seen = bytearray()


@contextmanager
def index(*tables: str) -> Iterator[Index]:
    """An index with these tables, as SQL creates them"""
    with tempfile.TemporaryDirectory(prefix="lima-stackexchange-") as folder:
        database = sqlite3.connect(Path(folder) / "index.db", isolation_level=None, check_same_thread=False)
        try:
            for setting in ("journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE", f"cache_size = -{_CACHE}"):
                database.execute(f"PRAGMA {setting}")
            for sql in (*tables, "CREATE TABLE person (key INTEGER PRIMARY KEY, name TEXT)"):
                database.execute(sql)
            database.execute("BEGIN")  # never ended: nothing of it is to outlive the reading
            yield Index(database, Path(folder))
        finally:
            database.close()


def packed(text: Text, *more: str) -> bytes:
    """A text as a few bytes, with more texts that belong to it"""
    values = text.id, text.score, text.written, *text.author, text.licence, text.text, *more
    return zlib.compress(json.dumps(values).encode(), 1)


def unpacked(data: bytes) -> tuple[Text, list[str]]:
    """What was packed"""
    id, score, written, author, name, licence, text, *more = json.loads(zlib.decompress(data))
    return Text(id, score, written, Author(author, name), licence, text), more
