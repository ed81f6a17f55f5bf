"""The oracles of the statistics: hand-computed cases, the paper's counts, and the rate of false positives."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from lima_dialogue_eval import statistics as s


def brute_force(differences):
    """The exact p of the sign-flip test, in whole numbers and one flip at a time"""
    observed = abs(sum(differences))
    flips = list(itertools.product((-1, 1), repeat=len(differences)))
    extreme = sum(abs(sum(f * d for f, d in zip(flip, differences, strict=True))) >= observed for flip in flips)
    return Fraction(extreme, len(flips))


def test_sign_test_oracles():
    assert s.sign_test(7, 0) == 0.015625
    assert s.p_text(s.sign_test(7, 0)) == ".0156"
    assert s.sign_test(9, 1) == pytest.approx(22 / 1024)
    assert s.sign_test(0, 0) == 1.0
    assert s.sign_test(3, 3) == 1.0


def test_the_smallest_p_for_ten_conversations():
    found = s.sign_flip([0.5] * 10)
    assert found == s.Test(2 / 1024, 10, "exact, all 2^10 = 1,024 sign flips", None)
    assert s.p_text(found.p_value) == ".00195"


def test_the_least_p_is_what_the_clearest_result_gives():
    assert [s.p_text(s.least_p(n)) for n in (1, 5, 6, 10)] == ["1", ".0625", ".0312", ".00195"]
    for n in (1, 5, 6, 12, 25, 1200):
        found = s.sign_flip([1.0 + i / 7 for i in range(n)])
        assert found.p_value == found.least == s.least_p(n)


@pytest.mark.parametrize(
    "differences",
    [
        [1],
        [0, 0, 0],
        [1, -1, 2, 3],
        [0, 1, 1, 2, -1, 0, 1, 2, 1, -2],
        [3, -3, 3, -3, 1],
    ],
)
def test_sign_flip_agrees_with_counting_by_hand(differences):
    assert s.sign_flip([d / 3 for d in differences]).p_value == float(brute_force(differences))


def test_sign_flip_agrees_with_scipy():
    from scipy.stats import permutation_test

    d = np.random.default_rng(3).normal(0.3, 1, 11)
    wanted = permutation_test(
        (d,), lambda x, axis: x.mean(axis), permutation_type="samples", n_resamples=np.inf, vectorized=True
    ).pvalue
    assert s.sign_flip(list(d)).p_value == pytest.approx(wanted)


def test_above_twenty_conversations_flips_are_drawn_with_the_seed():
    d = [int(x) for x in np.random.default_rng(5).integers(-3, 5, 24)]
    found = s.sign_flip(d, seed=7)
    assert (found.n, found.seed, found.method) == (24, 7, "Monte Carlo, 99,999 sign flips drawn with seed 7")
    assert found == s.sign_flip(d, seed=7)
    # The exact answer: how many of the 2^24 flips reach each sum.
    ways = {0: 1}
    for x in d:
        ways = {total: ways.get(total - x, 0) + ways.get(total + x, 0) for w in ways for total in (w - x, w + x)}
    exact = sum(n for total, n in ways.items() if abs(total) >= abs(sum(d))) / 2**24
    assert found.p_value == pytest.approx(exact, abs=0.005)
    assert s.sign_flip([1.0] * 30).p_value == 1 / 100_000


@pytest.mark.parametrize(
    ("count", "n", "share", "interval"),
    [
        (19, 42, "45.2 % = 19/42", "31.2–60.1 %"),
        (35, 46, "76.1 % = 35/46", "62.1–86.1 %"),
        (15, 42, "35.7 % = 15/42", "23.0–50.8 %"),
        (1, 46, "2.2 % = 1/46", "0.4–11.3 %"),
        (0, 0, "none", "undefined"),
    ],
)
def test_the_papers_counts_print_as_the_paper_prints_them(count, n, share, interval):
    assert s.share_text(count, n) == share
    assert s.interval_text(s.wilson(count, n)) == interval


def test_t_interval():
    # d = 1, 2, 3: mean 2, sd 1, t(2) = 4.302653
    assert s.t_interval([1, 2, 3]) == pytest.approx((2 - 4.302653 / 3**0.5, 2 + 4.302653 / 3**0.5), abs=1e-5)
    assert s.t_interval([0.5, 0.5]) == (0.5, 0.5)
    assert s.t_interval([1]) is None


def test_holm():
    assert s.holm({"excellent": 0.03, "fail": 0.01}) == {"excellent": 0.03, "fail": 0.02}
    assert s.holm({"excellent": 0.01, "fail": 0.015}) == {"excellent": 0.02, "fail": 0.02}
    assert s.holm({"excellent": 0.7, "fail": 0.8}) == {"excellent": 1.0, "fail": 1.0}


@pytest.mark.parametrize(
    ("first", "second", "agreement"),
    [
        ("AB=", "AB=", 1.0),
        ("AB=", "BA=", 1 / 3),
        ("A===", "AAB=", 3 / 4),
        ("AABB=", "AB=A=", 0.5),
        ("", "", None),
    ],
)
def test_tie_discounted_accuracy(first, second, agreement):
    """1 where both agree, ½ where exactly one says tie, else 0 (LIMA §4)"""
    names = {"A": "a", "B": "b", "=": "tie"}
    assert s.tie_discounted_accuracy([names[c] for c in first], [names[c] for c in second]) == agreement


def test_tallies():
    found = s.tally(["fail", "excellent", "undecided", "pass", "undecided"])
    assert found == s.Tally(1, 1, 1, 2)
    assert found.as_dict() == {"excellent": 1, "pass": 1, "fail": 1, "undecided": 2, "turns": 5}
    assert [found.count(name) for name in ("excellent", "undecided")] == [1, 2]


def test_false_positives_stay_near_five_per_cent():
    """Ten conversations, 3–6 turns, conversation and conversation × arm effects, no true difference between the arms"""
    draw = np.random.default_rng(11)

    def experiment():
        differences = []
        for _ in range(10):
            turns, conversation = draw.integers(3, 7), draw.normal(0, 0.7)
            arms = [
                np.digitize(conversation + draw.normal(0, 0.4) + draw.normal(0, 1, turns), (-0.4, 0.4)).mean()
                for _ in range(2)
            ]
            differences.append(arms[1] - arms[0])
        return s.sign_flip(differences).p_value <= 0.05

    rate = sum(experiment() for _ in range(2000)) / 2000
    assert 0.035 <= rate <= 0.06
