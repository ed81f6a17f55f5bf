"""Turns that were not reached because the replies before them filled the context: Fails, shown with and without them."""

import io

import pytest
from reports import data_of, replies_of
from rich.console import Console

from lima_dialogue_eval import compare, print_comparison, write_report
from lima_dialogue_eval.comparison.result import Change
from lima_dialogue_eval.record.log import DialogueLog
from lima_dialogue_eval.report.figures import counts_line, reached_line
from lima_dialogue_eval.statistics import Tally


@pytest.fixture
def rambling(store, by_hand):
    """A model that answers well until its context is full"""
    before = by_hand({"a": {0: "PPP", 1: "PPP"}, "b": {0: "PF", 1: "PP"}}, arm="short")
    after = by_hand({"a": {0: "E..", 1: "EEE"}, "b": {0: "EE", 1: "EE"}}, arm="rambling")
    with store.write() as db:
        db.execute("update dialogue_turns set stop = 'length' where dialogue_run = ? and turn = 1", [after])
    return compare(store, before, after)


def test_they_are_fails_and_their_conversation_stays(rambling):
    c = rambling
    assert (c.left_out, c.waiting) == ((), 0)
    assert (c.before.tally, c.after.tally) == (Tally(0, 9, 1), Tally(8, 0, 2))
    assert c.changes == (Change("a", "About a", 1.0, pytest.approx(4 / 3)), Change("b", "About b", 0.75, 2.0))
    assert c.by_turn[1] == (2, Tally(0, 3, 1), Tally(3, 0, 1))
    assert (c.before.early_fails, c.after.early_fails) == (1, 1)
    assert c.by_kind == (
        ("follow-up", Tally(0, 5, 1), Tally(4, 0, 2)),
        ("opening", Tally(0, 4, 0), Tally(4, 0, 0)),
    )


def test_the_figures_without_them_stand_beside(rambling):
    found = rambling.reached
    assert (found.before, found.after) == (Tally(0, 9, 1), Tally(8, 0, 0))
    assert found.difference == pytest.approx((1.0 + 1.25) / 2)  # a: P against E at turn 1 and of seed 1; b as above
    assert reached_line(rambling).startswith("Fail 10.0 % = 1/10 before, 0.0 % = 0/8 after; mean grade +1.12 points [")
    assert rambling.as_dict()["without_unreached"]["n"] == 2


def test_what_a_reader_must_know_is_counted_at_the_top(store, rambling):
    after = counts_line(rambling.after)
    assert after == (
        "8 replies; undecided 0, cut 4; conversations with context full 1 (2 turns not reached, which are Fails); errors 0"
    )
    console = Console(file=io.StringIO(), width=200)
    print_comparison(rambling, console)
    assert console.file.getvalue().splitlines()[:2] == [f"short: {counts_line(rambling.before)}", f"rambling: {after}"]
    assert f"Without the turns not reached: {reached_line(rambling)}" in console.file.getvalue()


def test_the_report_shows_each_turn_that_was_not_reached(store, rambling, tmp_path):
    page = write_report(store, rambling, tmp_path / "report.html").read_text()
    replies = [r for r in replies_of(data_of(page)[1]) if r.get("text") is None]
    assert [(r["grade"], r["message"]) for r in replies] == [("fail", "context full: too long")] * 2
    assert f"{counts_line(rambling.after)}." in page
    assert reached_line(rambling) in page
    assert sum(turn["worse"] for c in data_of(page)[1] for d in c for turn in d["turns"]) == 2


def test_where_nobody_reached_a_turn_its_kind_is_unknown_and_the_other_figure_may_not_exist(store, by_hand):
    c = compare(store, by_hand({"a": {0: ".."}}), by_hand({"a": {0: ".."}}))
    assert (c.before.tally, c.reached, c.difference) == (Tally(0, 0, 2), None, 0.0)
    assert [kind for kind, _, _ in c.by_kind] == ["", "opening"]
    assert reached_line(c).startswith("no figure")


def test_a_context_that_is_full_at_once_is_no_missing_verdict(store, by_hand):
    c = compare(store, by_hand({"a": {0: ".."}}), by_hand({"a": {0: "PE"}}))
    assert (c.difference, c.before.counts.unseen) == (1.5, 0)


def test_an_error_still_leaves_both_sides(store, by_hand):
    before, after = by_hand({"a": {0: "PP"}, "b": {0: "PP"}}), by_hand({"a": {0: "P."}, "b": {0: "PP"}})
    ended = {"conversation": "b", "seed": 0, "status": "error", "message": "no line"}
    DialogueLog(store, after).turns([], [ended])
    c = compare(store, before, after)
    assert c.left_out == ({"conversation": "b", "arm": "after", "reason": "error (seed 0): no line"},)
    assert (c.after.counts.errors, c.after.counts.context_full, c.after.counts.not_reached) == (1, 1, 1)
