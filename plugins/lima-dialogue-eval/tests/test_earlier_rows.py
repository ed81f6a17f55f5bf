"""A database of an earlier version, written by it and stored as SQL: it migrates, and its rows are read as what they were."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

import lima_dialogue_eval
from lima import LimaError, Sampling, Store
from lima.testing import only_plugins
from lima_dialogue_eval import compare, resume_evaluation, run_evaluation
from lima_dialogue_eval.cli.dialogues import dialogues
from lima_dialogue_eval.record.log import find_run, graders_of, replies, summary
from lima_dialogue_eval.run.regrade import regrade


@pytest.fixture
def earlier(tmp_path, Evaluations):
    """The store, with the runs of the arms before, after, and broken, which has an error"""
    with closing(sqlite3.connect(tmp_path / "l.db")) as db:
        db.executescript(Path(__file__).with_name("earlier.sql").read_text(encoding="utf-8"))
    with (
        only_plugins(lima_dialogue_eval=lima_dialogue_eval, evaluations=Evaluations()),
        Store(tmp_path / "l.db") as store,
    ):
        yield store


def test_grades_of_an_earlier_version_are_read_without_a_hash(earlier):
    run = find_run(earlier, "before")
    assert {run[key] for key in ("grader_hash", "model_hash", "template_hash", "checks_decide")} == {None}
    rows = replies(earlier, run["id"], "requirements")
    assert [(r["grade"], r["grade_status"], r["grader_hash"], r["ticks"]) for r in rows] == [
        *[("fail", "graded", None, [])] * 2,
        *[("excellent", "graded", None, [])] * 2,
        (None, "undecided", None, []),
    ]
    assert rows[-1]["reason"] == "Left to a person: is kind."
    counts = {"turns": 5, "excellent": 2, "pass": 0, "fail": 2, "undecided": 1, "not_reached": 0, "errors": 0, "cut": 0}
    assert {key: summary(earlier, run["id"])[key] for key in counts} == counts
    statuses = [r["grade_status"] for r in earlier.rows("select * from dialogue_replies where arm = 'before'")]
    assert (len(statuses), statuses.count("undecided")) == (5, 1)
    assert compare(earlier, "before", "after").tied == 1
    listed = CliRunner().invoke(dialogues, ["--json", "-d", str(earlier.path)])
    assert [row["errors"] for row in json.loads(listed.stdout)] == [0, 0, 1]


def test_grades_of_an_earlier_version_and_new_ones_are_never_counted_together(earlier, Model):
    run = find_run(earlier, "before")
    before = earlier.rows("select * from dialogue_grades_by_turn")
    regrade(earlier, ["before"], "requirements")
    assert [k["grader_hash"] is None for k in graders_of(earlier, run["id"])] == [True, False]
    assert earlier.rows("select * from dialogue_grades_by_turn") == before
    new = graders_of(earlier, run["id"])[-1]["grader_hash"]
    assert {r["grader_hash"] for r in replies(earlier, run["id"], "requirements", new)} == {new}
    assert {r["grader_hash"] for r in replies(earlier, run["id"], "requirements")} == {None}


def test_a_finished_run_of_an_earlier_version_is_complete(earlier, Model):
    with pytest.raises(LimaError, match="is complete: there is nothing to resume"):
        resume_evaluation(earlier, "before", Model())


def test_one_that_is_resumed_is_graded_as_a_whole_by_the_grader_of_now(earlier, Model):
    run, model = find_run(earlier, "broken"), Model()
    resume_evaluation(earlier, run["id"], model)
    assert model.calls == [1]
    resumed = find_run(earlier, run["id"])
    fresh = find_run(earlier, run_evaluation(earlier, "small", Model(), arm="", seeds=[0], sampling=Sampling()))
    for key in ("grader_hash", "model_hash", "template_hash", "checks_decide"):
        assert resumed[key] == fresh[key]
    rows = replies(earlier, run["id"], "requirements")
    assert {r["grader_hash"] for r in rows} == {resumed["grader_hash"]}
    assert [(r["reply"], r["grade"]) for r in rows] == [
        (r["reply"], r["grade"]) for r in replies(earlier, fresh["id"], "requirements")
    ]
    assert "the grader of this version instead of an earlier one's, for all replies" in resumed["message"]
    assert resumed["environment"]["torch"].startswith("2.9.0, resumed with ")
