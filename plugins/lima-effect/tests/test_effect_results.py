"""Figures and sentences: seeds are averaged first, conversations are the unit, and the tests keep their promise."""

from dataclasses import replace

import numpy as np
import pytest

from lima_dialogue_eval import Later
from lima_effect.arms import ARMS
from lima_effect.findings import findings, sentence, verdict
from lima_effect.results import AGAINST, Results, averaged, compared
from lima_effect.results import summary as summary_of


def answer(conversation, exchange, true, none, other, tags=()):
    return Later(conversation, tags, exchange, 5, true, none, other, 2, 0)


def made(by_arm, n):
    """Results with one answer a conversation, whose gains over both are given, by arm"""
    answers = {arm: [answer(f"c{i}", 2, -3.0, -3.0 - g, -3.0 - g) for i, g in enumerate(by_arm[arm])] for arm in ARMS}
    return Results({a: summary_of(a, x) for a, x in answers.items()}, compared(answers), {}, {}, (), 3, 0.0)


def test_seeds_are_averaged_answer_by_answer_and_then_answers_by_conversation():
    first = [answer("a", 2, -1.0, -2.0, -3.0), answer("a", 3, -1.0, -1.0, -1.0), answer("b", 2, -2.0, -2.0, -2.0)]
    second = [replace(a, true=a.true + 1, none=a.none - 1) for a in first]
    found = averaged([first, second])
    assert found == [
        answer("a", 2, -0.5, -2.5, -3.0),
        answer("a", 3, -0.5, -1.5, -1.0),
        answer("b", 2, -1.5, -2.5, -2.0),
    ]
    assert summary_of("x", found).gains["over_none"].mean == pytest.approx(((2.0 + 1.0) / 2 + 1.0) / 2)


def test_the_dialogues_are_compared_with_each_arm_and_all_tests_are_adjusted_together():
    n = 10
    gains = {"base": [0.4] * n, "singles": [0.3 + 0.01 * i for i in range(n)], "fake": [0.5] * n}
    results = made({**gains, "dialogues": [0.5 + 0.01 * i for i in range(n)]}, n)
    none, _ = results.against["singles"]
    assert none.figure.mean == pytest.approx(0.2)
    assert (none.more, none.less, none.test.p_value) == (10, 0, 2 / 1024)
    assert none.holm == pytest.approx(6 * 2 / 1024)
    assert [f.verdict for f in findings(results)] == ["more", "more", "more"]
    text = sentence(results, "singles", none)
    assert (
        "as single turns: 0.545 against 0.345 nats per token, +0.200 [+0.200, +0.200], more in 10 and less in 0 of 10"
        in text
    )
    assert "sign-flip p = .00195, adjusted = .0117; exact, all 2^10" in text


def test_less_and_undecided_are_said_too():
    n, swing = 10, [(-1) ** i * 0.1 for i in range(10)]
    gains = {"base": [0.9] * n, "singles": [0.5 + x for x in swing], "fake": [0.5] * n, "dialogues": [0.5] * n}
    results = made(gains, n)
    assert [verdict(results.against[arm][0]) for arm in AGAINST] == ["undecided", "undecided", "less"]
    open_one = sentence(results, "singles", results.against["singles"][0])
    assert open_one.startswith("Whether the gain over no history is larger after the dialogues than after the same")
    less = sentence(results, "base", results.against["base"][1])
    assert less.startswith(
        "The gain over another conversation's history is smaller after the dialogues than before any"
    )


@pytest.mark.slow
def test_arms_with_permuted_labels_differ_in_one_of_twenty_experiments():
    """Three seeds an arm, whose labels are permuted within each conversation, so that no arm is better than another"""
    draw, experiments, n = np.random.default_rng(11), 1200, 11
    rejected = dict.fromkeys(AGAINST, 0)
    for _ in range(experiments):
        topic = draw.normal(0.4, 0.2, (n, 1)) + draw.standard_t(3, (n, 4)) * 0.05  # (conversations, arms)
        arms = draw.permuted(topic, axis=1)
        by_arm = {}
        for column, arm in enumerate(ARMS):
            noise = draw.normal(0, 0.02, (3, n))
            seeds = [
                [answer(f"c{i}", 2, -3.0, -3.0 - arms[i, column] - one[i], -3.5) for i in range(n)] for one in noise
            ]
            by_arm[arm] = averaged(seeds)
        for arm, (none, _) in compared(by_arm).items():
            rejected[arm] += none.test.p_value <= 0.05
    assert 0.04 <= sum(rejected.values()) / (experiments * len(rejected)) <= 0.06
