"""Some 200 kinds of broken plugin in real commands: each is named with its place, none ends as if nothing were wrong."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from breaks import ASIDE, DEV, FAILS, KEPT

HERE = Path(__file__).parent
BATCH = 40


@pytest.fixture(scope="module")
def place(base, tmp_path_factory):
    """A folder with the plugin installed, a file, and a run of it; gives what runs breaks there"""
    folder = tmp_path_factory.mktemp("broken")
    site = folder / "site"
    info = site / "lima_odd-1.2.dist-info"
    info.mkdir(parents=True)
    shutil.copy(HERE / "broken_plugin.py", site / "lima_odd.py")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lima-odd\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[lima]\nodd = lima_odd\n")
    (folder / "odd.jsonl").write_text('{"strange": 1}\n')
    (folder / "dev.jsonl").write_text('{"prompt": "c", "response": "d"}\n')
    path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(site)]))
    environment = os.environ | {"PYTHONPATH": path, "BASE": str(base), "LIMA_USER_PATH": str(folder / "user")}
    environment["LIMA_LOAD_PLUGINS"] = "lima-odd,lima-chat,lima-dialogue-eval"

    def run(breaks, names, first=0):
        cases = [
            [dict(b.environment) | {"PLACE": b.place}, _arguments(b, n, dict(names))]
            for n, b in enumerate(breaks, first)
        ]
        command = [sys.executable, str(HERE / "command_lines.py"), json.dumps(cases)]
        done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, done.stderr
        return dict(zip(breaks, json.loads(done.stdout), strict=True))

    run.folder = folder
    return run


def _arguments(one, number, names):
    new = names.pop("NEW", f"{one.place}-{number}")
    return [{"NEW": new, **names}.get(word, word) for word in one.command.split()]


@pytest.fixture(scope="module")
def ended(place):
    """What became of a break: (exit code, out, err)

    Breaks run in batches, each when the first of it is asked for: of processes that share the tests none runs all."""
    whole = KEPT[0]._replace(place="nowhere", command=DEV)
    (code, out, err) = place([whole], {"NEW": "made"})[whole]
    assert code == 0, err
    everything, names, found = [*FAILS, *ASIDE, *KEPT], {"RUN": out.split()[1].rstrip(":")}, {}

    def of(one):
        if one not in found:
            first = everything.index(one) // BATCH * BATCH
            found.update(place(everything[first : first + BATCH], names, first))
        return found[one]

    return of


pytestmark = pytest.mark.slow


@pytest.mark.parametrize("one", FAILS, ids=lambda b: b.id)
def test_a_plugin_that_fails_is_named_and_the_exit_code_is_1(ended, one):
    code, out, err = ended(one)
    assert (code, one.said in err, "Traceback" in out + err) == (1, True, False), err


@pytest.mark.parametrize("one", ASIDE, ids=lambda b: b.id)
def test_a_plugin_that_breaks_while_lima_starts_is_set_aside_and_the_rest_works(ended, one):
    code, out, err = ended(one)
    assert (code, "Traceback" in out + err) == (0, False), err
    assert "Warning: plugin 'lima-odd' is not loaded: " in err
    assert one.said in err
    assert "odd" not in [row.get("name") for row in json.loads(out)]


@pytest.mark.parametrize("one", KEPT, ids=lambda b: b.id)
def test_what_a_plugin_changes_that_is_not_its_own_is_set_back_and_named(ended, one):
    code, out, err = ended(one)
    assert (code, one.said in err, "{oops" in out) == (0, True, False), err
    if one.command.endswith("--json"):
        assert json.loads(out)["examples"] == 3


def test_there_are_150_kinds_and_no_two_are_the_same():
    everything = [*FAILS, *ASIDE, *KEPT]
    assert len(set(everything)) == len(everything) >= 150


def test_the_database_is_whole_and_says_how_each_run_ended(ended, place):
    ended(FAILS[-1])
    ended(KEPT[-1])
    with closing(sqlite3.connect(place.folder / "user" / "lima.db")) as db:
        assert db.execute("pragma integrity_check").fetchall() == [("ok",)]
        assert db.execute("pragma foreign_key_check").fetchall() == []
        statuses = dict(db.execute("select folder, status from runs").fetchall())
        plugins = db.execute("select distinct plugin from run_plugins where plugin = 'lima-odd'").fetchall()
        licences = db.execute("select distinct licence from run_sources where source = 'odd'").fetchall()
    assert set(statuses.values()) == {"done", "failed"}
    assert (plugins, licences) == ([("lima-odd",)], [("CC0-1.0",)])
