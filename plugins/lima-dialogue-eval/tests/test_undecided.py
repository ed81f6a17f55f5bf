"""Replies that wait for a reader: which test is on what, what may yet become of them, and what is said of it."""

import pytest

from lima.errors import LimaError
from lima_dialogue_eval import compare
from lima_dialogue_eval.comparison.outcomes import GRADE, NOT_FAILED, balanced
from lima_dialogue_eval.comparison.result import Change
from lima_dialogue_eval.record.log import DialogueLog
from lima_dialogue_eval.report.figures import bounds_line, primary_line, shown_grades, waiting_line
from lima_dialogue_eval.statistics import Tally

TEN = [f"{n:02d}" for n in range(1, 11)]
FAILS_ONLY = {"grader_hash": "a" * 64, "checks_decide": 0}


def test_a_grader_that_can_only_fail_is_tested_on_failed_or_not(store, by_hand):
    before = by_hand({c: {0: "FF-"} for c in TEN}, **FAILS_ONLY)
    after = by_hand({c: {0: "F--" if i < 8 else "FF-"} for i, c in enumerate(TEN)}, **FAILS_ONLY)
    c = compare(store, before, after)
    assert (c.outcome, c.top, c.as_dict()["test"]["on"]) == (NOT_FAILED, 1.0, "not failed")
    assert c.changes[0] == Change("01", "About 01", pytest.approx(1 / 3), pytest.approx(2 / 3))
    assert (c.better, c.tied, c.worse, c.p_value) == (8, 2, 0, 2 / 2**8)
    assert c.difference == pytest.approx(8 / 30)
    assert (c.secondary, c.waiting, waiting_line(c)) == ({}, 0, "")
    assert (c.before.tally, c.after.tally) == (Tally(0, 0, 20, 10), Tally(0, 0, 12, 18))
    line = primary_line(c)
    assert line.startswith(
        "replies not failed +26.7 percentage points [+16.6, +36.7]; the grader can only fail, so sign-flip on"
    )
    assert "mean grade" not in line + bounds_line(c)
    assert bounds_line(c) == (
        "whatever the undecided replies become: Fail 66.7–100.0 % before and 40.0–100.0 % after, difference −60.0 to +33.3"
    )
    assert shown_grades((c.before, c.after), c.outcome) == ["fail", "undecided"]


def test_an_evaluation_whose_checks_decide_is_tested_on_grades(store, by_hand):
    decides = {**FAILS_ONLY, "checks_decide": 1}
    before, after = by_hand({c: {0: "F-P"} for c in TEN}, **decides), by_hand({c: {0: "F-E"} for c in TEN}, **decides)
    c = compare(store, before, after)
    assert (c.outcome, c.difference, c.waiting) == (GRADE, 0.5, 10)


def test_the_kind_decides_whatever_the_replies_are(store, by_hand):
    """Grades of an earlier version, which could praise, do not change what the present one is tested on"""
    before, after = by_hand({"a": {0: "FP"}}, **FAILS_ONLY), by_hand({"a": {0: "EE"}}, **FAILS_ONLY)
    assert compare(store, before, after).outcome == NOT_FAILED


@pytest.mark.parametrize(
    ("before", "after", "outcome"),
    [
        ("F-", "F-", NOT_FAILED),
        ("FF", "F-", NOT_FAILED),
        ("F-", "FP", GRADE),
        ("EF", "F-", GRADE),
        ("FF", "FF", GRADE),
    ],
)
def test_where_the_kind_is_not_known_both_arms_together_decide(store, by_hand, before, after, outcome):
    """The same whichever arm comes first, which is why the test keeps its level"""
    one, two = (by_hand({"a": {0: grades}}, grader="judge", grader_hash="b" * 64) for grades in (before, after))
    assert {compare(store, *arms).outcome for arms in ((one, two), (two, one))} == {outcome}


def test_with_a_reader_turns_count_where_both_sides_are_decided(store, by_hand):
    before = by_hand({"a": {0: "F-P", 1: "PEP"}, "b": {0: "PP", 1: "--"}, "c": {0: "E", 1: "F"}})
    after = by_hand({"a": {0: "EE-", 1: "PPP"}, "b": {0: "-P", 1: "FF"}, "c": {0: "-", 1: "-"}})
    c = compare(store, before, after)
    assert c.changes == (Change("a", "About a", 1.0, 1.25), Change("b", "About b", 1.0, 1.0))
    assert c.waiting == 7
    assert waiting_line(c) == "7 turns have an undecided reply on one side and count on neither in the tests"
    # The counts and the bounds are of all conversations, also of c, which the tests leave out.
    assert (c.before.tally, c.after.tally) == (Tally(2, 5, 2, 3), Tally(2, 4, 2, 4))
    assert c.left_out == ({"conversation": "c", "arm": "both", "reason": "no turn of it has a grade on both sides"},)
    assert c.bounds["fail"].after == pytest.approx(((0 + 1 / 2 + 0) / 3, (1 / 6 + 3 / 4 + 1) / 3))


def test_the_bounds_are_what_undecided_replies_can_make(store, by_hand):
    """Every filling of the undecided replies by hand"""
    from itertools import product

    before, after = {"a": "F-", "b": "EP"}, {"a": "-E", "b": "-P"}
    c = compare(store, *(by_hand({k: {0: v} for k, v in arm.items()}) for arm in (before, after)))
    score = {"F": 0, "P": 1, "E": 2}

    def means(arm, count):
        texts = "".join(arm.values())
        for filling in product("FPE", repeat=texts.count("-")):
            letters = iter(filling)
            filled = [[next(letters) if x == "-" else x for x in text] for text in arm.values()]
            yield sum(sum(map(count, text)) / len(text) for text in filled) / len(filled)

    for name, count in (("grade", score.get), ("fail", lambda letter: letter == "F")):
        sides = [(min(found), max(found)) for found in (list(means(arm, count)) for arm in (before, after))]
        (low, high), (after_low, after_high) = sides
        assert [c.bounds[name].before, c.bounds[name].after] == [pytest.approx(s) for s in sides]
        assert c.bounds[name].difference == pytest.approx((after_low - high, after_high - low))
    assert bounds_line(c) == (
        "whatever the undecided replies become: mean grade 0.75–1.25 before and 0.75–1.75 after, difference −0.50 to +1.00; "
        "Fail 25.0–50.0 % before and 0.0–50.0 % after, difference −50.0 to +25.0"
    )


def test_rows_of_an_earlier_version_are_read_as_undecided(store, by_hand):
    """'needs a person' was its word"""
    one, two = by_hand({"a": {0: "FP"}}), by_hand({"a": {0: "FP"}})
    grade = {
        "conversation": "a",
        "seed": 0,
        "turn": 2,
        "grader": "requirements",
        "reason": "",
        "status": "needs a person",
    }
    DialogueLog(store, one).grades([grade])
    assert compare(store, one, two).before.tally == Tally(0, 0, 1, 1)


def test_replies_without_a_verdict_are_named(store, by_hand):
    one, two = by_hand({"a": {0: "FP"}}), by_hand({"a": {0: "FP"}})
    with store.write() as db:
        db.execute("drop trigger dialogue_grades_no_delete")
        db.execute("delete from dialogue_grades where dialogue_run = ? and turn = 2", [two])
    c = compare(store, one, two)
    assert (c.after.tally, c.after.counts.undecided, c.after.counts.unseen) == (Tally(0, 0, 1, 1), 1, 1)
    assert c.notes[-2] == (
        "1 reply has no verdict of requirements: undecided so far. Let it grade: lima dialogues regrade run-2 --grader "
        "requirements"
    )
    with store.write() as db:
        db.execute("delete from dialogue_grades where dialogue_run = ?", [two])
    with pytest.raises(
        LimaError, match="run-2 has no verdict of the grader 'requirements'. Let it grade: lima dialogues regrade"
    ):
        compare(store, one, two)


def test_as_many_seeds_of_both_sides_are_compared():
    assert balanced((0, 1, 2), (0, 1, 2)) == ([0, 1, 2], [0, 1, 2])
    assert balanced((0, 1, 2), (7, 8, 9)) == ([0, 1, 2], [0, 1, 2])
    assert balanced((5, 1, 7), (1, 7)) == ([1, 2], [0, 1])
    assert balanced((4,), (0, 1, 4)) == ([0], [2])
    assert balanced((1, 1, 2), (1, 3)) == ([0, 1], [0, 1])
    assert balanced((1, 2), (3, 4, 5)) == ([0, 1], [0, 1])
