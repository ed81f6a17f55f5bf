"""One SQLite file: many processes at once, newer and damaged files, read-only and full disks."""

import json
import multiprocessing
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from lima.errors import LimaError
from lima.plugins import load_plugins
from lima.record.places import command_on, default_path
from lima.record.store import Store

ROUNDS, PROCESSES = 30, 8


def _open_all(folder, barrier, failures):
    for number in range(ROUNDS):
        barrier.wait(60)
        try:
            with Store(f"{folder}/{number}.db") as store, store.write() as db:
                db.table("runs").insert({"id": f"{os.getpid()}", "created": "now", "recipe": "{}", "environment": "{}"})
        except Exception as e:
            failures.put(f"{number}: {type(e).__name__}: {e}")


@pytest.mark.slow
def test_eight_processes_open_and_write_a_new_file_at_once_thirty_times(tmp_path):
    context = multiprocessing.get_context("spawn")
    barrier, failures = context.Barrier(PROCESSES), context.Queue()
    processes = [context.Process(target=_open_all, args=(str(tmp_path), barrier, failures)) for _ in range(PROCESSES)]
    for p in processes:
        p.start()
    for p in processes:
        p.join(120)
    assert [p.exitcode for p in processes] == [0] * PROCESSES
    assert failures.empty(), failures.get()
    for number in range(ROUNDS):
        with Store(tmp_path / f"{number}.db") as store:
            assert store.rows("select count(*) n from runs") == [{"n": PROCESSES}]
            assert store.rows("pragma journal_mode") == [{"journal_mode": "wal"}]
            assert store.rows("pragma integrity_check") == [{"integrity_check": "ok"}]


def test_tables_and_columns(tmp_path):
    with Store(tmp_path / "l.db") as store:
        tables = {t: [c.name for c in store.db.table(t).columns] for t in store.db.table_names()}
    assert {t: sorted(columns) for t, columns in tables.items() if t in ("run_plugins", "checkpoints")} == {
        "run_plugins": ["error", "hash", "plugin", "run", "seconds", "version"],
        "checkpoints": ["created", "epoch", "folder", "perplexity", "run", "step"],
    }
    assert {"runs", "run_sources", "run_examples", "steps", "checkpoints"} <= tables.keys()


def test_a_newer_database_is_refused_with_the_command_that_helps(tmp_path):
    with Store(tmp_path / "l.db") as store, store.write() as db:
        db.table("_sqlite_migrations").insert({"migration_set": "lima", "name": "m999_future", "applied_at": "2099"})
    with pytest.raises(
        LimaError, match=r"newer version of lima-tune \(it has 'm999_future'\).*lima install --upgrade lima-tune"
    ):
        Store(tmp_path / "l.db")


def test_a_failed_write_leaves_nothing(tmp_path):
    with Store(tmp_path / "l.db") as store:
        with pytest.raises(ZeroDivisionError), store.write() as db:  # noqa: PT012
            db.table("runs").insert({"id": "half", "recipe": "{}", "environment": "{}"})
            raise ZeroDivisionError
        assert store.rows("select * from runs") == []


def test_other_files_and_folders_are_said_in_a_sentence(tmp_path):
    (tmp_path / "notes.txt").write_text("these are my notes, not a database " * 50)
    with pytest.raises(LimaError, match=r"notes\.txt: file is not a database\. Choose another file with -d"):
        Store(tmp_path / "notes.txt")
    with pytest.raises(LimaError, match=r"is a folder\. Name a file in it: -d .*lima\.db"):
        Store(tmp_path)
    with pytest.raises(LimaError, match="Cannot use the database"):
        Store(tmp_path / "notes.txt" / "l.db")


def test_a_read_only_file_is_said_in_a_sentence(tmp_path):
    with Store(tmp_path / "l.db") as store:
        store.db.execute("pragma journal_mode = delete")
    store = Store(tmp_path / "l.db")
    # Root may write anything, so the connection itself is made read-only.
    store.db.execute("pragma query_only = on")
    sentence = r"readonly database\. The file or its folder is read-only: make it writable"
    with pytest.raises(LimaError, match=sentence), store.write() as db:
        db.table("runs").insert({"id": "x", "recipe": "{}", "environment": "{}"})


def test_a_full_disk_is_said_in_a_sentence_and_what_was_there_stays(tmp_path):
    with Store(tmp_path / "l.db") as store:
        with store.write() as db:
            db.table("runs").insert({"id": "first", "recipe": "{}", "environment": "{}"})
        pages = store.rows("pragma page_count")[0]["page_count"]
        store.db.execute(f"pragma max_page_count = {pages}")
        rows = [{"id": f"r{i}", "recipe": "x" * 5000, "environment": "{}"} for i in range(50)]
        with pytest.raises(LimaError, match=r"disk is full\. The disk is full: free some space"), store.write() as db:
            db.table("runs").insert_all(rows)
        assert [r["id"] for r in store.rows("select id from runs")] == ["first"]


def test_a_run_is_found_by_the_start_of_its_id(tmp_path):
    with Store(tmp_path / "l.db") as store:
        with store.write() as db:
            db.table("runs").insert_all(
                {"id": i, "created": i, "recipe": "{}", "environment": "{}"} for i in ("ab1", "ab2", "c")
            )
        assert store.run("c")["id"] == "c"
        with pytest.raises(LimaError, match="'ab' is the start of 2 runs: ab1, ab2"):
            store.run("ab")
        with pytest.raises(LimaError, match=r"No run 'ab3'.*Did you mean 'ab2'\?"):
            store.run("ab3")


def test_the_default_database_is_in_the_users_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LIMA_USER_PATH", str(tmp_path / "mine"))
    assert default_path() == tmp_path / "mine" / "lima.db"


@pytest.mark.slow
@pytest.mark.skipif(
    not shutil.which("unshare") or subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode != 0,
    reason="needs a mount namespace for a disk of its own",
)
def test_a_really_full_disk_ends_training_with_a_sentence_and_nothing_half_written(base, pairs, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    train = f"{sys.executable} -m lima train --base {base} --source {pairs} --out {disk}/out -d {tmp_path}/l.db --set epochs=1"
    script = f"mount -t tmpfs -o size=64k tmpfs {disk} && {train}; echo status $?; ls -A {disk}"
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script],
        env=os.environ | {"LIMA_LOAD_PLUGINS": ""},
        capture_output=True,
        text=True,
        timeout=60,
    )
    # The folder of its states says which run may be resumed into this place.
    assert re.fullmatch(r"status 1\n\.out-[\w-]+\n", done.stdout)
    assert "Error: Cannot save the model to" in done.stderr
    assert "Traceback" not in done.stderr
    rows = sqlite3.connect(tmp_path / "l.db").execute("select status from runs").fetchall()
    assert rows == [("failed",)]


def test_what_may_only_be_read_is_read(tmp_path, monkeypatch):
    """A colleague's results: nothing is written, not even beside them"""
    folder = tmp_path / "theirs"
    with Store(folder / "l.db") as store, store.write() as db:
        db.table("runs").insert({"id": "one", "status": "done"})
    before = (folder / "l.db").read_bytes()
    monkeypatch.setattr("lima.record.store.may", lambda path, mode: False)  # root may write whatever the mode says
    with Store(folder / "l.db") as store:
        assert store.rows("select id, status from run_summary") == [{"id": "one", "status": "done"}]
        with pytest.raises(LimaError, match="read-only: make it writable, or choose another"), store.write() as db:
            db.table("runs").insert({"id": "two"})
    assert (folder / "l.db").read_bytes() == before

    monkeypatch.undo()
    with sqlite3.connect(folder / "l.db") as db:
        db.execute("drop table choices")
        db.execute("delete from _sqlite_migrations where name = 'm002_replies'")
    monkeypatch.setattr("lima.record.store.may", lambda path, mode: False)
    with pytest.raises(LimaError, match="older lima.*Copy it to where you can write"):
        Store(folder / "l.db")


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # from Python 3.12 on, where a process has threads
@pytest.mark.skipif(not hasattr(os, "fork") or os.getuid() != 0, reason="only root can become somebody else")
def test_and_it_is_read_where_nothing_can_be_made_beside_it(tmp_path):
    folder = Path(tempfile.mkdtemp())  # pytest's own are closed to others
    with Store(folder / "l.db") as store, store.write() as db:
        db.table("runs").insert({"id": "one", "status": "done"})
    (folder / "l.db").chmod(0o444)
    folder.chmod(0o555)
    plugins, (read, write) = load_plugins(), os.pipe()
    if not (child := os.fork()):
        os.setuid(65534)
        try:
            with Store(folder / "l.db", plugins) as store:
                os.write(write, json.dumps(store.rows("select id, status from run_summary")).encode())
        except BaseException as e:
            os.write(write, repr(e).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert json.loads(os.read(read, 10_000)) == [{"id": "one", "status": "done"}]
    assert os.listdir(folder) == ["l.db"]
    shutil.rmtree(folder)


def test_runs_and_checkpoints_are_asked_for_by_their_columns(store):
    with store.write() as db:
        for id, day, folder in (("b", 2, "x"), ("a", 1, "x"), ("c", 3, "y")):
            db.table("runs").insert({"id": id, "created": f"2026-01-0{day}", "folder": folder, "recipe": "{}"})
            row = {"run": id, "folder": f"{folder}/epoch", "created": f"2026-01-1{9 - day}", "epoch": day}
            db.table("checkpoints").insert(row)
    assert [r["id"] for r in store.runs()] == ["a", "b", "c"]
    assert [r["id"] for r in store.runs(folder="x", finished=None)] == ["a", "b"]
    assert store.runs(folder="x", id="c") == []
    assert [(r["run"], r["epoch"]) for r in store.checkpoints()] == [("c", 3), ("b", 2), ("a", 1)]
    assert [r["run"] for r in store.checkpoints(folder="x/epoch")] == ["b", "a"]
    assert store.checkpoints(run="a", folder="y/epoch") == []


@pytest.mark.parametrize("id", ["", "../../etc/x", "x; touch it", "-d", "a\nb", "a/b", "$(x)"])
def test_an_id_that_lima_does_not_give_becomes_no_path_and_no_command(store, id):
    with store.write() as db:
        db["runs"].insert({"id": id, "status": "failed", "recipe": "{}", "environment": "{}"})
    for name in (id, id[:1]):
        with pytest.raises(LimaError, match=r"is damaged: .* cannot be the id of a run\. Restore a copy|No run ''"):
            store.run(name)


def test_a_command_names_any_database_but_the_default_one(tmp_path, monkeypatch):
    monkeypatch.setenv("LIMA_USER_PATH", str(tmp_path))
    assert command_on(tmp_path / "lima.db", "runs", "show", "a b") == "lima runs show 'a b'"
    assert command_on(Path("my file.db"), "runs") == "lima runs -d 'my file.db'"
