"""An evaluation whose process is killed leaves what was there: replies, and verdicts; it is resumed with the rest."""

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from lima import LimaError, Sampling, Store, Verdict
from lima_dialogue_eval import resume_evaluation, run_evaluation
from lima_dialogue_eval.conversation.grade import Requirements
from lima_dialogue_eval.record.log import find_run, replies, summary
from lima_dialogue_eval.run.regrade import regrade

START = """
import importlib.util, sys, time
spec = importlib.util.spec_from_file_location("fixtures", sys.argv[1])
fixtures = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fixtures)
import lima_dialogue_eval
from lima import Reply, Sampling, Store, Verdict
from lima.testing import only_plugins
from lima_dialogue_eval.conversation.grade import Requirements
from lima_dialogue_eval.run.regrade import regrade

def wait(what):
    print(what, file=sys.__stdout__, flush=True)  # what a plugin prints goes to standard error
    time.sleep(60)

"""
END = """
with only_plugins(lima_dialogue_eval=lima_dialogue_eval, evaluations=fixtures.Evaluations()), Store(sys.argv[2]) as store:
    id = lima_dialogue_eval.run_evaluation(store, "small", MODEL(), arm="a", seeds=[0, 1], sampling=Sampling())
"""
SLOW = """
class MODEL(fixtures.Parrot):
    def reply(self, prompts, *rest):
        if len(self.calls) == 2:
            wait("third turn")
        return super().reply(prompts, *rest)
"""
HALF = """
class MODEL(fixtures.Parrot):
    def reply(self, prompts, settings, seed, on_progress=None, on_reply=None):
        found = super().reply(prompts, settings, seed)
        for place, one in enumerate(found):
            if len(self.calls) == 2 and place == 3:
                wait("three of four in the second turn")
            on_reply(place, one)
        return found
"""
GRADING = """
MODEL, grade = fixtures.Parrot, Requirements.grade

def grade_slowly(self, turn):
    if turn.index:
        wait("grading the second turn")
    return grade(self, turn)

Requirements.grade = grade_slowly
"""
AGAIN = """
    class Slow(Requirements):
        def identity(self):
            return "slow"

        def grade_all(self, turns, on_verdict):
            for place, turn in enumerate(turns):
                if place == 7:
                    wait("the eighth verdict of another grader")
                on_verdict(place, Verdict("pass", "p"))

    from lima import load_plugins
    graders = load_plugins().registry("graders")
    graders["slow"], graders.owners["slow"] = Slow(), "test"
    regrade(store, [id], "slow")
"""


@pytest.fixture
def killed(tmp_path):
    """Runs code until it says that it waits, and kills it; the file of its database"""

    def kill(code, said, before=lambda file: None):
        file = tmp_path / "killed.db"
        arguments = [sys.executable, "-c", code, str(Path(__file__).with_name("conftest.py")), str(file)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline() == f"{said}\n"
            before(file)
            os.kill(process.pid, signal.SIGKILL)
        with closing(sqlite3.connect(file)) as db:
            assert db.execute("pragma integrity_check").fetchone() == ("ok",)
        return file

    return kill


@pytest.mark.slow
def test_kill_9_leaves_an_open_database_with_whole_turns(plugins, killed, tmp_path, Model):
    def while_it_runs(file):
        with Store(file) as store:
            id = store.rows("select id from dialogue_runs")[0]["id"]
            with pytest.raises(LimaError) as e:
                resume_evaluation(store, id, Model())
        assert str(e.value) == (
            f"Another process is answering or grading dialogue run {id} right now. Wait for it, or stop it."
        )

    with Store(killed(START + SLOW + END, "third turn", while_it_runs)) as store:
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


def test_of_a_batch_that_is_killed_half_way_only_what_had_not_come_is_asked(plugins, killed, Model):
    with Store(killed(START + HALF + END, "three of four in the second turn")) as store:
        id = store.rows("select id from dialogue_runs")[0]["id"]
        assert [r["turn"] for r in replies(store, id, "requirements")].count(2) == 3
        model = Model()
        resume_evaluation(store, id, model)
        assert sum(model.calls) == 3  # one second turn, and the third of the two longer conversations
        assert (summary(store, id)["turns"], summary(store, id)["errors"]) == (10, 0)
        whole = run_evaluation(store, "small", Model(), arm="b", seeds=[0, 1], sampling=Sampling())
        assert [(r["reply"], r["grade"]) for r in replies(store, id, "requirements")] == [
            (r["reply"], r["grade"]) for r in replies(store, whole, "requirements")
        ]


@pytest.mark.slow
def test_replies_that_were_there_before_their_grades_are_graded_and_not_asked_again(plugins, killed, Model):
    with Store(killed(START + GRADING + END, "grading the second turn")) as store:
        id = store.rows("select id from dialogue_runs")[0]["id"]
        kept = replies(store, id, "requirements")
        assert [(r["turn"], r["grade_status"]) for r in kept] == [(1, "graded"), (2, "not graded")] * 4
        model = Model()
        resume_evaluation(store, id, model)
        assert model.calls == [2]
        assert len(store.rows("select * from dialogue_grades")) == 10


@pytest.mark.slow
def test_what_a_killed_regrade_has_graded_is_not_graded_again(plugins, killed):
    class Slow(Requirements):
        def identity(self):
            return "slow"

        def grade(self, turn):
            asked.append(turn)
            return Verdict("fail", "f")

    asked = []
    with Store(
        killed(START + SLOW.replace("== 2", "== 9") + END + AGAIN, "the eighth verdict of another grader")
    ) as store:
        id = store.rows("select id from dialogue_runs")[0]["id"]
        graders = plugins.registry("graders")
        graders["slow"], graders.owners["slow"] = Slow(), "test"
        rows = regrade(store, [id], "slow")
        assert (len(asked), rows[0]["pass"], rows[0]["fail"]) == (3, 7, 3)
