"""Means, comparisons, curves and choices: the prompt is the unit, tests keep their level, and known answers come out."""

import numpy as np
import pytest

from lima_studies.likert.question import HELPFULNESS
from lima_studies.scores.choosing import choice
from lima_studies.scores.comparing import BETTER, UNDECIDED, WORSE, compared
from lima_studies.scores.curves import Step, curve_of, fit, plateau
from lima_studies.scores.scores import Scores, mean_of, scores_of
from lima_studies.scores.sections import sections_of


def arm(name, *tunes):
    """An arm whose fine-tunes scored these, prompt by prompt"""
    return Scores(name, {f"{name}{i}": {f"p{j}": float(x) for j, x in enumerate(t)} for i, t in enumerate(tunes)})


def test_samples_and_fine_tunes_are_averaged_before_prompts():
    values = (
        [("a", "p", 1.0)] * 8
        + [("a", "p", 6.0)] * 2
        + [("a", "q", 6.0), ("b", "p", 4.0), ("b", "q", 4.0), ("b", "r", 1.0)]
    )
    scores = scores_of("x", values, without=3)
    assert scores.by_unit() == {"p": 3.0, "q": 5.0}  # r has no score of the other fine-tune
    mean = mean_of(scores, HELPFULNESS)
    assert (mean.value, mean.units, mean.by_tune) == (4.0, 2, (4.0, 4.0))
    assert scores.counts == {1.0: 9, 6.0: 3, 4.0: 2}
    assert mean.interval == (1.0, 6.0)  # t with one degree of freedom is wider than the scale
    assert mean_of(arm("y", [2, 2, 2]), HELPFULNESS).interval is None
    assert mean_of(scores_of("z", []), HELPFULNESS) is None
    silent = scores_of("w", [("a", "p", 2.0)], tunes=("a", "b"))
    (table,) = (table for section in sections_of("J", [silent], HELPFULNESS, []) for table in section.tables)
    assert table.rows[0][2] == "2.00 / no score"
    turned = scores_of("x", values[::-1], without=3, tunes=("a", "b"))
    assert [list(tune.items()) for tune in turned.by_tune.values()] == [
        list(t.items()) for t in scores.by_tune.values()
    ]


def test_differences_are_paired_adjusted_and_judged_by_the_rule():
    n = 12
    base = arm("base", [2.0] * n, [2.2] * n)
    better, worse = arm("better", [3.0] * n, [3.4] * n), arm("worse", [1.5] * n, [1.7] * n)
    # Better on average, and a fine-tune of it is not: the interval with fine-tunes redrawn reaches below zero.
    shaky = arm("shaky", [1.9] * n, [3.0] * n)
    found = {one.arm: one for one in compared([base, better, worse, shaky], "base")}
    assert found["better"].difference == pytest.approx(1.1)
    assert (found["better"].more, found["better"].less, found["better"].units) == (n, 0, n)
    assert found["better"].p_value == 2 / 2**n
    assert found["better"].adjusted == pytest.approx(3 * 2 / 2**n)
    assert {name: one.verdict for name, one in found.items()} == {"better": BETTER, "worse": WORSE, "shaky": UNDECIDED}
    assert found["shaky"].redrawn[0] < 0 < found["shaky"].difference
    assert [(one.arm, one.against) for one in compared([base, better, worse])] == [
        ("better", "base"), ("worse", "base"), ("worse", "better"),
    ]  # fmt: skip
    assert compared([base, arm("other", [1.0])], "nobody") == []


@pytest.mark.slow
def test_equal_arms_differ_in_one_of_twenty_studies():
    """Fine-tunes and prompts scatter, arms do not: what is called better or worse keeps its level over the family"""
    draw, studies, n = np.random.default_rng(5), 200, 15
    wrong = 0
    for _ in range(studies):
        prompts = draw.normal(3.5, 0.8, n)
        arms = [arm(name, *(prompts + draw.normal(0, 0.4, (2, n)))) for name in "abc"]
        wrong += any(one.adjusted <= 0.05 for one in compared(arms, "a"))
    assert wrong / studies <= 0.09  # 5 % and twice its standard error


def test_a_curve_that_is_known_is_found_and_a_plateau_follows_the_rule():
    sizes = np.array([16.0, 64.0, 256.0, 1024.0, 4096.0])
    true = 4.0 - 2.0 * (sizes / 16) ** -0.5
    values, numbers = fit(sizes, true[None])
    assert values[0] == pytest.approx(true, abs=0.02)
    assert numbers[0] == pytest.approx([4.0, 2.0, 0.5], abs=0.15)

    draw = np.random.default_rng(1)
    topics = draw.normal(0, 0.5, 60)
    arms = [
        (int(n), arm(f"n{int(n)}", *(y + topics + draw.normal(0, 0.1, (2, 60)))))
        for n, y in zip(sizes, true, strict=True)
    ]
    found = curve_of(arms, HELPFULNESS)
    assert found.slope == pytest.approx(np.polyfit(np.log2(sizes), true, 1)[0], abs=0.02)
    assert found.slope_interval[0] < found.slope < found.slope_interval[1]
    assert found.slope_redrawn[0] < found.slope < found.slope_redrawn[1]
    assert all(low < value < high for value, (low, high) in found.fitted.values())
    assert found.plateau == 1024  # 0.125 below the end of 3.875; 256 lies 0.375 below it, and the margin is 0.25
    assert curve_of(arms[:3], HELPFULNESS).fitted == {}
    assert curve_of(arms[:1], HELPFULNESS) is None

    def step(size, low, high):
        return Step(size, (low + high) / 2, (low, high))

    assert plateau([step(1, -0.1, 0.1), step(2, -0.1, 0.3), step(4, 0.0, 0.1)], 0.25) == 4  # a gap ends it
    assert plateau([step(1, -0.1, 0.1), step(2, -0.2, 0.2)], 0.25) == 1
    assert plateau([step(1, 0.1, 0.3)], 0.25) is None


def test_choosing_the_best_on_the_test_reports_too_much_and_choosing_on_dev_does_not():
    draw = np.random.default_rng(3)
    same = {f"epoch {e}": {f"p{i}": x for i, x in enumerate(draw.normal(3, 1, 60))} for e in range(15)}
    found = choice(same)
    assert found.optimism > 0.2  # the best of fifteen equal ones, over thirty prompts each
    assert found.spread[0] < found.optimism < found.spread[1]
    assert found.naive - found.honest == pytest.approx(found.optimism)
    assert sum(found.chosen.values()) == 2_000
    one_wins = {name: {p: x + 3 * (name == "epoch 7") for p, x in scores.items()} for name, scores in same.items()}
    best = choice(one_wins)
    assert (best.optimism, best.chosen["epoch 7"]) == (0.0, 2_000)
    assert choice({"a": {"p": 1.0}, "b": {"p": 2.0}}) is None
