"""Imported by tests: plugins with sets of migrations, a database with rows of everyone, and all that SQL can see of it."""

import atexit
import contextlib
import shutil
import sqlite3
import tempfile
from functools import cache
from pathlib import Path

from sqlite_utils import Migrations

import lima
from lima.record.store import Store
from lima.testing import only_plugins


class Plugin:
    """A plugin with one set of migrations"""

    def __init__(self, name, *steps, registered=None):
        self.set, self.registered = Migrations(name), registered or name
        for number, step in enumerate(steps, 1):
            self.set(name=f"m{number:03}")(step)

    @lima.hookimpl
    def register_migrations(self, register):
        register(self.registered, self.set)


def kept(db):
    """Another plugin's tables: keys that count up, an index, a trigger, a view, a key into the core's, a full-text index"""
    db["kept"].create({"id": int, "run": str, "text": str}, pk="id", foreign_keys=[("run", "runs", "id")])
    db["kept"].create_index(["text"])
    db.execute("create table kept_counted (id integer primary key autoincrement, text)")
    db.execute("insert into kept_counted (text) values ('a'), ('b')")
    db.execute("create trigger kept_no_delete before delete on kept begin select raise(abort, 'kept'); end")
    db.create_view("kept_view", "select * from kept")
    db["kept_counted"].enable_fts(["text"], create_triggers=True)
    db.execute("create table kept_child (of_bad integer references bad(id) on delete cascade)")


def bad(db):
    db["bad"].insert_all([{"id": 1, "text": "one"}, {"id": 2, "text": "two"}], pk="id")


def opened(path, *steps, also=()):
    """The store with the plugins lima-kept and lima-bad, whose set has these migrations after its first, and what is broken"""
    modules = {"lima_bad": Plugin("lima-bad", bad, *steps), "lima_kept": Plugin("lima-kept", kept)}
    with only_plugins(**modules, **dict(also)) as plugins, Store(path, plugins):
        return {p.name: p.error for p in plugins.broken}


def with_rows(path):
    """A database with rows of everyone; made once for a process, and copied"""
    shutil.copy(_with_rows(), path)
    return path


@cache
def _with_rows():
    path = Path(tempfile.mkdtemp()) / "l.db"
    atexit.register(shutil.rmtree, path.parent)
    assert opened(path) == {}
    with only_plugins() as plugins, Store(path, plugins) as store, store.write() as db:
        db["runs"].insert({"id": "one", "status": "done", "recipe": "{}", "environment": "{}"})
        db["steps"].insert({"run": "one", "step": 1, "loss": 0.5})
        db["generation_grades"].insert({"run": "one", "grader": "me", "grade": "pass"})
        db["choices"].insert({"run": "one", "epoch": 1})
        db["kept"].insert({"id": 1, "run": "one", "text": "kept"})
        db["kept_child"].insert({"of_bad": 1})
    return path


def dump(path):
    """All of the file that SQL can see: schema, rows, and the rows that SQLite keeps for itself"""
    with contextlib.closing(sqlite3.connect(path)) as db:
        tables = db.execute("select * from sqlite_master order by type, name").fetchall()
        names = sorted(n for kind, n, *_ in tables if kind == "table" and not n.endswith("_fts"))
        return tables, {
            n: db.execute(f'select rowid, * from "{n}" order by 1').fetchall() for n in names if _has_rowid(db, n)
        }


def _has_rowid(db, name):
    return not any(row[1] == name and row[4] for row in db.execute("pragma table_list"))


def executes(sql):
    return lambda db: db.execute(sql).fetchall()
