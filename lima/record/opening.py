"""How the database's file is opened, and what SQLite and the disk say of it, as sentences with the next step.

Knows nothing of tables.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from lima.errors import LimaError
from lima.paths import check_readable, is_file, is_folder, resolved, shown
from lima.record.migrate import WAIT
from lima.text import storable

RESTORE = "Restore a copy, or choose another with -d FILE."
READONLY = "The file or its folder is read-only: make it writable, or choose another with -d FILE."


def check_file(path: Path) -> bool:
    """Whether the database is there yet; LimaError for what can be none: what SQLite keeps in memory, a folder, a pipe"""
    if str(path) == ":memory:":
        raise LimaError("A database in memory would be lost with this process. Name a file: -d FILE.")
    if is_folder(path):
        raise LimaError(f"The database {shown(path)} is a folder. Name a file in it: -d {shown(path / 'lima.db')}.")
    check_readable(path)
    return is_file(path)


def connect_to_read(path: Path) -> sqlite3.Connection:
    """A connection that cannot write"""
    uri = resolved(path).as_uri()
    connection = sqlite3.connect(f"{uri}?mode=ro", uri=True, timeout=WAIT)
    try:
        connection.execute("select * from sqlite_master").fetchone()
    except sqlite3.OperationalError:
        if path.with_name(f"{path.name}-wal").exists():
            raise
        # A reader creates two files next to one in WAL mode, unless it promises that nobody writes; without a log nobody does.
        connection = sqlite3.connect(f"{uri}?immutable=1", uri=True, timeout=WAIT)
    return connection


class AnyText(Database):
    """A database that takes any text: half of a character, which UTF-8 does not hold, is written as U+FFFD

    Such halves are in what models, plugins and errors say."""

    def execute(self, sql: str, parameters: Any = None) -> sqlite3.Cursor:
        """The statement with these parameters"""
        try:
            return super().execute(sql, parameters)
        except UnicodeEncodeError:
            return super().execute(sql, _stored(parameters))


def _stored(parameters: Any) -> Any:
    if isinstance(parameters, dict):
        return {name: _stored(value) for name, value in parameters.items()}
    if isinstance(parameters, list | tuple):
        return [_stored(value) for value in parameters]
    return storable(parameters) if isinstance(parameters, str) else parameters


def identity(path: Path) -> tuple[int, int] | None:
    """Which file it is, whatever its name; None where none is there"""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn SQLite's and the disk's errors into sentences with the file and the next step"""
    try:
        yield
    except UnicodeDecodeError as e:  # SQLite's own error has bytes of a damaged file in it
        raise LimaError(f"The database {path} is damaged: its table of contents is not text. {RESTORE}") from e
    except (sqlite3.DatabaseError, OSError) as e:
        text = str(e)
        if text == "interrupted":
            raise KeyboardInterrupt from e
        advice = {
            "readonly database": READONLY,
            "unable to open": "Its folder does not exist or cannot be written: choose another with -d FILE.",
            "full": "The disk is full: free some space; what was committed before is safe.",
            "not a database": "Choose another file with -d FILE.",
            "malformed": f"The file is damaged. {RESTORE}",
            "decode": f"The file is damaged. {RESTORE}",
            "locked": f"Another process has held its lock for {WAIT:.0f} seconds: wait for it, or stop it.",
            "disk I/O": "The disk failed or is full: free some space; what was committed before is safe.",
        }
        hint = next((a for k, a in advice.items() if k in text), None)
        if hint is None and isinstance(e, sqlite3.IntegrityError | sqlite3.ProgrammingError):
            raise  # a mistake of ours or of a plugin's, not of the file
        raise LimaError(f"Cannot use the database {path}: {text}. {hint or 'Choose another with -d FILE.'}") from e
