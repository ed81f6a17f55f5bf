"""An evaluation whose process is killed leaves whole turns, and is resumed."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from lima.errors import LimaError
from lima.record.store import Store
from lima_dialogue_eval import resume_evaluation
from lima_dialogue_eval.log import find_run, replies

SLOW = """
import importlib.util, sys, time
spec = importlib.util.spec_from_file_location("fixtures", sys.argv[1])
fixtures = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fixtures)
import lima_dialogue_eval
from lima.contract.answers import Sampling
from lima.record.store import Store
from lima.testing import only_plugins

class Slow(fixtures.Parrot):
    def reply(self, prompts, *rest):
        if len(self.calls) == 2:
            print("third turn", flush=True)
            time.sleep(60)
        return super().reply(prompts, *rest)

with only_plugins(lima_dialogue_eval=lima_dialogue_eval, evaluations=fixtures.Evaluations()), Store(sys.argv[2]) as store:
    lima_dialogue_eval.run_evaluation(store, "small", Slow(), arm="a", seeds=[0, 1], sampling=Sampling())
"""


def test_kill_9_leaves_an_open_database_with_whole_turns(plugins, tmp_path, Model):
    file = tmp_path / "killed.db"
    arguments = [sys.executable, "-c", SLOW, str(Path(__file__).with_name("conftest.py")), str(file)]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "third turn\n"
    with Store(file) as store:
        id = store.rows("select id from dialogue_runs")[0]["id"]
        with pytest.raises(LimaError) as e:
            resume_evaluation(store, id, Model())
    assert (
        str(e.value) == f"Another process is answering or grading dialogue run {id} right now. Wait for it, or stop it."
    )
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    with sqlite3.connect(file) as db:
        assert db.execute("pragma integrity_check").fetchone() == ("ok",)
    db.close()
    with Store(file) as store:
        run = store.rows("select id, status from dialogue_runs")[0]
        assert run["status"] == "running"
        kept = replies(store, run["id"], "requirements")
        assert sorted((r["conversation"], r["seed"], r["turn"]) for r in kept) == [
            (c, s, t) for c in ("bus", "tea") for s in (0, 1) for t in (1, 2)
        ]
        assert all(r["reply"] and r["grade"] for r in kept)
        model = Model()
        resume_evaluation(store, run["id"], model)
        assert model.calls == [2]
        assert find_run(store, run["id"])["status"] == "done"
        assert list(tmp_path.glob(".*.lock")) == []
        assert store.rows("select turns, excellent, pass, fail, undecided from dialogue_grades_by_run") == [
            {"turns": 10, "excellent": 2, "pass": 0, "fail": 6, "undecided": 2}
        ]
