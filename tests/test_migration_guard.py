"""What a plugin's migrations may touch: attacks on the tables of others, each undone, and what they may do to their own."""

import contextlib
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from lima.record.store import Store
from lima.testing import only_plugins
from migration_sets import Plugin, dump, executes, kept, opened, with_rows


@pytest.fixture
def file(tmp_path):
    return with_rows(tmp_path / "l.db")


ATTACKS = {
    # the core's tables
    "drop table steps": "drop table 'steps', which belongs to 'lima'",
    "DROP TABLE IF EXISTS Main.[STEPS]": "drop table 'steps', which belongs to 'lima'",
    "delete from steps": "delete from 'steps'",
    "update runs set status = 'failed'": "update 'runs'",
    "insert into runs (id) values ('two')": "insert into 'runs'",
    "replace into runs (id) values ('one')": "insert into 'runs'",
    "with x as (select 1) delete from runs": "delete from 'runs'",
    "insert into runs (id) values ('one') on conflict do update set status = 'x'": "insert into 'runs'",
    "alter table runs rename to old_runs": "alter table 'runs'",
    "alter table runs rename column status to state": "alter table 'runs'",
    "alter table runs add column mine": "alter table 'runs'",
    "alter table runs drop column seconds": "alter table 'runs'",
    "drop view run_summary": "drop view 'run_summary'",
    "drop trigger choices_no_delete": "drop a trigger of 'choices'",
    "drop index idx_generation_grades_run_epoch_position": "drop an index of 'generation_grades'",
    "create index mine on runs (status)": "create an index on 'runs'",
    "create unique index mine on runs (status)": "create an index on 'runs'",
    "create trigger mine after insert on runs begin select raise(abort, 'no'); end": "create a trigger on 'runs'",
    "create trigger mine instead of insert on run_summary begin select 1; end": "create a trigger on 'run_summary'",
    "create table if not exists runs (id)": "create table 'runs'",
    "reindex runs": "reindex 'sqlite_autoindex_runs_1'",
    # another plugin's, of every kind
    "drop table kept": "drop table 'kept', which belongs to 'lima-kept'",
    "delete from kept_child": "delete from 'kept_child'",
    "drop table kept_counted_fts": "drop virtual table 'kept_counted_fts'",
    "delete from kept_counted_fts": "delete from 'kept_counted_fts'",
    "delete from kept_counted_fts_data": "delete from 'kept_counted_fts_data'",
    "drop index idx_kept_text": "drop an index of 'kept'",
    "drop trigger kept_no_delete": "drop a trigger of 'kept'",
    "drop view kept_view": "drop view 'kept_view'",
    "analyze kept": "analyze 'kept'",
    "delete from bad where id = 1": "delete from 'kept_child'",  # by the other's foreign key
    "drop table bad": "delete from 'kept_child'",
    # lima's own books
    "drop table table_owners": "drop table 'table_owners', which belongs to 'lima'",
    "update table_owners set owner = 'lima-bad'": "update 'table_owners'",
    "drop table _sqlite_migrations": "drop table '_sqlite_migrations', which belongs to 'lima'",
    "delete from _sqlite_migrations": "change the rows of others",
    "insert into _sqlite_migrations (migration_set, name) values ('lima', 'm999_future')": "change the rows of others",
    "update _sqlite_migrations set name = 'm999' where migration_set = 'lima-kept'": "change the rows of others",
    "create trigger mine after insert on _sqlite_migrations begin select 1; end": "trigger on '_sqlite_migrations'",
    # SQLite's
    "update sqlite_sequence set seq = 1e18": "change the rows of others",
    "delete from sqlite_sequence": "change the rows of others",
    "pragma writable_schema = 1": "set pragma writable_schema",
    "PRAGMA main.Writable_Schema(on)": "set pragma Writable_Schema",
    "delete from sqlite_master": "table sqlite_master may not be modified",
    "pragma foreign_keys = off": "set pragma foreign_keys",
    "pragma ignore_check_constraints = on": "set pragma ignore_check_constraints",
    "pragma journal_mode = delete": "set pragma journal_mode",
    "pragma user_version = 5": "set pragma user_version",
    "pragma schema_version = 1": "set pragma schema_version",
    "attach database ':memory:' as other": "attach another database",
    "detach database main": "detach a database",
    "vacuum": "cannot VACUUM from within a transaction",
    "create temp table runs (id)": "create something temporary",
    "create temp view steps as select 1": "create something temporary",
    "create temp trigger mine after insert on main.runs begin delete from steps; end": "create a temporary trigger",
    # the transaction
    "commit": "begin, commit or roll back a transaction",
    "end transaction": "begin, commit or roll back a transaction",
    "rollback": "begin, commit or roll back a transaction",
    "begin": "begin, commit or roll back a transaction",
    "insert or rollback into bad (id) values (1)": "UNIQUE constraint failed: bad.id",
    # what would do its harm later
    "create trigger mine after insert on bad begin delete from runs; end": "'lima' in its trigger",
    "create trigger mine before delete on bad begin update runs set status = 'x'; end": "update 'runs'",
    "create trigger mine after update of text on bad begin insert into steps (run) values ('x'); end": "insert into 'steps'",
    "create trigger mine after insert on bad begin delete from _sqlite_migrations; end": "delete from '_sqlite_migrations'",
    "create trigger mine after insert on bad begin delete from sqlite_sequence; end": "delete from 'sqlite_sequence'",
    "create table mine (status references runs (status))": "foreign key would stop every write to 'runs'",
    "alter table bad add column text_of references kept (text)": "foreign key would stop every write to 'kept'",
}


def through_a_view(db):
    db.create_view("mine", "select 1 as x")
    db.execute("create trigger through instead of update on mine begin delete from runs; end")


def a_chain_of_triggers(db):
    db["mine"].create({"x": int})
    db.execute("create trigger first after insert on bad begin insert into mine values (1); end")
    db.execute("create trigger second after insert on mine begin delete from choices; end")


def a_deferred_key(db):
    db.execute("create table mine (run references runs deferrable initially deferred)")
    db.execute("insert into mine values ('nobody')")


def ends_by_a_rollback_and_writes_on(db):
    with contextlib.suppress(sqlite3.IntegrityError):
        db.execute("insert or rollback into bad (id) values (1)")
    with contextlib.suppress(sqlite3.DatabaseError):
        db.execute("create table mine (x)")
    with contextlib.suppress(sqlite3.DatabaseError):
        db.execute("insert into bad (id) values (3)")


def ends_by_a_trigger(db):
    db.execute("create trigger mine before insert on bad begin select raise(rollback, 'gone'); end")
    with contextlib.suppress(sqlite3.DatabaseError):
        db.execute("insert into bad (id) values (3)")


def writes_a_cell(db):
    with db.conn.blobopen("runs", "status", 1) as cell:
        cell.write(b"gone")


def takes_the_schema(db):
    db.conn.setconfig(sqlite3.SQLITE_DBCONFIG_WRITABLE_SCHEMA, True)
    db.execute("delete from sqlite_master")


def takes_the_guard_away(db):
    db.conn.set_authorizer(None)
    db.execute("drop table steps")


def with_a_collation_of_its_own(db):
    db.conn.create_collation("mine", lambda a, b: 0)
    db.execute("create table more_text (x collate mine)")
    db.execute("create index of_mine on more_text (x)")


def with_a_function_of_its_own(db):
    db.conn.create_function("mine", 1, lambda x: x, deterministic=True)
    db.execute("create index of_mine on bad (mine(id))")


def closes(db):
    db["mine"].insert({"x": 1})
    db.close()


def in_a_script(db):
    db.executescript("create table mine (x); commit; drop table steps;")


def replaces_the_connection(db):
    db.conn = sqlite3.connect(":memory:")
    db["mine"].insert({"x": 1})


CALLS = {
    "drops with sqlite-utils": (lambda db: db["choices"].drop(), "drop table 'choices'"),
    "deletes with sqlite-utils": (lambda db: db["steps"].delete_where(), "delete from 'steps'"),
    "transforms the core's": (lambda db: db["steps"].transform(drop={"loss"}), "drop table 'steps'"),
    "renames the core's": (lambda db: db.rename_table("steps", "mine"), "alter table 'steps'"),
    "full-text search on the core's": (
        lambda db: db["runs"].enable_fts(["id"], create_triggers=True),
        "trigger on 'runs'",
    ),
    "commits the connection": (lambda db: db.conn.commit(), "begin, commit or roll back"),
    "rolls back the connection": (lambda db: db.rollback(), "begin, commit or roll back"),
    "with the connection": (lambda db: db.conn.__exit__(None, None, None), "begin, commit or roll back"),
    "through a view": (through_a_view, "delete from 'runs'"),
    "a chain of triggers": (a_chain_of_triggers, "delete from 'choices'"),
    "a deferred key": (a_deferred_key, "FOREIGN KEY constraint failed"),
    "rollback, then on": (ends_by_a_rollback_and_writes_on, "end the transaction"),
    "rollback by a trigger": (ends_by_a_trigger, "end the transaction"),
    "a cell": (writes_a_cell, "cannot call this method"),
    "the schema": (takes_the_schema, "SQLITE_DBCONFIG_WRITABLE_SCHEMA|cannot call this method"),
    "an own collation": (
        with_a_collation_of_its_own,
        "needs more than the database's file: no such collation sequence",
    ),
    "an own function": (with_a_function_of_its_own, "needs more than the database's file: no such function: mine"),
    "set_authorizer": (takes_the_guard_away, "cannot call this method"),
    "in a script": (in_a_script, "begin, commit or roll back"),
    "close": (closes, "Cannot operate on a closed database"),
    "another connection": (replaces_the_connection, "no such savepoint"),
    "sys.exit": (lambda db: exit(0), "SystemExit: 0"),
    "a slip": (lambda db: db.execute("create tabel x"), 'OperationalError: near "tabel": syntax error'),
}


def catches(sql):
    def step(db):
        with contextlib.suppress(sqlite3.DatabaseError):
            db.execute(sql).fetchall()

    return step


@pytest.mark.parametrize("attack", [*ATTACKS, *CALLS])
def test_a_set_that_touches_what_is_not_its_own_is_undone_and_its_plugin_set_aside(file, attack):
    step, cause = CALLS.get(attack) or (executes(attack), ATTACKS[attack])
    before = dump(file)

    def begins_well(db):
        db["more"].insert({"x": 1})

    broken = opened(file, begins_well, step)
    assert list(broken) == ["lima-bad"]
    assert any(c in broken["lima-bad"] for c in cause.split("|")), broken
    assert f"its migrations of {file} failed, and were undone: " in broken["lima-bad"]
    assert dump(file) == before
    with only_plugins(lima_kept=Plugin("lima-kept", kept)) as plugins, Store(file, plugins) as store:
        with store.write() as db:
            db["runs"].insert({"id": "two"})
            db["kept"].insert({"id": 2, "run": "two"})
            db["bad"].insert({"id": 3})
        assert store.rows("pragma foreign_key_check") == []
    assert opened(file, lambda db: db["mended"].insert({"x": 1})) == {}


@pytest.mark.parametrize(
    "attack",
    [
        a
        for a, cause in ATTACKS.items()
        if "constraint" not in cause and "modified" not in cause and "VACUUM" not in cause
    ],
)
def test_catching_the_error_does_not_help(file, attack):
    before = dump(file)
    assert list(opened(file, catches(attack))) == ["lima-bad"]
    assert dump(file) == before


def test_a_set_may_do_anything_to_what_it_owns_and_read_everything(file):
    def everything(db):
        db["first"].insert({"id": 1, "name": "a", "of": 1}, pk="id")
        db["first"].add_foreign_key("of", "bad", "id")
        db["first"].transform(rename={"name": "title"}, types={"of": str})
        db["first"].create_index(["title"], unique=True, analyze=True)
        db["first"].enable_fts(["title"], create_triggers=True)
        db["first"].insert({"id": 2, "title": "b"})
        assert [r["id"] for r in db["first"].search("b")] == [2]
        db.execute(
            "create table counted (id integer primary key autoincrement, run references runs (id) on delete cascade)"
        )
        db.execute("insert into counted (run) select id from runs")
        db["counted"].transform(types={"run": str})
        db.create_view("summary", "select * from run_summary join counted on run = run_summary.id")
        db.execute(
            "create trigger first_counts after insert on first begin insert into counted (run) values ('one'); end"
        )
        with db.atomic():
            db["first"].insert({"id": 3, "title": "c"})
        db.execute("savepoint mine")
        db["first"].delete(3)
        db.execute("rollback to mine")
        db.execute("release mine")
        db.create_view("summary", "select * from counted", replace=True)
        db.execute("create virtual table boxes using rtree (id, x0, x1)")
        db.executescript("create table scripted (x); insert into scripted values (1);")

    def and_again(db):
        assert [r["run"] for r in db["summary"].rows] == ["one", "one"]
        db["first"].disable_fts()
        db.execute("drop trigger first_counts")
        db.execute("drop view summary")
        db["counted"].drop()
        db.rename_table("first", "second")
        db["second"].transform(drop={"of"})
        db.execute("drop table boxes")
        db.execute("update bad set text = 'changed'")

    before = dump(file)
    assert opened(file, everything) == {}
    assert opened(file, everything, and_again) == {}
    after = dump(file)
    others = {n: rows for n, rows in before[1].items() if n.startswith("kept") or n in ("runs", "steps", "choices")}
    assert {n: after[1][n] for n in others} == others
    with contextlib.closing(sqlite3.connect(file)) as db:
        owned = db.execute("select name from table_owners where owner = 'lima-bad' order by 1").fetchall()
        assert owned == [("bad",), ("scripted",), ("second",)]
        assert db.execute("select text from bad").fetchall() == [("changed",)] * 2


ENDLESS = """
import os, sys, threading
sys.path.insert(0, "tests")
from migration_sets import opened

def endless(db):
    threading.Timer(0.5, os.kill, (os.getpid(), 2)).start()
    db.execute("with recursive c(n) as (select 1 union all select n + 1 from c) select count(*) from c").fetchone()

try:
    opened(sys.argv[1], endless)
except KeyboardInterrupt:
    print("stopped")
"""


def test_ctrl_c_ends_a_query_without_end(file):
    before, tests = dump(file), Path(__file__).parents[1]
    command = [sys.executable, "-c", ENDLESS, file]
    done = subprocess.run(command, cwd=tests, capture_output=True, text=True, timeout=60)
    assert (done.stdout, dump(file) == before) == ("stopped\n", True), done.stderr
