"""What becomes of a set of migrations that fails, whose a table is, and files from before tables had owners."""

import contextlib
import multiprocessing
import os
import sqlite3

import click
import pytest
from click.testing import CliRunner
from sqlite_utils import Database, Migrations

import lima
from lima.cli.group import Group
from lima.errors import LimaError
from lima.record.store import Store, migrations
from lima.testing import only_plugins
from migration_sets import Plugin, bad, dump, executes, kept, opened, with_rows


@pytest.fixture
def file(tmp_path):
    return with_rows(tmp_path / "l.db")


def test_nothing_that_a_set_did_to_its_connection_outlives_it(tmp_path):
    def settings(db):
        db.conn.row_factory = sqlite3.Row
        db.execute("pragma legacy_alter_table = on")
        db.conn.create_function("lower", 1, lambda text: "not")
        db["mine"].insert({"x": "A"})

    with only_plugins(lima_bad=Plugin("lima-bad", settings)) as plugins, Store(tmp_path / "l.db", plugins) as store:
        assert plugins.broken == []
        assert store.rows("select lower(x) x from mine") == [{"x": "a"}]
        assert store.rows("pragma legacy_alter_table") == [{"legacy_alter_table": 0}]
        store.db["mine"].drop()  # the guard was of the migration


def forget_owners(file):
    with contextlib.closing(sqlite3.connect(file)) as db, db:
        db.execute("drop table table_owners")


@pytest.mark.parametrize(
    "attack", ["drop table steps", "drop table kept", "drop view run_summary", "drop table _sqlite_migrations"]
)
def test_in_a_file_from_before_tables_had_owners_everything_has_its_owner(file, attack):
    forget_owners(file)
    before = dump(file)
    assert "which belongs to 'lima" in opened(file, executes(attack))["lima-bad"]
    assert dump(file) == before
    # The plugin whose tables they are, on the other hand, goes on with them.
    assert (
        opened(
            file, lambda db: db["kept_child_of_mine"].create({"of": int}), executes("alter table bad drop column text")
        )
        == {}
    )


def test_in_such_a_file_tables_of_nobody_or_of_two_are_closed_to_all(file):
    with contextlib.closing(sqlite3.connect(file)) as db, db:
        db.execute("create table notes (text)")
        db.execute("drop table table_owners")
    assert "drop table 'notes', which belongs to no plugin" in opened(file, executes("drop table notes"))["lima-bad"]

    def now_claims(db):
        bad(db)
        db["kept"].create({"id": int})

    plugins = {
        "lima_bad": Plugin("lima-bad", now_claims, executes("drop table kept")),
        "lima_kept": Plugin("lima-kept", kept),
    }
    with only_plugins(**plugins) as house, Store(file, house) as store:
        assert "drop table 'kept', which belongs to no plugin" in house.broken[0].error
        assert store.rows("select id from kept") == [{"id": 1}]


def test_in_a_new_file_whose_the_cores_tables_are_is_known_at_once(tmp_path):
    with only_plugins() as plugins, Store(tmp_path / "l.db", plugins) as store:
        owners = {row["name"]: row["owner"] for row in store.rows("select * from table_owners")}
        there = {row["name"] for row in store.rows("select name from sqlite_master where type in ('table', 'view')")}
    assert owners == dict.fromkeys(there - {"sqlite_sequence"}, "lima")
    assert {"runs", "run_summary", "table_owners", "_sqlite_migrations"} <= there


def test_a_plugin_that_is_not_installed_keeps_its_tables(file):
    before = dump(file)
    with only_plugins(lima_bad=Plugin("lima-bad", bad, executes("drop table kept"))) as plugins, Store(file, plugins):
        assert "which belongs to 'lima-kept'" in plugins.broken[0].error
    with only_plugins() as plugins, Store(file, plugins):
        assert plugins.broken == []
    assert dump(file) == before


def test_a_set_under_another_name_than_registered_is_refused(tmp_path):
    with (
        only_plugins(lima_bad=Plugin("lima-bad", bad, registered="lima-worse")) as plugins,
        Store(tmp_path / "l.db", plugins) as store,
    ):
        assert [p.error for p in plugins.broken] == [
            "register_migrations failed: the set of migrations 'lima-bad' is registered as 'lima-worse'; "
            "give both the same name"
        ]
        assert not store.db["bad"].exists()


def test_nobody_gets_the_tables_of_another_by_the_name_of_its_set(file):
    before = dump(file)
    thief = Plugin("lima-kept", kept, executes("drop table kept"))
    assert opened(file, also={"lima_a_thief": thief}) == dict.fromkeys(
        ("lima-kept", "lima-a-thief"),
        "The migration 'lima-kept' is registered by both 'lima-kept' and 'lima-a-thief'. Uninstall one of them, or choose with "
        "LIMA_LOAD_PLUGINS.",
    )
    assert list(opened(file, also={"lima_a_thief": Plugin("lima", executes("drop table runs"))})) == ["lima-a-thief"]
    assert dump(file) == before


def test_a_file_that_a_newer_plugin_wrote_sets_that_plugin_aside(file):
    assert opened(file, lambda db: db["new"].create({"x": int})) == {}
    assert opened(file) == {
        "lima-bad": f"the database {file} was written by a newer version of lima-bad (it has 'm002')"
    }


def test_ctrl_c_stops_lima_and_leaves_nothing(file):
    before = dump(file)

    def interrupted(db):
        db["mine"].create({"x": int})
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        opened(file, interrupted)
    assert dump(file) == before


class Whole(Plugin):
    """A plugin with more than migrations"""

    description, licence = "one", "CC0-1.0"

    def examples(self, argument):
        yield lima.Example(id="1", source="mine", prompt="a", response="b")

    @lima.hookimpl
    def register_sources(self, register):
        register("mine", self)

    @lima.hookimpl
    def register_commands(self, cli):
        @cli.command()
        @click.argument("path")
        def mine(path):
            with Store(path) as store:
                click.echo(store.rows("select * from mine"))

    @lima.hookimpl
    def before_train(self, run, examples):
        raise AssertionError("called")


def test_what_a_plugin_set_aside_registered_is_gone(file):
    with only_plugins(lima_bad=Whole("lima-bad", bad, executes("drop table steps"))) as plugins:
        cli = Group("lima")
        cli.add_command(click.Command("other", callback=lambda: Store(file).close()))
        plugins.add_commands(cli)
        assert "mine" in plugins.registry("sources")
        refused = CliRunner().invoke(cli, ["mine", str(file)])
        assert isinstance(refused.exception, LimaError)
        assert "`lima mine` does not work without lima-bad: its migrations of" in str(refused.exception)
        assert "mine" not in plugins.registry("sources")
        plugins.call("before_train", run=None, examples=[])
        assert CliRunner().invoke(cli, ["other"]).exception is None
        assert CliRunner().invoke(cli, ["mine", str(file)]).exception is not None


class Below(Plugin):
    """A plugin with a command in a group of the core's; its second try adds one and fails"""

    fails = False

    @lima.hookimpl
    def register_commands(self, cli):
        @cli.commands["list"].command("of-fails" if self.fails else "mine")
        @click.argument("path")
        def mine(path):
            Store(path).close()

        if self.fails:
            raise RuntimeError("too late")


def test_a_command_in_a_group_of_the_core_has_an_owner_too(file):
    cli, listing = Group("lima"), Group("list")
    cli.add_command(listing)
    with only_plugins(lima_bad=Below("lima-bad", bad, executes("drop table steps"))) as plugins:
        plugins.add_commands(cli)
        refused = CliRunner().invoke(cli, ["list", "mine", str(file)])
        assert "`lima list mine` does not work without lima-bad: its migrations of" in str(refused.exception)
    late = Below("lima-late", bad)
    late.fails = True
    with only_plugins(lima_also=Below("lima-also", bad), lima_late=late) as plugins:
        listing.commands.clear()
        plugins.add_commands(cli)
        assert list(listing.commands) == ["mine"]
        assert [p.error for p in plugins.broken] == ["register_commands failed: RuntimeError: too late"]
    with only_plugins(lima_a=Below("lima-a", bad), lima_b=Below("lima-b", bad)) as plugins:
        listing.commands.clear()
        plugins.add_commands(cli)
        assert [p.error for p in plugins.broken] == ["its command 'list mine' is registered by 'lima-a' already"]


def test_a_file_that_may_only_be_read_is_read_without_the_plugin_whose_tables_it_lacks(file, monkeypatch):
    before = file.read_bytes()
    forget = [lambda db: db["new"].create({"x": int})]
    monkeypatch.setattr(
        os, "access", lambda path, mode, **_: not mode & os.W_OK
    )  # root may write whatever the mode says
    assert opened(file, *forget) == {"lima-bad": f"the database {file} can only be read here, and lacks its tables"}
    assert opened(file) == {}
    assert file.read_bytes() == before


def _open(path, barrier, answers):
    barrier.wait(60)
    answers.put(opened(path, executes("drop table runs")))


@pytest.mark.slow
def test_processes_that_open_a_new_file_at_once_agree(tmp_path):
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(4), context.Queue()
    processes = [context.Process(target=_open, args=(tmp_path / "l.db", barrier, answers)) for _ in range(4)]
    for p in processes:
        p.start()
    for p in processes:
        p.join(120)
    assert [list(answers.get(timeout=10)) for _ in processes] == [["lima-bad"]] * 4
    with contextlib.closing(sqlite3.connect(tmp_path / "l.db")) as db:
        rows = list(Database(db)["_sqlite_migrations"].rows)
        assert [row["name"] for row in rows if row["migration_set"] == "lima"] == [
            one.name for one in migrations.pending(Database(memory=True))
        ]
        assert len([row for row in rows if row["migration_set"] != "lima"]) == 1
        assert db.execute("pragma integrity_check").fetchall() == [("ok",)]


def test_a_view_that_does_not_work_is_refused(file):
    """SQLite refuses to rename any table, another's too, while there is one"""
    before = dump(file)
    failed = opened(file, lambda db: db.execute("create view aview as select * from nosuchtable"))
    assert "its view 'aview' does not work: no such table" in failed["lima-bad"]
    assert dump(file) == before


class Odd(Migrations):
    """A set that is not what it seems"""

    @property
    def _migrations(self):
        raise self.error

    @_migrations.setter
    def _migrations(self, value):
        pass


@pytest.mark.parametrize("error", [KeyError("x"), SystemExit(0)], ids=repr)
def test_a_set_that_fails_when_it_is_looked_at_sets_its_plugin_aside(tmp_path, error):
    plugin = Plugin("lima-bad")
    plugin.set = Odd("lima-bad")
    plugin.set.error = error
    with only_plugins(lima_bad=plugin) as plugins, Store(tmp_path / "l.db", plugins) as store:
        assert [p.name for p in plugins.broken] == ["lima-bad"]
        assert store.rows("select * from runs") == []
