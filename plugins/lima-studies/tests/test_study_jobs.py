"""Jobs in processes side by side: killed in any place and continued, interrupted, and what of earlier versions is still there."""

import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from sqlite3 import IntegrityError, connect

import jobs_in_small
import pytest
from grid_in_small import pairs, rows

from lima import LimaError, Store
from lima.testing import tiny_base
from lima_studies import Arm, Grid, GridRun, Holding, Job, Ledger, Study, System

PROGRAM = Path(jobs_in_small.__file__)
PATIENCE = 240
"Seconds after which a test that waits has failed"


def query(database, sql):
    with closing(connect(database, timeout=10)) as db:
        return db.execute(sql).fetchall()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder with the base and the data"""
    folder = tmp_path_factory.mktemp("data")
    tiny_base(folder / "tiny")
    pairs(folder / "short.jsonl", 2)
    pairs(folder / "long.jsonl", 6)
    for name in ("talks", "last"):
        turns = ({"question_id": n, "category": "c", "turns": ["Why?", "And?"]} for n in range(2))
        rows(folder / f"{name}.jsonl", *turns)
    return folder


def place(data, folder):
    """A folder of its own for a study, with the same data"""
    folder.mkdir()
    for path in data.iterdir():
        (folder / path.name).symlink_to(path)
    return folder


def start(folder):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), str(folder)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
    )  # fmt: skip


def recorded(folder):
    """How many rows the study has"""
    database = folder / "l.db"
    begun = database.exists() and query(database, "select 1 from sqlite_master where name = 'study_jobs'")
    return len(query(database, "select 1 from study_jobs")) if begun else 0


def begun(folder, more):
    """The program, once it has recorded so much more"""
    before, process, deadline = recorded(folder), start(folder), time.monotonic() + PATIENCE
    while recorded(folder) < before + more:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return process


def workers_of(process):
    command = ["ps", "-ww", "-o", "pid=", "-o", "args=", "--ppid", str(process.pid)]
    listed = subprocess.run(command, capture_output=True, text=True, timeout=30).stdout
    return [int(line.split()[0]) for line in listed.splitlines() if "spawn_main" in line]


def gone(pids):
    """Wait until none of these processes is there"""
    deadline = time.monotonic() + PATIENCE
    while any(
        Path(f"/proc/{pid}").exists() and "zombie" not in Path(f"/proc/{pid}/status").read_text() for pid in pids
    ):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def results(folder):
    """What the study says, without ids and times: the numbers, and the hash of each finished model"""
    models = sorted((folder / "g-models").glob("**/model.safetensors"))
    weights = {str(m.relative_to(folder)): hashlib.sha256(m.read_bytes()).hexdigest() for m in models}
    found = query(folder / "l.db", "select arm, seed, evaluation, epoch, value from study_jobs order by 1, 2, 3, 4")
    replied = query(
        folder / "l.db",
        "select jobs.arm, jobs.seed, jobs.epoch, r.conversation, r.turn, r.reply from study_jobs jobs "
        "join dialogue_replies r on r.dialogue_run = jobs.dialogue_run order by 1, 2, 3, 4, 5",
    )
    return weights, [(arm, seed, name.rpartition("/")[2], *rest) for arm, seed, name, *rest in found], replied


@pytest.mark.slow
def test_killed_in_parent_and_worker_and_interrupted_it_ends_in_the_same_bits_and_repeats_nothing(data, tmp_path):
    whole, broken = place(data, tmp_path / "whole"), place(data, tmp_path / "broken")
    process = start(whole)
    out, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (0, "")
    assert {line.split()[0] for line in out.splitlines()} == {
        "begun", "training", "trained", "holding", "held", "finished",
    }  # fmt: skip

    process = begun(broken, 1)
    workers = workers_of(process)
    assert len(workers) == 2
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=PATIENCE)
    gone(workers)  # though nobody has ended them

    process = begun(broken, 2)
    os.kill(workers_of(process)[0], signal.SIGKILL)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "ended with code -9. Its last output is in" in errors
    assert "g-models/workers.log" in errors

    process = begun(broken, 1)
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C in a terminal does
    process.communicate(timeout=PATIENCE)
    assert query(broken / "l.db", "select status from studies") == [("interrupted",)]
    said = (broken / "g-models" / "workers.log").read_text()
    assert not re.search("Traceback|Interrupt|wanted to end", said), said
    assert query(broken / "l.db", "select count(*) from runs where status = 'running'") == [(0,)]

    process = start(broken)
    _, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (0, "")
    assert results(broken) == results(whole)
    jobs = "select count(*), count(distinct folder) from runs where status = 'done'"
    assert query(broken / "l.db", jobs) == [(4, 4)]
    assert query(broken / "l.db", "select count(*) from runs") == [(4,)]
    assert query(broken / "l.db", "select status, count(*) from dialogue_runs group by 1") == [("done", 7)]
    before = query(broken / "l.db", "select * from study_jobs")
    assert "weight of" in (broken / "g-models" / "workers.log").read_text()
    out, _ = start(broken).communicate(timeout=PATIENCE)
    assert [line.split()[0] for line in out.splitlines()] == ["begun"]
    assert query(broken / "l.db", "select * from study_jobs") == before


@pytest.mark.slow
def test_an_evaluation_from_a_file_continues_where_it_was_stopped(data, tmp_path):
    folder, seen = place(data, tmp_path / "here"), []

    def until_asked(event):
        seen.append(event.what)
        if event.what == "holding":
            raise KeyboardInterrupt

    with Store(folder / "l.db") as store:
        with pytest.raises(KeyboardInterrupt):
            jobs_in_small.begun(store, folder).run(until_asked)
        stopped = store.rows("select id, status from dialogue_runs")
        assert [row["status"] for row in stopped] == ["interrupted"]
        jobs_in_small.begun(store, folder).run(lambda event: None)
        ended = store.rows("select id, status from dialogue_runs order by created")
    assert ended[0] == {"id": stopped[0]["id"], "status": "done"}
    assert [row["status"] for row in ended] == ["done"] * 7
    assert seen[:2] == ["begun", "training"]


def small(store, *arms, **more):
    """A grid with its study that nobody runs"""
    made = Grid("small", {"base": "x", "sources": ["x"]}, arms, **more)
    return GridRun(Study.begin(store, "small", {}, (), [System("a", "job")], "g", wider=True), made)


def test_arms_have_seeds_and_holdings_of_their_own_and_a_job_has_its_own_conversations(tmp_path):
    arms = (
        Arm("a", "", seconds=1.0),
        Arm("b", "", seeds=3, held=("y",), seconds=9.0),
        Arm("c", "", model="m", held=()),
    )
    made = Grid("g", {"base": "x", "sources": ["x"]}, arms, holdings=(Holding("x", "e", 5, seed=7), Holding("y", "f")))
    made.check()
    assert [(job.arm.name, job.seed) for job in made.jobs()] == [
        ("a", 0),
        ("a", 1),
        ("b", 0),
        ("b", 1),
        ("b", 2),
        ("c", 0),
    ]
    assert [[one.evaluation for one in made.held(arm)] for arm in arms] == [["e", "f"], ["f"], []]
    assert made.holdings[0].seeds(Job(arms[0], 2)) == [17, 18, 19, 20, 21]
    # What is as in any grid is not among the settings, so that a study of an earlier version is found again.
    assert not {"seeds", "held", "seconds"} & arms[0].settings().keys()
    assert arms[1].settings().items() >= {"seeds": 3, "held": ("y",)}.items()
    for wrong, said in (
        ({"arms": (Arm("a", "", held=("talk",)),)}, "The arm 'a' is held against 'talk'.*Did you mean 'talks'"),
        ({"holdings": (Holding("talks", "e"), Holding("talks", "f"))}, "Two holdings of the grid are called 'talks'"),
        ({"holdings": (Holding("talks", "e"), Holding("more", "e"))}, "The arm 'a' is held against 'e' twice"),
        (
            {"holdings": (Holding("talks", "e", every_epoch=True),)},
            "every epoch, and keeps none. Add keep_epochs = true",
        ),
    ):
        whole = {"arms": (Arm("a", ""),), "holdings": (Holding("talks", "e"),), **wrong}
        with pytest.raises(LimaError, match=said):
            Grid("g", {"base": "x", "sources": ["x"]}, **whole).check()


def test_of_what_is_recorded_the_newest_counts_and_nothing_is_changed(tmp_path):
    with Store(tmp_path / "l.db") as store:
        small(store, Arm("a", ""))
        ledger = Ledger(store, "g")
        for run in ("r1", "r1", "r2"):
            ledger.note("a", 0, run=run)
        ledger.note("a", 0, "e", 2, "r2", value=0.5)
        assert [row["run"] for row in store.rows("select run from study_jobs")] == ["r1", "r2", "r2"]
        assert {key: row["run"] for key, row in ledger.noted("a", 0).items()} == {("", 0): "r2", ("e", 2): "r2"}
        assert ledger.noted("a", 1) == {}
        with pytest.raises(IntegrityError, match="append-only"), store.write() as db:
            db.execute("delete from study_jobs")


def test_a_study_whose_database_was_moved_says_so_in_place_of_training_again(tmp_path):
    with Store(tmp_path / "l.db") as store:
        run = small(store, Arm("a", ""))
        with store.write() as db:
            db["runs"].insert({"id": "r", "folder": "/elsewhere/g-models/a-seed0", "status": "done", "created": "2026"})
        Ledger(store, "g").note("a", 0, run="r")
        with pytest.raises(
            LimaError, match="Study g was begun in /elsewhere/g-models, which does not lie beside the database"
        ):
            run.run(lambda event: None)


def test_more_arms_join_a_study_only_where_that_is_asked_for(tmp_path):
    with Store(tmp_path / "l.db") as store:
        systems = [System("a", "job"), System("b", "job")]
        Study.begin(store, "small", {"arms": 1}, (), systems[:1], "g")
        with pytest.raises(LimaError, match="Study g was begun with other arms, systems"):
            Study.begin(store, "small", {"arms": 2}, (), systems, "g")
        study = Study.begin(store, "small", {"arms": 2}, (), systems, "g", wider=True)
        assert study.systems() == systems
        assert study.row["settings"]["arms"] == 2
        assert Study.begin(store, "small", {"arms": 2}, (), systems, "g").id == "g"
        with pytest.raises(LimaError, match="Study g is a small study"):
            Study.begin(store, "ablate", {"arms": 2}, (), systems, "g", wider=True)


def test_what_an_earlier_version_recorded_of_jobs_is_kept(tmp_path):
    with Store(tmp_path / "l.db") as store:
        small(store, Arm("a", ""))
    with connect(tmp_path / "l.db") as db:
        db.executescript(
            """drop table study_jobs;
            delete from _sqlite_migrations where name = 'g002_arms_seeds_and_epochs';
            create table study_jobs (study text, system text, evaluation text, run text, dialogue_run text, created text,
              primary key (study, system, evaluation));
            insert into study_jobs values ('g', 'a, seed 1', '', 'r', '', '2026'), ('g', 'base', 'e', '', 'd', '2026');"""
        )
    with Store(tmp_path / "l.db") as store:
        found = [tuple(row.values())[2:] for row in Ledger(store, "g").results()]
    assert found == [("a", 1, "", 0, "r", None, None, "2026"), ("base", 0, "e", 0, None, "d", None, "2026")]
