"""Comparing two arms on grades written by hand: pooling, pairing, what leaves both arms, and what cannot be compared."""

import pytest

from lima.errors import LimaError
from lima_dialogue_eval import compare
from lima_dialogue_eval.comparison.result import Change
from lima_dialogue_eval.record.log import DialogueLog
from lima_dialogue_eval.report.figures import dialogue_line, primary_line, secondary_line, table_rows
from lima_dialogue_eval.statistics import PRIMARY, Tally

OTHER_COUNTS = ("undecided", "unseen", "cut", "context_full", "not_reached", "errors", "flagged")
TEN = [f"{n:02d}" for n in range(1, 11)]


def test_seven_better_three_tied(store, by_hand):
    """As in LIMA §6: the sign test gives .0156, the sign-flip of seven equal steps 2/2^7 of its ten flips"""
    before = by_hand({c: {0: "EFP"} for c in TEN}, arm="1,000")
    after = by_hand({c: {0: "EPP" if i < 7 else "EFP"} for i, c in enumerate(TEN)}, arm="1,030")
    c = compare(store, before, after)
    assert (c.before.label, c.after.label) == ("1,000", "1,030")
    assert (c.before.excellent, c.before.passed, c.before.fail, c.before.turns) == (10, 10, 10, 30)
    assert (c.after.excellent, c.after.passed, c.after.fail, c.after.turns) == (10, 17, 3, 30)
    assert (c.before.early_fails, c.after.early_fails, c.after.dialogues) == (10, 3, 10)
    assert (c.better, c.tied, c.worse, c.sign_p) == (7, 3, 0, 0.015625)
    assert c.p_value == 2 / 2**7
    assert c.difference == pytest.approx(7 / 30)
    assert c.secondary["excellent"].p_value == c.secondary["excellent"].adjusted == 1.0
    assert (c.secondary["fail"].p_value, c.secondary["fail"].adjusted) == (2 / 2**7, 4 / 2**7)
    assert c.secondary["fail"].difference == pytest.approx(-7 / 30)
    assert c.by_turn == (
        (1, Tally(10, 0, 0), Tally(10, 0, 0)),
        (2, Tally(0, 0, 10), Tally(0, 7, 3)),
        (3, Tally(0, 10, 0), Tally(0, 10, 0)),
    )
    assert c.by_kind == (
        ("follow-up", Tally(0, 10, 10), Tally(0, 17, 3)),
        ("opening", Tally(10, 0, 0), Tally(10, 0, 0)),
    )
    assert c.notes == (
        "Fewer than three seeds: on ten conversations with sampled replies, power to find +0.3 grade points is about .40 with "
        "one and .74 with three.",
    )


def test_seeds_of_several_runs_are_pooled_before_anything_else(store, by_hand):
    before = [by_hand({"a": {0: "F"}, "b": {0: "E"}}), by_hand({"a": {1: "P"}, "b": {1: "E"}})]
    after = [by_hand({"a": {0: "E", 1: "P", 2: "F"}, "b": {0: "P", 1: "E", 2: "P"}})]
    c = compare(store, before, after)
    # As many seeds of both count for a conversation: 0 and 1.
    assert c.changes == (Change("a", "About a", 0.5, 1.5), Change("b", "About b", 2.0, 1.5))
    assert [x.verdict for x in c.changes] == ["better", "worse"]
    assert (c.primary.n, c.before.turns, c.after.turns) == (2, 4, 6)
    assert (c.before.seeds, c.after.seeds) == ((0, 1), (0, 1, 2))
    assert c.notes[-1] == (
        "Before has 2 seeds, after 3. The figures per conversation and the tests use as many of both: 0, 1 before, 0, 1 after."
    )
    assert (c.before.label, c.after.label) == ("before", "after")


def test_a_conversation_with_an_error_in_one_arm_leaves_both(store, by_hand):
    before = by_hand({"a": {0: "FF"}, "b": {0: "PP"}})
    after = by_hand({"a": {0: "EE"}, "b": {0: "E"}})
    failed = {
        "conversation": "b",
        "seed": 0,
        "turn": 2,
        "kind": "",
        "user": "",
        "status": "error",
        "message": "no line",
    }
    ended = {"conversation": "b", "seed": 0, "status": "error", "message": "no line"}
    DialogueLog(store, after).turns([failed], [ended])
    c = compare(store, before, after)
    assert c.left_out == ({"conversation": "b", "arm": "after", "reason": "error (seed 0): no line"},)
    assert [x.conversation for x in c.changes] == ["a"]
    assert (c.before.turns, c.after.turns, c.before.dialogues) == (2, 2, 1)


def test_a_verdict_that_failed_leaves_both_arms_too(store, by_hand):
    before, after = by_hand({"a": {0: "F"}, "b": {0: "P"}}), by_hand({"a": {0: "E"}, "b": {0: "E"}})
    grade = {
        "conversation": "a",
        "seed": 0,
        "turn": 1,
        "grader": "requirements",
        "status": "error",
        "reason": "no line",
    }
    DialogueLog(store, before).grades([grade])
    assert compare(store, before, after).left_out == (
        {"conversation": "a", "arm": "before", "reason": "the grader gave no grade for turn 1 (seed 0): no line"},
    )


def test_turns_without_a_grade_on_one_side_count_on_neither(store, by_hand):
    before = by_hand({"a": {0: "F-P", 1: "FEP"}, "b": {0: "--", 1: "--"}})
    after = by_hand({"a": {0: "EEP", 1: "EEP"}, "b": {0: "EE", 1: "EE"}})
    c = compare(store, before, after)
    assert (c.before.tally, c.after.tally, c.waiting) == (Tally(1, 2, 2, 5), Tally(8, 2, 0), 5)
    # Of seed 0 turn 2 counts on neither side: F P against E P and F E P against E E P.
    assert c.changes == (Change("a", "About a", 0.8, 1.6),)
    assert c.left_out == ({"conversation": "b", "arm": "both", "reason": "no turn of it has a grade on both sides"},)
    with pytest.raises(LimaError, match=r"^No conversation can be compared\. b: no turn"):
        compare(store, by_hand({"b": {0: "-"}}), by_hand({"b": {0: "E"}}))


def test_the_table_of_the_paper(store, by_hand):
    """Exact strings: ours and the paper's"""
    before = by_hand({c: {0: "EPFF"} for c in TEN})
    c = compare(store, before, by_hand({c: {0: "EEEP"} for c in TEN}))
    rows = [(r.name, r.before, r.after, r.paper_before, r.paper_after) for r in table_rows(c)]
    assert rows == [
        (
            "Excellent",
            ("25.0 % = 10/40", "14.2–40.2 %"),
            ("75.0 % = 30/40", "59.8–85.8 %"),
            ("45.2 % = 19/42", "31.2–60.1 %"),
            ("76.1 % = 35/46", "62.1–86.1 %"),
        ),
        (
            "Pass",
            ("25.0 % = 10/40", "14.2–40.2 %"),
            ("25.0 % = 10/40", "14.2–40.2 %"),
            ("19.0 % = 8/42", "10.0–33.3 %"),
            ("21.7 % = 10/46", "12.3–35.6 %"),
        ),
        (
            "Fail",
            ("50.0 % = 20/40", "35.2–64.8 %"),
            ("0.0 % = 0/40", "0.0–8.8 %"),
            ("35.7 % = 15/42", "23.0–50.8 %"),
            ("2.2 % = 1/46", "0.4–11.3 %"),
        ),
        (
            "Undecided",
            ("0.0 % = 0/40", "0.0–8.8 %"),
            ("0.0 % = 0/40", "0.0–8.8 %"),
            ("none", ""),
            ("none", ""),
        ),
        (
            "Conversations that fail within 3 interactions",
            ("10 of 10", ""),
            ("0 of 10", ""),
            ("6 of 10", ""),
            ("not given", ""),
        ),
    ]
    ours = "better in 10, tied in 0, worse in 0 of 10 (exact sign test p = .00195)"
    assert dialogue_line(c) == ours
    assert dialogue_line(c, beside_paper=True) == f"{ours}; paper: 7, 3, 0 of 10 (p = .0156)"
    assert primary_line(c) == (
        "mean grade +1.00 points [+1.00, +1.00]; sign-flip p = .00195 (n = 10 conversations; exact, all 2^10 = 1,024 sign flips; "
        "least possible p = .00195)"
    )
    assert "All 10 differences are equal, so the interval has no width." in c.notes[0]
    assert secondary_line(c) == (
        "Excellent +50.0 percentage points, p = .00391; Fail −50.0 percentage points, p = .00391"
    )


def test_as_dict_is_plain_and_says_what_every_number_is(store, by_hand):
    import json

    c = compare(store, by_hand({"a": {0: "F"}, "b": {0: "E"}}), by_hand({"a": {0: "E"}, "b": {0: "E"}}))
    plain = json.loads(json.dumps(c.as_dict()))
    assert plain["before"] == {
        "label": "before",
        "excellent": 1,
        "pass": 0,
        "fail": 1,
        "undecided": 0,
        "turns": 2,
        "early_fails": 1,
        "dialogues": 2,
        "runs": ["run-1"],
        "models": ["by hand"],
        "seeds": [0],
        "sampling": {"temperature": 0.7},
        "counts": {"replies": 2, **dict.fromkeys(OTHER_COUNTS, 0)},
        "reliability": None,
    }
    assert plain["conversations"] == {"better": 1, "tied": 1, "worse": 0}
    assert plain["p_value"] == 1.0
    assert plain["test"] == {
        "name": PRIMARY,
        "on": "grade",
        "n": 2,
        "method": "exact, all 2^2 = 4 sign flips",
        "seed": None,
    }
    assert (plain["least_p_value"], plain["grader_hash"]) == (0.5, None)
    assert "of which no audit is known" in plain["audit"]
    assert plain["floor"] == "Floor not measured: lima graders audit requirements small"
    assert plain["by_conversation"][0] == {
        "conversation": "a",
        "topic": "About a",
        "before": 0,
        "after": 2,
        "difference": 2,
        "verdict": "better",
    }
    assert plain["by_turn"] == [
        {
            "turn": 1,
            "before": {"excellent": 1, "pass": 0, "fail": 1, "undecided": 0, "turns": 2},
            "after": {"excellent": 2, "pass": 0, "fail": 0, "undecided": 0, "turns": 2},
        }
    ]
    assert (plain["seeds"], plain["versions"]) == ([0], {"torch": "2"})
    about = {"before", "after", "evaluation", "grader", "grader_hash", "floor", "seeds", "versions", "notes", "test"}
    assert set(plain) - about - {"definitions"} <= {*plain["definitions"], "by_conversation"}


def test_what_else_differs_between_the_arms_is_noted(store, by_hand):
    grades = {"a": {0: "E", 1: "E", 2: "E"}}
    c = compare(store, by_hand(grades), by_hand(grades, sampling='{"temperature": 1.0}', environment='{"torch": "3"}'))
    assert c.notes[:2] == (
        "The arms differ in temperature: 0.7 before, 1.0 after.",
        "The arms differ in torch: 2 before, 3 after.",
    )


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"evaluation": "other"},
            "Dialogue run run-1 is of the evaluation 'small' and run-2 of 'other': only runs of the same",
        ),
        (
            {"grader": "judge"},
            "Dialogue run run-1 is of the grader 'requirements' and run-2 of 'judge': only runs of the",
        ),
        ({"evaluation_hash": "x"}, "The evaluation 'small' changed between dialogue runs run-1 and run-2"),
    ],
)
def test_runs_that_do_not_belong_together(store, by_hand, values, sentence):
    with pytest.raises(LimaError) as e:
        compare(store, by_hand({"a": {0: "E"}}), by_hand({"a": {0: "E"}}, **values))
    assert str(e.value).startswith(sentence)


def test_runs_that_are_unknown_named_twice_or_not_done(store, by_hand):
    one, two = by_hand({"a": {0: "E"}}), by_hand({"a": {0: "E"}})
    with pytest.raises(LimaError, match=r"No dialogue run 'run-9' in .*\. Did you mean 'run-\d'\?"):
        compare(store, one, "run-9")
    with pytest.raises(LimaError, match="'run' is the start of 2 dialogue runs: run-1, run-2"):
        compare(store, one, "run")
    with pytest.raises(LimaError, match="run-1 is named twice"):
        compare(store, one, [two, one])
    with pytest.raises(LimaError, match="An arm has no dialogue run"):
        compare(store, one, [])
    DialogueLog(store, two).mark("interrupted")
    with pytest.raises(
        LimaError, match="is 'interrupted', not done. Finish it with: lima dialogues run --resume run-2"
    ):
        compare(store, one, two)
