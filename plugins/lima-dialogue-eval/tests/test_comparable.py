"""Which runs may be compared or pooled: versions of graders and evaluations, models, sampling, seeds, and chosen verdicts."""

import json

import pytest
from click.testing import CliRunner

from lima.errors import LimaError
from lima_dialogue_eval import compare
from lima_dialogue_eval.cli.dialogues import dialogues
from lima_dialogue_eval.record.log import DialogueLog
from lima_dialogue_eval.report.figures import grader_line

ONE, OTHER = {"grader_hash": "1" * 64}, {"grader_hash": "2" * 64}


def verdicts(store, id, grader, grades, hash):
    """Later verdicts of a grader on the turns of conversation a, seed 0"""
    rows = [{"conversation": "a", "seed": 0, "turn": n, "grader": grader, "grade": g} for n, g in enumerate(grades, 1)]
    DialogueLog(store, id).grades({**row, "reason": "", "status": "graded", "grader_hash": hash} for row in rows)


def test_grades_of_two_versions_of_a_grader_are_not_compared(store, by_hand):
    one, two, early = by_hand({"a": {0: "FP"}}, **ONE), by_hand({"a": {0: "FP"}}, **OTHER), by_hand({"a": {0: "FP"}})
    with pytest.raises(LimaError) as e:
        compare(store, one, two)
    assert str(e.value) == (
        "The grader 'requirements' graded dialogue run run-1 and dialogue run run-2 in two versions (sha256 11111111, sha256 "
        "22222222), whose grades are not compared. Let the present one grade: lima dialogues regrade run-1 run-2 --grader "
        "requirements"
    )
    with pytest.raises(LimaError, match=r"in two versions \(an earlier version, sha256 11111111\)"):
        compare(store, early, one)
    # What the advice does: the later verdicts count.
    verdicts(store, one, "requirements", ["pass", "pass"], "2" * 64)
    verdicts(store, early, "requirements", ["fail", "fail"], "2" * 64)
    assert (compare(store, one, two).grader_hash, compare(store, early, one).difference) == ("2" * 64, 1.0)


def test_a_run_that_was_graded_again_in_part_has_two_versions(store, by_hand):
    one, two = by_hand({"a": {0: "FP"}}, **ONE), by_hand({"a": {0: "FP"}}, **ONE)
    verdicts(store, one, "requirements", ["pass"], "2" * 64)
    with pytest.raises(LimaError, match="requirements' graded dialogue run run-1 in two versions"):
        compare(store, one, two)


def test_earlier_versions_are_compared_with_each_other_and_labelled(store, by_hand):
    c = compare(store, by_hand({"a": {0: "F"}}), by_hand({"a": {0: "P"}}))
    assert (c.grader_hash, c.as_dict()["grader_hash"]) == (None, None)
    assert grader_line(c) == (
        "requirements (an earlier version). requirements of an earlier version, of which no audit is known: lima graders audit "
        "requirements small audits today's. Floor not measured: lima graders audit requirements small"
    )


def test_another_graders_verdicts_are_chosen_by_name(store, by_hand):
    one, two = by_hand({"a": {0: "FP"}}, **ONE), by_hand({"a": {0: "FP"}}, **ONE)
    for id, grade in ((one, "pass"), (two, "excellent")):
        verdicts(store, id, "judge:big", [grade, grade], "3" * 64)
    assert compare(store, one, two).difference == 0
    c = compare(store, one, two, grader="judge:big")
    assert (c.grader, c.grader_hash, c.difference) == ("judge:big", "3" * 64, 1.0)
    shown = CliRunner().invoke(
        dialogues, ["compare", one, two, "--grader", "judge:big", "--json", "-d", str(store.path)]
    )
    assert json.loads(shown.stdout)["difference"] == 1.0
    with pytest.raises(LimaError) as e:
        compare(store, one, two, grader="judge small")
    assert str(e.value) == (
        "Dialogue run run-1 has no verdict of the grader 'judge small'. Let it grade: lima dialogues regrade run-1 run-2 "
        "--grader 'judge small'"
    )


def test_runs_of_two_graders_are_compared_by_one_of_them(store, by_hand):
    one, two = by_hand({"a": {0: "F"}}, **ONE), by_hand({"a": {0: "P"}}, grader="judge", **OTHER)
    with pytest.raises(LimaError) as e:
        compare(store, one, two)
    assert str(e.value).endswith(
        "only runs of the same can be compared. Let one grade both: `lima dialogues regrade run-2 --grader requirements`, then "
        "compare with `--grader requirements`."
    )
    verdicts(store, two, "requirements", ["excellent"], "1" * 64)
    assert compare(store, one, two, grader="requirements").difference == 2.0


def test_an_evaluation_that_declares_otherwise_is_another_one(store, by_hand):
    one, two = (by_hand({"a": {0: "F"}}, checks_decide=decide) for decide in (0, 1))
    with pytest.raises(LimaError, match="The evaluation 'small' changed between dialogue runs run-1 and run-2"):
        compare(store, one, two)
    assert compare(store, by_hand({"a": {0: "F"}}), one).grader_hash is None


@pytest.mark.parametrize(
    ("first", "second", "sentence"),
    [
        (
            {0: "F"},
            {0: "F"},
            "Dialogue runs run-1 and run-2 are pooled on one side, but both have the seed 0: the same replies would count twice. "
            "Leave one out, or pool them all the same with --pool-anyway.",
        ),
        (
            {0: "F", "model": "/one", "model_hash": "a" * 64},
            {1: "F", "model": "/one", "model_hash": "b" * 64},
            "Dialogue runs run-1 and run-2 are pooled on one side, but of different models (/one, sha256 aaaaaaaa, /one, sha256 "
            "bbbbbbbb): compare them as arms of their own, or pool them all the same with --pool-anyway.",
        ),
        (
            {0: "F", "model": "/one", "model_hash": "a" * 64},
            {1: "F", "model": "/two"},
            "Dialogue runs run-1 and run-2 are pooled on one side, but of different models (/one, /two): compare them as arms of "
            "their own, or pool them all the same with --pool-anyway.",
        ),
        (
            {0: "F"},
            {1: "F", "sampling": '{"temperature": 1.0, "top_p": 0.9}'},
            "Dialogue runs run-1 and run-2 are pooled on one side, but of different sampling (temperature, top_p): compare them "
            "as arms of their own, or pool them all the same with --pool-anyway.",
        ),
    ],
)
def test_what_is_not_pooled_unless_told(store, by_hand, first, second, sentence):
    names = [
        by_hand(
            {"a": {k: v for k, v in one.items() if k in (0, 1)}}, **{k: v for k, v in one.items() if k not in (0, 1)}
        )
        for one in (first, second)
    ]
    other = by_hand({"a": {0: "P", 1: "P"}})
    for arms in ((names, other), (other, names)):
        with pytest.raises(LimaError) as e:
            compare(store, *arms)
        assert str(e.value) == sentence
    assert compare(store, names, other, pool_anyway=True).difference == 1.0
    command = ["compare", ",".join(names), other, "-d", str(store.path)]
    assert isinstance(CliRunner().invoke(dialogues, command).exception, LimaError)
    assert CliRunner().invoke(dialogues, [*command, "--pool-anyway"]).exit_code == 0


def test_the_same_weights_in_two_places_are_one_model(store, by_hand):
    names = [by_hand({"a": {s: "F"}}, model=f"/{s}", model_hash="a" * 64) for s in (0, 1)]
    other = by_hand({"a": {0: "P", 1: "P"}}, model_hash="a" * 64)
    c = compare(store, names, other)
    assert (c.before.seeds, c.notes[0]) == ((0, 1), "Both arms were answered by the same weights.")


def test_templates_and_code_that_differ_are_notes(store, by_hand):
    plugins = [json.dumps([{"plugin": "lima-x", "version": "1", "hash": hash}]) for hash in ("a", "b")]
    one = by_hand({"a": {0: "F"}}, template_hash="a" * 64, plugins=plugins[0])
    two = by_hand({"a": {0: "F"}}, template_hash="b" * 64, plugins=plugins[1])
    assert compare(store, one, two).notes[:2] == (
        "The arms differ in template: sha256 aaaaaaaa before, sha256 bbbbbbbb after.",
        "The runs used different versions of lima-x.",
    )


def test_a_conversation_that_one_arm_did_not_hold_leaves_both(store, by_hand):
    c = compare(store, by_hand({"a": {0: "F"}, "b": {0: "F"}}), by_hand({"a": {0: "P"}, "c": {0: "PP"}}))
    assert c.left_out == (
        {"conversation": "c", "arm": "before", "reason": "its runs did not hold it"},
        {"conversation": "b", "arm": "after", "reason": "its runs did not hold it"},
    )
    assert [change.conversation for change in c.changes] == ["a"]
