"""The figures of an audit against cases that were computed by hand."""

import numpy as np
import pytest

from lima_dialogue_eval.audit.figures import design_effect, figures, kappa, remarks, share, wilson_of
from lima_dialogue_eval.statistics import wilson


def test_wilson_of_a_whole_number_is_scipys():
    for count, n in ((3, 92), (81, 138), (0, 5), (5, 5), (1, 2)):
        assert wilson_of(count / n, n) == pytest.approx(wilson(count, n), abs=1e-9)


def test_the_design_effect_by_hand():
    # Four turns of two replies each, always both or neither: share 1/2 of 8 replies.
    # Clustered variance: 4/3 · (4 · 1²) / 8² = 1/12; of independent replies: (1/4)/7 = 1/28. Effect: 28/12.
    assert design_effect(np.array([2.0, 2, 0, 0]), np.full(4, 2.0)) == pytest.approx(28 / 12)
    # One of two in every turn: less variance than independent replies have; never below 1.
    assert design_effect(np.ones(4), np.full(4, 2.0)) == 1
    # One reply a turn: 4/3 · (4 · 1/4) / 4² = 1/12, as much as (1/4)/3.
    assert design_effect(np.array([1.0, 1, 0, 0]), np.ones(4)) == pytest.approx(1)
    assert design_effect(np.zeros(4), np.full(4, 2.0)) == 1
    assert design_effect(np.array([1.0]), np.array([2.0])) == 1


def test_a_share_of_turns_with_several_replies_by_hand():
    # n = 8 over 28/12 is 24/7: middle 1/2, half = z/(1 + z²/n) · √(1/(4n) + z²/(4n²)) = .92432 · .39321 = .36346
    outcomes = [(turn, turn in ("a", "b")) for turn in "abcd" for _ in range(2)]
    found = share(outcomes)
    assert (found["count"], found["n"], found["turns"], found["share"], found["design_effect"]) == (4, 8, 4, 0.5, 2.333)
    assert found["interval"] == pytest.approx((0.1365, 0.8635), abs=1e-4)
    assert share([]) == {"count": 0, "n": 0, "turns": 0, "share": None, "interval": None}


def test_kappa_by_hand():
    # Ten replies: squared distances 0 on the diagonal, 1 beside it, 4 in the corners.
    # Observed: 1·1 + 1·1 + 1·1 + 1·4 = 7. By chance: (1·(4·4 + 3·4 + 3·4 + 3·2) + 4·(4·2 + 3·4)) / 10 = (46 + 80) / 10 = 12.6.
    table = np.array([[3, 1, 0], [0, 2, 1], [1, 1, 1]])
    assert kappa(table) == pytest.approx(1 - 7 / 12.6)
    assert kappa(np.array([[1, 0, 1], [0, 0, 0], [0, 0, 2]])) == pytest.approx(0.5)
    assert kappa(np.diag([5, 3, 2])) == 1
    assert np.isnan(kappa(np.array([[9, 0, 0], [0, 0, 0], [0, 0, 0]])))


def row(turn, known, grade, flaw="", saw=1, status="graded"):
    return {
        "conversation": "c",
        "turn": turn,
        "known": known,
        "flaw": flaw,
        "saw_checks": saw,
        "grade": grade,
        "status": status,
    }


ROWS = [
    row(1, "excellent", "excellent"),
    row(1, "pass", None, status="undecided"),
    row(1, "fail", "fail", "echo"),
    row(1, "fail", None, "echo", status="undecided"),
    row(2, "pass", "fail", saw=0),
    row(2, "fail", "pass", "cruel", saw=0),
    row(2, "fail", None, "cruel", saw=0, status="error"),
    row(2, "fail", None, "nonsense", saw=0, status="undecided"),
]


def counts(share):
    return share["count"], share["n"]


def test_the_figures_of_eight_replies():
    found = figures(ROWS)
    whole = found["all"]
    assert list(found) == ["all", "unseen", "seen"]
    assert (whole["replies"], whole["turns"]) == (8, 2)
    assert counts(whole["good"]["failed"]) == (1, 3)
    assert counts(whole["good"]["praised"]) == (1, 3)
    assert counts(whole["bad"]["failed"]) == (1, 5)
    assert counts(whole["bad"]["not_praised"]) == (3, 5)  # one is praised, one an error
    assert counts(whole["visible"]["failed"]) == (1, 2)
    assert counts(whole["hidden"]["failed"]) == (0, 3)
    assert {flaw: counts(one["not_praised"]) for flaw, one in whole["flaws"].items()} == {
        "echo": (2, 2),
        "nonsense": (1, 1),
        "cruel": (0, 2),
    }
    assert whole["matrix"]["fail"] == {"excellent": 0, "pass": 1, "fail": 1, "undecided": 2, "error": 1}
    assert whole["given"] == {"excellent": 1, "pass": 1, "fail": 2, "undecided": 3, "error": 1}
    assert counts(found["unseen"]["bad"]["failed"]) == (0, 3)
    # Decided: excellent as it is, pass failed, fail failed, fail passed. Observed 1 + 1; by chance
    # (excellent 1·1·1 + 1·2·4, pass 1·1·1 + 1·2·1, fail 2·1·4 + 2·1·1) / 4 = (9 + 3 + 10) / 4 = 5.5.
    assert whole["kappa"] == {"value": pytest.approx(1 - 2 / 5.5), "interval": None, "n": 4, "turns": 2}
    assert remarks(found) == ["The grader failed on 1 of 8 replies: they count as neither failed nor praised."]


def test_without_replies_of_a_group_it_is_left_out():
    assert list(figures(ROWS[:4])) == ["all", "seen"]
    assert figures([]) == {}
    assert remarks({}) == ["There are no replies with known grades."]


@pytest.mark.parametrize(("grade", "word"), [(None, "undecided"), ("fail", "Fail"), ("excellent", "Excellent")])
def test_one_verdict_for_all_is_called_no_answer(grade, word):
    rows = [{**one, "grade": grade, "status": "graded" if grade else "undecided"} for one in ROWS]
    assert remarks(figures(rows)) == [
        f"It says {word} of every reply that it judges, good and bad alike: that is no answer, whatever the shares are."
    ]


def test_kappa_has_an_interval_over_turns_from_thirty_on():
    rows = [row(turn, "fail" if turn % 3 else "pass", "fail" if turn % 3 or turn == 3 else "pass", "echo" * bool(turn % 3))
            for turn in range(1, 61) for _ in range(2)]  # fmt: skip
    found = figures(rows)["all"]["kappa"]
    low, high = found["interval"]
    assert low < found["value"] < high <= 1
    assert figures(rows)["all"]["kappa"] == found
    assert figures(rows[:58])["all"]["kappa"]["interval"] is None  # 29 turns
    agreed = [{**one, "grade": one["known"]} for one in rows]
    assert figures(agreed)["all"]["kappa"]["interval"] is None  # nothing is disputed
    assert figures(agreed)["all"]["kappa"]["value"] == 1
