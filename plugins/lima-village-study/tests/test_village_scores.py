"""Means and differences of known grades: which interval each has, which one decides, and how they are worded."""

import pytest

from lima_village_study.finding import side
from lima_village_study.scores import Compared, Estimate, difference, excellent, mean, points
from lima_village_study.words import gain, judged, samples, value


def rows(arm):
    """{seed: {unit: grades}} as the store gives them"""
    return [
        {"conversation": unit, "seed": seed, "grade": {"e": "excellent", "p": "pass", "f": "fail"}[grade]}
        for seed, units in arm.items()
        for unit, grades in units.items()
        for grade in grades
    ]


def arm(*shares, units=20):
    """A fine-tune for each share of excellent replies, the same in every conversation but for one reply of one"""
    return rows(
        {
            seed: {f"{unit:02d}": "e" * share + "f" * (10 - share) if unit else "f" * 10 for unit in range(units)}
            for seed, share in enumerate(shares)
        }
    )


def test_fine_tunes_that_differ_widen_the_interval_that_decides():
    found = difference(arm(9, 1), arm(4, 4), excellent)
    assert found.value == pytest.approx(9.5)
    low, high = found.interval
    assert low > 0
    wider = found.redrawn
    assert wider[0] < -25
    assert wider[1] > 45
    assert found.deciding == wider
    assert side(found) is None
    assert judged(found, unit=" points").startswith("+9.5 points [+")
    assert ", fine-tunes redrawn [−" in judged(found, unit=" points")
    assert "redrawn" not in gain(found)


def test_fine_tunes_that_agree_leave_the_interval_as_it_is():
    found = difference(arm(8, 8, 8), arm(4, 4), excellent)
    assert found.redrawn == pytest.approx(found.interval, abs=3)
    assert side(found) is True
    assert difference(arm(8, 8, 8), arm(4, 4), excellent).redrawn == found.redrawn


def test_one_fine_tune_cannot_be_drawn_again_unless_nothing_was_trained():
    assert difference(arm(8, 6), arm(4), excellent).redrawn is None
    assert difference(arm(8), arm(4, 4), excellent).redrawn is None
    assert difference(arm(8, 6), arm(4), excellent, untuned=True).redrawn is not None
    alone = difference(arm(8), arm(4), excellent)
    assert alone.deciding == alone.interval


def test_the_seeds_of_an_arm_are_drawn_apart_from_the_other_arm_s():
    same = arm(9, 1)
    found = difference(
        same, [{**row, "grade": "fail" if row["conversation"] == "01" else row["grade"]} for row in same], excellent
    )
    low, high = found.redrawn
    assert low < -50
    assert high > 50


@pytest.mark.parametrize(("units", "low"), [(150, 98.02), (10, 74.11)])
def test_shares_that_are_alike_have_the_exact_bound(units, low):
    full, none = rows({0: {str(n): "ee" for n in range(units)}}), rows({0: {str(n): "ff" for n in range(units)}})
    assert mean(full, excellent).interval == pytest.approx((low, 100), abs=0.01)
    assert mean(none, excellent).interval == pytest.approx((0, 100 - low), abs=0.01)
    assert low == pytest.approx(100 * 0.05 ** (1 / units), abs=0.01)


def test_what_else_is_alike_has_no_interval_and_says_so():
    full, half = rows({0: {"a": "ee", "b": "ee"}}), rows({0: {"a": "ef", "b": "fe"}})
    assert mean(full, points).interval is None
    assert mean(half, excellent).interval is None
    assert value(mean(full, points), 2) == "2.00 (all 2 alike)"
    found = difference(full, full, excellent)
    assert (found.interval, found.redrawn) == (None, None)
    assert gain(found, unit=" points") == "0.0 points (all 2 alike)"
    assert side(found) is None


def test_each_arm_s_replies_and_seeds_are_told():
    def one(replies, seeds):
        return Estimate(value=1.0, interval=None, units=150, replies=replies, seeds=seeds)

    assert samples({"0": one(2205, 3), "3": one(1470, 2), "30": one(2205, 3)}) == (
        "n = 150 conversations; 2,205 replies, 3 seeds (0, 30); 1,470 replies, 2 seeds (3)"
    )
    assert samples({"a": one(750, 1), "b": one(750, 1)}, "prompts") == "n = 150 prompts; 750 replies, 1 seed an arm"
    assert samples({"": one(750, 1)}, "prompts", 3) == (
        "n = 150 prompts (3 left out of every arm: a reply has no grade); 750 replies, 1 seed"
    )
    assert samples({"": one(725, 1)}) == "n = 150 conversations; 725 replies, 1 seed"


def test_what_has_no_grade_in_one_arm_leaves_all():
    ours = rows({0: {"a": "ef", "b": "ee", "c": "e"}, 1: {"a": "ee", "b": "ep", "c": "f"}})
    theirs = rows({0: {"a": "ff", "b": "ff", "c": "f"}})
    ours[2] = {**ours[2], "grade": None}
    held = Compared({"ours": ours, "theirs": theirs})
    assert held == {"ours": [r for r in ours if r["conversation"] != "b"], "theirs": [theirs[i] for i in (0, 1, 4)]}
    assert held.left_out == 1
    assert difference(held["ours"], held["theirs"], excellent).differences == (75, 50)
    assert Compared({"ours": rows({0: {"a": "ef"}}), "theirs": theirs}).left_out == 0
