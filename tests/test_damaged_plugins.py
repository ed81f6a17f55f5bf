"""Plugins that are damaged, lie about themselves or are of another version, in real processes: lima works all the same."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import click
import pytest

import lima
from lima.cli import cli
from lima.distributions import found, needed_by, unmet_by
from lima.testing import run_command

PAIR = '{"prompt": "a", "response": "b"}\n'


def install(site, name, code="", entry="", metadata=""):
    """A distribution as pip leaves it, without a list of its files"""
    info = site / f"{name.replace('-', '_')}-1.2.dist-info"
    info.mkdir(parents=True)
    module = name.replace("-", "_")
    (site / f"{module}.py").write_text(code)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n{metadata}")
    written = entry if isinstance(entry, bytes) else (entry or f"[lima]\n{name} = {module}\n").encode()
    (info / "entry_points.txt").write_bytes(written)
    return info


@pytest.fixture
def start(tmp_path):
    """start(*arguments): lima with what is installed in the folder `site`, in a process of its own"""

    def run(*arguments, load="lima-odd"):
        path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(tmp_path / "site")]))
        environment = os.environ | {"PYTHONPATH": path, "LIMA_LOAD_PLUGINS": load}
        command = [sys.executable, "-m", "lima", *map(str, arguments)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, cwd=tmp_path)

    return run


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("[lima]\nodd = \n", "its entry point 'odd' names '', which is not a module"),
        ("[lima]\nodd = no module!\n", "its entry point 'odd' names 'no module!', which is not a module"),
        ("[lima]\nodd\n", "its file entry_points.txt cannot be read: TypeError"),
        (b"\xff\xfe[lima]\nodd = lima_odd\n", "its file entry_points.txt cannot be read: UnicodeDecodeError"),
    ],
)
def test_entry_points_that_cannot_be_read_are_their_plugin_s_fault_alone(tmp_path, monkeypatch, entry, why):
    before = [one.distribution for one in found()]
    info = install(tmp_path, "lima-odd", entry=entry)
    monkeypatch.syspath_prepend(tmp_path)
    odd = next(one for one in found() if one.distribution == "lima-odd")
    assert (odd.unreadable.startswith(why), odd.advice) == (
        True,
        f"To be rid of it, delete {info.with_name('lima_odd.py')} and {info}.",
    )
    assert sorted(one.distribution for one in found()) == sorted([*before, "lima-odd"])


def test_damaged_entry_points_of_a_library_are_not_lima_s_business(tmp_path, monkeypatch):
    before = [(one.distribution, one.entry.name) for one in found()]
    install(tmp_path, "library", entry="[console_scripts]\nnothing\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert [(one.distribution, one.entry.name) for one in found()] == before


@pytest.mark.parametrize(
    "written", ["lima-tune>=9", "Lima_Tune (>=9)", "lima.tune[extra] >=9", "LIMA-TUNE>=9 ; extra == 'x'"]
)
def test_a_requirement_counts_however_it_is_written(written):
    assert unmet_by(f"Requires-Dist: {written}").strip() == ">=9"
    assert unmet_by("Requires-Dist: lima-tune-more>=9") == ""


def test_whom_a_plugin_needs_is_followed_through_others_and_in_circles():
    asked = {"a": {"b", "click"}, "b": {"c", "a"}, "c": set()}
    assert (needed_by("A", asked), needed_by("c", asked)) == ({"a", "b", "c"}, {"c"})


def test_the_plugin_is_set_aside_whose_error_ends_lima_when_it_is_read(tmp_path, start):
    install(
        tmp_path / "site", "lima-odd", "class Odd(Exception):\n    def __str__(self): raise SystemExit(0)\nraise Odd\n"
    )
    done = start("sources", "--json")
    assert "plugin 'lima-odd' is not loaded: import failed: Odd: its text cannot be read." in done.stderr
    assert (done.returncode, json.loads(done.stdout)[0]["name"]) == (0, "pairs")


def test_what_a_plugin_prints_at_the_end_or_from_a_thread_or_to_the_file_is_not_json(tmp_path, start):
    code = (
        "import atexit, os, threading, time\natexit.register(print, 'at the end')\nos.write(1, b'to the file')\n"
        "def say():\n    while True: print('from a thread'); time.sleep(0.01)\n"
        "threading.Thread(target=say, daemon=True).start()\n"
    )
    install(tmp_path / "site", "lima-odd", code)
    done = start("sources", "--json")
    assert json.loads(done.stdout)[0]["name"] == "pairs"
    assert all(said in done.stderr for said in ("at the end", "to the file", "from a thread"))


@pytest.mark.slow
def test_a_plugin_whose_import_failed_after_it_changed_others_is_in_the_record(tmp_path, base, start):
    install(tmp_path / "site", "lima-odd", "import lima.recipe\nraise ImportError('too late')\n")
    (tmp_path / "pairs.jsonl").write_text(PAIR)
    trained = start(
        "train", "--base", base, "--source", "pairs.jsonl", "--set", "epochs=1", "--out", "out", "-d", "lima.db"
    )
    assert trained.returncode == 0, trained.stderr
    with closing(sqlite3.connect(tmp_path / "lima.db")) as db:
        assert db.execute(
            "select plugin, error, length(hash) from run_plugins where plugin = 'lima-odd'"
        ).fetchall() == [("lima-odd", "import failed: ImportError: too late", 64)]


OWNER = """
import lima
from sqlite_utils import Migrations
migrations = Migrations("odd")
@migrations()
def m001(db): db["odd"].create({"x": int})
@lima.hookimpl
def register_migrations(register): register("odd", migrations)
"""
USER = """
import lima
@lima.hookimpl
def register_commands(cli):
    @cli.command()
    @lima.cli.database_option
    def use(database):
        with lima.Store(database) as store: print(store.rows("select count(*) n from odd"))
"""


@pytest.mark.slow
def test_a_command_that_needs_tables_of_a_newer_plugin_says_so_at_once_and_nothing_else(tmp_path, start):
    site, both = tmp_path / "site", "lima-odd,lima-user"
    install(site, "lima-odd", OWNER)
    install(
        site,
        "lima-user",
        USER.replace("import lima\n", "import lima.cli\n", 1),
        metadata="Requires-Dist: lima_odd>=1\n",
    )
    assert start("use", "-d", "a.db", load=both).stdout == "[{'n': 0}]\n"
    with closing(sqlite3.connect(tmp_path / "a.db")) as db:
        db.execute("insert into _sqlite_migrations (migration_set, name, applied_at) values ('odd', 'm999', '2030')")
        db.commit()
    refused = start("use", "-d", "a.db", load=both)
    assert (refused.returncode, refused.stdout, refused.stderr) == (
        1,
        "",
        "Error: `lima use` does not work without lima-odd, which lima-user needs: the database a.db was written by a newer "
        "version of lima-odd (it has 'm999'). Upgrade it with `lima install --upgrade lima-odd`, or name another database with "
        "-d FILE.\n",
    )
    assert start("use", "-d", "b.db", load=both).returncode == 0  # the advice
    other = start("runs", "--json", "-d", "a.db", load=both)  # which needs neither
    assert (other.returncode, other.stdout) == (0, "[]\n")
    assert "lima install --upgrade lima-odd`, or name another" in other.stderr


class Commands:
    """A plugin that does something to the command line"""

    def __init__(self, does):
        self.does = does

    @lima.hookimpl
    def register_commands(self, cli):
        self.does(cli)


def command(callback, name="x", kind=click.Command):
    return lambda cli: cli.add_command(kind(name, callback=callback))


def generator():
    yield


async def coroutine():
    pass


def attributes(group):
    return {name: value.copy() if isinstance(value, list | dict) else value for name, value in vars(group).items()}


def of_another_class(part):
    part.__class__ = type("Mine", (type(part),), {"invoke": lambda self, context: 0})


class Unhelpful(click.Command):
    def get_short_help_str(self, limit=45):
        raise SystemExit(0)


@pytest.mark.parametrize(
    ("does", "why"),
    [
        (lambda cli: cli.commands.update(x=3), "it adds 3 as the command 'x'; expected a click.Command"),
        (lambda cli: cli.commands.update({None: click.Command("x")}), "as the command None; expected a click.Command"),
        (command(print, "\x1b[31m"), "as the command '\\x1b[31m'; expected a click.Command"),
        (command(generator), "the function of its command 'x' is a generator, of which a call runs nothing"),
        (command(coroutine), "the function of its command 'x' is async, of which a call runs nothing"),
        (command(print, kind=Unhelpful), "register_commands failed: SystemExit: 0"),
        (lambda cli: setattr(cli, "main", lambda *_, **__: 0), "it changes `lima` itself"),
        (lambda cli: setattr(cli, "callback", lambda: None), "it changes `lima` itself"),
        (lambda cli: cli.params.append(click.Option(["--odd"], required=True)), "it changes `lima` itself"),
        (
            lambda cli: setattr(cli.commands["runs"], "invoke", lambda _: 0),
            "it changes the command 'runs', which belongs to",
        ),
        (lambda cli: of_another_class(cli.commands["runs"]), "it changes the command 'runs'"),
        (lambda cli: setattr(cli.commands["runs"].params[0].type, "name", "mine"), "it changes the command"),
        (lambda cli: of_another_class(cli.commands["runs"].params[0]), "it changes the command 'runs'"),
        (lambda cli: setattr(cli.commands["runs"].params[0], "required", True), "it changes the command 'runs'"),
    ],
)
def test_what_a_plugin_does_to_the_command_line_beyond_adding_a_command_is_undone(lima_plugins, does, why):
    before = attributes(cli)
    plugins = lima_plugins(lima_odd=Commands(does))
    listed = run_command("sources", "--json")
    assert (listed.json[0]["name"], why in listed.err, why in plugins.broken[0].error) == ("pairs", True, True)
    assert attributes(cli) == before


@pytest.mark.parametrize("code", [256, -1, 512])
def test_an_exit_code_that_a_shell_would_see_as_another_is_1(lima_plugins, code):
    lima_plugins(lima_odd=Commands(command(lambda: click.get_current_context().exit(code))))
    run_command("x", code=1)


@pytest.mark.parametrize("hook", [type("C", (), {"__call__": print})(), type("C", (), {})])
def test_a_hook_that_is_marked_and_is_no_function_is_refused(lima_plugins, hook):
    module = type("Odd", (), {"register_sources": lima.hookimpl(hook)})()
    assert "its register_sources is " in lima_plugins(lima_odd=module).broken[0].error
