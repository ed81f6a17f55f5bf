"""Several arms against the first, and what the seeds of an arm say."""

import io
import json

import pytest
from click.testing import CliRunner
from rich.console import Console

from lima_dialogue_eval import compare
from lima_dialogue_eval.cli.dialogues import dialogues
from lima_dialogue_eval.comparison.arms import compare_each
from lima_dialogue_eval.comparison.family import METHOD, Family
from lima_dialogue_eval.comparison.outcomes import Reliability
from lima_dialogue_eval.report.figures import reliability_line
from lima_dialogue_eval.report.terminal import print_family
from lima_dialogue_eval.statistics import holm

TEN = [f"{n:02d}" for n in range(1, 11)]


@pytest.fixture
def three(by_hand):
    """A first arm, one that is better in nine conversations of ten, and one that is better in all"""
    return [
        by_hand({c: {0: "FP"} for c in TEN}, arm="base"),
        by_hand({c: {0: "PP" if i else "FF"} for i, c in enumerate(TEN)}, arm="some"),
        by_hand({c: {0: "EP"} for c in TEN}, arm="more"),
    ]


def test_each_arm_is_compared_with_the_first_and_holm_is_over_them(store, three):
    family = Family.of(compare_each(store, three))
    some, more = family.comparisons
    assert [(c.before.label, c.after.label) for c in family.comparisons] == [("base", "some"), ("base", "more")]
    assert some == compare(store, three[0], three[1])
    assert (some.p_value, more.p_value) == (22 / 1024, 2 / 1024)
    assert family.adjusted == (22 / 1024, 4 / 1024) == tuple(holm({"a": some.p_value, "b": more.p_value}).values())


def test_the_command_takes_several_arms(store, three):
    shown = json.loads(CliRunner().invoke(dialogues, ["compare", *three, "--json", "-d", str(store.path)]).stdout)
    assert (shown["method"], shown["first"]) == (METHOD, "base")
    assert [(c["after"]["label"], c["p_value"], c["holm_p_value"]) for c in shown["comparisons"]] == [
        ("some", 22 / 1024, 22 / 1024),
        ("more", 2 / 1024, 4 / 1024),
    ]


@pytest.mark.parametrize("width", [60, 80])
def test_the_table_of_several_arms(store, three, width):
    console = Console(file=io.StringIO(), width=width)
    print_family(Family.of(compare_each(store, three)), console)
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= width
    rows = [cells for line in text.splitlines() if len(cells := line.split()) == 6 and cells[1].isdigit()]
    assert rows == [
        ["base", "20", "0.0", "50.0", "50.0", "0.0"],
        ["some", "20", "0.0", "90.0", "10.0", "0.0"],
        ["more", "20", "50.0", "50.0", "0.0", "0.0"],
    ]
    words = " ".join(text.split())
    assert "more (after) against base (before): mean grade +1.00 points [+1.00, +1.00]; sign-flip p = .00195" in words
    assert "by Holm: p = .00391; better in 10, tied in 0, worse in 0 of 10" in words


def test_arms_of_one_name_are_told_apart_by_their_runs(store, by_hand):
    names = [by_hand({"a": {0: "F"}}, arm=arm) for arm in ("x", "x", "y")]
    found = compare_each(store, names)
    assert [found[0].before.label, *(c.after.label for c in found)] == ["run-1", "run-2", "y"]


def test_what_seeds_say_is_beside_the_mean(store, by_hand):
    """By hand: of two values x < y the 10th and 90th percentile are x + .1 (y − x) and x + .9 (y − x)"""
    before = by_hand({"a": {0: "FP", 1: "EE"}, "b": {0: "PP", 1: "PP"}})
    after = by_hand({"a": {0: "PE", 1: "EE"}, "b": {0: "PP", 1: "P-"}})
    c = compare(store, before, after)
    assert c.before.reliability == Reliability(
        aptitude=pytest.approx((0.5 + 0.9 * 1.5 + 1) / 2),
        unreliability=pytest.approx(0.8 * 1.5 / 2),
        all_pass=1,
        conversations=2,
        replicates=2,
    )
    assert (c.after.reliability.all_pass, c.after.reliability.unreliability) == (1, pytest.approx(0.8 * 0.5 / 2))
    assert reliability_line(c.before, c.outcome) == (
        "aptitude 1.43, unreliability 0.60; every reply of all 2 seeds is at least Pass in 1 of 2 conversations"
    )
    assert c.as_dict()["before"]["reliability"]["all_pass"] == 1


def test_of_a_grader_that_can_only_fail_they_are_shares(store, by_hand):
    kind = {"grader_hash": "a" * 64, "checks_decide": 0}
    before, after = by_hand({"a": {0: "F-", 1: "--"}}, **kind), by_hand({"a": {0: "--", 1: "--"}}, **kind)
    c = compare(store, before, after)
    assert reliability_line(c.before, c.outcome) == (
        "aptitude 95.0 %, unreliability 40.0 %; no reply of all 2 seeds fails in 0 of 1 conversation"
    )
    assert c.after.reliability.all_pass == 1


def test_one_seed_says_nothing_of_that(store, by_hand):
    c = compare(store, by_hand({"a": {0: "F"}}), by_hand({"a": {0: "F"}}))
    assert (c.before.reliability, reliability_line(c.before, c.outcome)) == (None, "")
