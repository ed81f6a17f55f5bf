"""What is wrong with a database's file, looked for when a command has failed on what it read: a cell that lima never writes.

Knows nothing of what failed.
"""

import sqlite3
from collections.abc import Mapping
from typing import Any

from sqlite_utils import Database

from lima.record.migrate import CORE_SET

WRITTEN = {
    "runs": "id created status base renderer eot recipe environment folder seed examples tokens trained_tokens",
    "run_plugins": "run plugin version hash",
    "run_sources": "run source examples tokens trained_tokens",
    "run_examples": "run position source status tokens trained_tokens",
    "steps": "run step epoch tokens trained_tokens loss accuracy learning_rate",
    "checkpoints": "run folder created epoch step",
    "dev_prompts": "run position source example hash prompt reference",
    "generations": "run epoch position reply stop tokens",
    "choices": "id run epoch",
}
"Columns of the core's tables in which every row has a value"

_CLASSES = {"TEXT": "('text', 'null')", "INTEGER": "('integer', 'null')", "REAL": "('real', 'integer', 'null')"}
_CLASSES["FLOAT"] = _CLASSES["REAL"]
"What SQLite may have stored in a column of each type"


def damage(db: Database, sets: Mapping[str, Any]) -> str:
    """What no lima has written like this, as the end of a sentence; empty where nothing is found

    `sets` are the sets of migrations that made the tables, by their names. Looks at the whole file."""
    try:
        (found,) = db.execute("pragma quick_check(1)").fetchone()
        if found != "ok":
            return str(found).splitlines()[0]
        if found := next((what for table in _tables(db) for what in _cells(db, table)), "") or _lacking(db, sets):
            return found
        for table, _, other, _ in db.execute("pragma foreign_key_check"):
            return f"a row of {table} belongs to one of {other} that is gone"
        return ""
    except (sqlite3.Error, UnicodeDecodeError) as e:
        return str(e)


def _tables(db: Database) -> list[str]:
    return [name for (name,) in db.execute("select name from sqlite_master where type = 'table' order by name")]


def _columns(db: Database, table: str) -> dict[str, str]:
    return {row[1]: row[2].upper() for row in db.execute(f"pragma table_info({_quoted(table)})")}


def _cells(db: Database, table: str) -> list[str]:
    """The first cell of each column that holds something of another type, or nothing where lima writes something"""
    always, found = WRITTEN.get(table, "").split(), []
    for column, kind in _columns(db, table).items():
        quoted = _quoted(column)
        wrong = [f"typeof({quoted}) not in {_CLASSES[kind]}"] if kind in _CLASSES else []
        wrong += [f"{quoted} is null"] if column in always else []
        if not wrong:
            continue
        rows: Any = db.execute(f"select typeof({quoted}) from {_quoted(table)} where {' or '.join(wrong)} limit 1")
        if row := rows.fetchone():
            found.append(f"{column} of a row of {table} is of the type {row[0]}")
    return found


def _lacking(db: Database, sets: Mapping[str, Any]) -> str:
    """A table or a column that these sets made and that is gone"""
    made = Database(memory=True)
    for name in sorted(sets, key=lambda name: (name != CORE_SET, name)):  # the others may refer to the core's tables
        sets[name].apply(made)
    for table in _tables(made):
        there = _columns(db, table)
        if missing := [c for c in _columns(made, table) if c not in there]:
            return f"the table {table} lacks the column {missing[0]}" if there else f"the table {table} is missing"
    return ""


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
