"""An index on the disk that joins what a dump has apart: posts with their answers, comments and the names of their authors.

A temporary SQLite file, gone when it is closed; of memory it takes a fixed few megabytes. Knows nothing of what is asked of it.
"""

import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lima import LimaError
from lima_stackexchange.columns import MOST_ID, Author, Text

ALL = 1 << 32
"Keys of one exchange: its number times this, and the id of a post or a person"
TEXT = "id INTEGER, score INTEGER, written TEXT, person INTEGER, name TEXT, licence TEXT, text TEXT"
"The columns of a text in a table, behind those of the table itself"
_TOGETHER = 500
"Rows that are added at once"
_CACHE = 32_000
"Kilobytes that SQLite keeps in memory"


class Index:
    """The tables of one reading; `execute` and the like are SQLite's"""

    def __init__(self, database: sqlite3.Connection, folder: Path) -> None:
        self._database, self._folder = database, folder
        self.named = False
        self._seen, self._waiting = bytearray(), dict[str, list[Sequence[Any]]]()

    def add(self, sql: str, *values: Any) -> None:
        """Insert a row, soon: many are added together, before anything is read"""
        waiting = self._waiting.setdefault(sql, [])
        waiting.append(values)
        if len(waiting) >= _TOGETHER:
            self._write(sql)

    def _write(self, sql: str) -> None:
        rows, self._waiting[sql] = self._waiting.get(sql, []), []
        try:
            self._database.executemany(sql, rows)
        except sqlite3.OperationalError as e:
            raise self._full(e) from None

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        """A cursor over the result; LimaError where the disk is full"""
        for waiting in [sql for sql, rows in self._waiting.items() if rows]:
            self._write(waiting)
        try:
            return self._database.execute(sql, values)
        except sqlite3.OperationalError as e:
            raise self._full(e) from None

    def _full(self, error: Exception) -> LimaError:
        return LimaError(
            f"The index in {self._folder} cannot be written: {error}. It may take as much as the dump: free space, or name "
            "another folder in the environment variable TMPDIR."
        )

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

    def has(self, id: int) -> bool:
        """Whether this post of the present exchange was there"""
        return id >> 3 < len(self._seen) and bool(self._seen[id >> 3] & 1 << (id & 7))

    def next_exchange(self, named: bool) -> None:
        """Ids begin anew; `named` if the exchange has a file with the names of its people"""
        self._seen, self.named = bytearray(), named


@contextmanager
def index(*tables: str) -> Iterator[Index]:
    """An index with these tables, as SQL creates them"""
    with tempfile.TemporaryDirectory(prefix="lima-stackexchange-") as folder:
        database = sqlite3.connect(Path(folder) / "index.db", isolation_level=None, check_same_thread=False)
        try:
            for setting in (
                "journal_mode = OFF",
                "synchronous = OFF",
                "locking_mode = EXCLUSIVE",
                f"cache_size = -{_CACHE}",
            ):
                database.execute(f"PRAGMA {setting}")
            for sql in (*tables, "CREATE TABLE person (key INTEGER PRIMARY KEY, name TEXT)"):
                database.execute(sql)
            database.execute("BEGIN")  # never ended: nothing of it is to outlive the reading
            yield Index(database, Path(folder))
        finally:
            database.close()


def stored(text: Text) -> tuple[int, int, str, int, str, str, str]:
    """The values of a text in the columns `TEXT`"""
    return text.id, text.score, text.written, text.author.id, text.author.name, text.licence, text.text


def restored(id: int, score: int, written: str, person: int, name: str, licence: str, text: str) -> Text:
    """The text of these values"""
    return Text(id, score, written, Author(person, name), licence, text)
