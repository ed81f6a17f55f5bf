"""A database on the disk for what a source has to join or sort, gone when it is closed; of memory it takes a fixed few megabytes.

Knows nothing of what is in its tables.
"""

import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from lima.errors import LimaError

_TOGETHER = 500
"Rows that are added at once"
_CACHE = 32_000
"Kilobytes that SQLite keeps in memory"
_SETTINGS = ("journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE", f"cache_size = -{_CACHE}")


class Scratch:
    """The tables of one reading, in a temporary SQLite file"""

    def __init__(self, database: sqlite3.Connection, folder: Path) -> None:
        self._database, self._folder = database, folder
        self._waiting = dict[str, list[Sequence[Any]]]()

    @classmethod
    @contextmanager
    def opened(cls, *tables: str) -> Iterator[Self]:
        """A new one with these tables, as SQL creates them; it is removed when it is left, whatever happens"""
        with tempfile.TemporaryDirectory(prefix="lima-") as folder:
            database = sqlite3.connect(Path(folder) / "scratch.db", isolation_level=None, check_same_thread=False)
            try:
                for sql in (*(f"PRAGMA {setting}" for setting in _SETTINGS), *tables):
                    database.execute(sql)
                database.execute("BEGIN")  # never ended: nothing of it is to outlive the reading
                yield cls(database, Path(folder))
            finally:
                database.close()

    def add(self, sql: str, *values: Any) -> None:
        """Insert a row, soon: many are added together, before anything is read"""
        waiting = self._waiting.setdefault(sql, [])
        waiting.append(values)
        if len(waiting) >= _TOGETHER:
            self._write(sql)

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        """A cursor over the result; LimaError where the disk is full"""
        for waiting in [sql for sql, rows in self._waiting.items() if rows]:
            self._write(waiting)
        try:
            return self._database.execute(sql, values)
        except sqlite3.OperationalError as e:
            raise self._full(e) from None

    def one(self, sql: str, *values: Any) -> Any:
        """The first value of a result; None where it has no rows"""
        row = self.execute(sql, *values).fetchone()
        return row[0] if row else None

    def _write(self, sql: str) -> None:
        rows, self._waiting[sql] = self._waiting.get(sql, []), []
        try:
            self._database.executemany(sql, rows)
        except sqlite3.OperationalError as e:
            raise self._full(e) from None

    def _full(self, error: Exception) -> LimaError:
        return LimaError(
            f"The index in {self._folder} cannot be written: {error}. It may take as much as what is read: free space, or name "
            "another folder in the environment variable TMPDIR."
        )
