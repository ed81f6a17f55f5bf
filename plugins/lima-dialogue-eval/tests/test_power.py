"""Power from a pilot: its variances by hand, what the simulation gives beside the noncentral t, and what a pilot cannot tell."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from lima.errors import LimaError
from lima_dialogue_eval.cli.dialogues import dialogues
from lima_dialogue_eval.comparison.pairs import pair, read_sides
from lima_dialogue_eval.comparison.power import Pilot, foretell, needed, pilot_of_pair, pilot_of_side, power


def by_t(difference, sd, n):
    from scipy.stats import nct, t

    return nct.sf(t.ppf(0.975, n - 1), n - 1, difference / sd * n**0.5)


@pytest.fixture
def pilot(store, by_hand):
    """Two arms, three conversations, two seeds: differences by seed (1, 1), (0, 2), (0, 0)"""
    before = by_hand({"a": {0: "F", 1: "P"}, "b": {0: "P", 1: "F"}, "c": {0: "E", 1: "F"}})
    after = by_hand({"a": {0: "P", 1: "E"}, "b": {0: "P", 1: "E"}, "c": {0: "E", 1: "F"}})
    return before, after


def test_variances_of_a_pilot_by_hand(store, pilot):
    found = pilot_of_pair(pair(*read_sides(store, pilot, None, False)))
    within = (0 + 2 + 0) / 3
    between = 1 / 3 - within / 2  # of 1, 1, 0, less what two seeds leave of the seeds' variance
    assert (found.conversations, found.seeds, found.arms, found.difference) == (3, 2, 2, pytest.approx(2 / 3))
    assert found.sd_seeds == pytest.approx(within**0.5)
    assert found.sd_conversations == pytest.approx(max(0, between) ** 0.5, abs=1e-7)
    assert found.sd(2) == pytest.approx((1 / 3) ** 0.5)
    assert found.sd(8) == pytest.approx((within / 8) ** 0.5)


def test_a_pilot_of_one_arm_knows_only_its_seeds(store, pilot):
    found = pilot_of_side(read_sides(store, pilot[:1], None, False)[0])
    variance = (0.5 + 0.5 + 2) / 3
    assert (found.arms, found.difference, found.sd_conversations) == (1, None, None)
    assert found.sd(4) == pytest.approx((2 * variance / 4) ** 0.5)


def test_the_simulation_agrees_with_the_noncentral_t():
    for n, sd in ((10, 0.3), (10, 0.45), (25, 0.7), (60, 1.0)):
        assert power(0.3, sd, n) == pytest.approx(by_t(0.3, sd, n), abs=0.035)
    assert power(0.3, 0.45, 10, seed=1) == power(0.3, 0.45, 10, seed=1)
    assert power(0.3, 0.01, 5) == 0.0
    assert power(0.3, 0.01, 6) == 1.0


def test_without_a_difference_it_is_the_level():
    for n in (10, 30):
        assert power(1e-9, 1.0, n) == pytest.approx(0.025, abs=0.012)


def test_how_many_conversations_are_needed():
    assert needed(0.3, 0.001) == 6
    for sd in (0.3, 0.9, 4.0):
        n = needed(0.3, sd)
        assert by_t(0.3, sd, n) >= 0.8
        assert n == 6 or by_t(0.3, sd, n - 1) < 0.8
    assert needed(1e-6, 1.0) is None


def test_more_seeds_and_conversations_never_lose_power():
    pilot = Pilot("grade", 10, 3, 2, 0.1, 0.3, 0.5, 0.42, 9)
    found = foretell(pilot, 0.3, (5, 10, 40), (1, 3))
    table = np.array([one.power for one in found]).reshape(3, 2)
    assert (table[0] == 0).all()
    assert (np.diff(table, axis=0) > 0).all()
    assert (np.diff(table[1:], axis=1) > 0).all()
    assert all(one.careful <= one.power for one in found)


def test_the_command(store, pilot):
    arguments = [
        "power",
        *pilot,
        "-d",
        str(store.path),
        "--conversations",
        "5",
        "--conversations",
        "12",
        "--seeds",
        "2",
    ]
    shown = json.loads(CliRunner().invoke(dialogues, [*arguments, "--difference", "0.5", "--json"]).stdout)
    assert [(row["conversations"], row["seeds"], row["least_p_value"]) for row in shown["power"]] == [
        (5, 2, 0.0625),
        (12, 2, 2 / 4096),
    ]
    assert shown["power"][1]["power"] == power(0.5, (1 / 3) ** 0.5, 12)
    assert shown["needed"] == [{"seeds": 2, "power": 0.8, "conversations": needed(0.5, (1 / 3) ** 0.5)}]
    words = " ".join(CliRunner().invoke(dialogues, arguments).stdout.split())
    assert "Pilot: 3 conversations, 2 seeds an arm. Difference +0.67 grade points" in words
    assert "With 5 conversations no result can be significant: least possible p = .0625." in words
    assert "noncentral t" in words


def test_where_the_grader_can_only_fail_it_is_of_shares(store, by_hand):
    kind = {"grader_hash": "a" * 64, "checks_decide": 0}
    arms = [by_hand({c: {0: c[0] + "-", 1: "F-"} for c in ("F1", "-2", "-3")}, **kind) for _ in range(2)]
    words = " ".join(CliRunner().invoke(dialogues, ["power", arms[0], "-d", str(store.path)]).stdout.split())
    assert "one arm. Standard deviation of a difference between seeds" in words
    assert "Power to find a difference of 10 percentage points of replies not failed" in words


def test_what_a_pilot_cannot_tell_is_a_sentence(store, by_hand):
    one = [by_hand({"a": {0: "F"}, "b": {0: g}}) for g in "FP"]
    lone = [by_hand({"a": {0: "F"}}) for _ in range(2)]
    found = pilot_of_pair(pair(*read_sides(store, one, None, False)))
    assert found.sd(1) == pytest.approx(0.5**0.5)
    with pytest.raises(LimaError, match="The pilot has one seed an arm, so it cannot tell what 3 would do"):
        found.sd(3)
    with pytest.raises(LimaError, match="The pilot has one conversation that counts"):
        pilot_of_pair(pair(*read_sides(store, lone, None, False)))
    with pytest.raises(LimaError, match="One arm with one seed says nothing"):
        pilot_of_side(read_sides(store, one[:1], None, False)[0])
    same = [by_hand({"a": {0: "F"}, "b": {0: "P"}}) for _ in range(2)]
    with pytest.raises(LimaError, match="Nothing varies in this pilot"):
        pilot_of_pair(pair(*read_sides(store, same, None, False)))
