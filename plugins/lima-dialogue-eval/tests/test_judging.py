"""Graders that lie, fail or take many turns at once: what is wrong is a status of that turn, and what came is kept."""

import sqlite3
from contextlib import closing

import pytest

import lima_dialogue_eval
from lima import LimaError, Reply, Sampling, Store, Tick, Verdict, hookimpl
from lima.testing import only_plugins
from lima_chat import Turn
from lima_dialogue_eval import GradedTurn, resume_evaluation, run_evaluation
from lima_dialogue_eval.record.log import replies, summary
from lima_dialogue_eval.run.judging import judged, judged_many

TICK = Tick("is kind", True, "Hello")


def turn_of(script, reply="Hello"):
    return GradedTurn(script[0], 0, (Turn("user", "Hi"),), reply, "eot")


class Says:
    """A grader whose verdict is given"""

    description = "says what it is told"

    def __init__(self, verdict):
        self.verdict = verdict

    def grade(self, turn):
        if isinstance(self.verdict, Exception):
            raise self.verdict
        return self.verdict


@pytest.mark.parametrize(
    "verdict", [Verdict("pass", "x", ticks=(TICK,)), Verdict(None, "x", "undecided"), Verdict(None, "x", "error")]
)
def test_a_verdict_stays_as_it_is(script, verdict):
    assert judged(Says(verdict), turn_of(script)) == verdict


class Odd:
    def __eq__(self, other):
        raise RuntimeError("do not compare me")

    __hash__ = None

    def __repr__(self):
        raise RuntimeError("do not look at me")


@pytest.mark.parametrize(
    ("verdict", "reason"),
    [
        (None, "The grader said None; expected a Verdict."),
        ("fail", "The grader said 'fail'; expected a Verdict."),
        (Verdict("Excellent", "x"), "The grader said 'Excellent'; expected excellent, pass, fail."),
        (Verdict(None, "x"), "The grader said None; expected excellent, pass, fail."),
        (Verdict(["pass"], "x"), "The grader said ['pass']; expected excellent, pass, fail."),
        (
            Verdict("pass", "x", "undecided"),
            "The grader said 'pass' although the status is 'undecided'; expected None.",
        ),
        (
            Verdict(None, "x", "needs a person"),
            "The grader said 'needs a person' as the status; expected graded, undecided or error.",
        ),
        (Verdict("pass", None), "The grader said None as the reason; expected text."),
        (
            Verdict("pass", "x", ticks=None),
            "The grader said a verdict that cannot be read (TypeError: 'NoneType' object is not iterable).",
        ),
        (
            Verdict("pass", "x", ticks=(Tick("is kind", "yes"),)),
            "The grader said Tick(requirement='is kind', met='yes', quote='') as a tick; expected a Tick with a text, True, "
            "False or None, and a quote.",
        ),
        (
            Verdict("pass", "x", ticks=({"met": 1},)),
            "The grader said {'met': 1} as a tick; expected a Tick with a text, True, False or None, and a quote.",
        ),
        (Verdict(Odd(), "x"), "The grader said a verdict that cannot be read (RuntimeError: do not compare me)."),
        (Odd(), "The grader said an object of Odd; expected a Verdict."),
        (ValueError("no verdict line"), "The grader failed: ValueError: no verdict line"),
    ],
)
def test_what_is_no_verdict_is_a_status(script, verdict, reason):
    assert judged(Says(verdict), turn_of(script)) == Verdict(None, reason, "error")


@pytest.mark.parametrize("reply", ["", " \n\t", "\u200b\u2060", "\u3164", "\u2800 \ufeff"])
def test_an_empty_reply_is_a_fail_and_its_grader_is_not_asked(script, reply):
    assert judged(Says(Verdict("excellent", "x")), turn_of(script, reply)) == Verdict("fail", "The reply is empty.")


@pytest.mark.parametrize("reply", [".", "👍", "\u200bno", "0"])
def test_a_short_reply_is_not_an_empty_one(script, reply):
    assert judged(Says(Verdict("excellent", "x")), turn_of(script, reply)) == Verdict("excellent", "x")


class Many(Says):
    """Takes many turns: those in `told` through on_verdict, and returns or raises what it is given"""

    def __init__(self, told, returned=None):
        self.told, self.returned = told, returned

    def grade_all(self, turns, on_verdict):
        self.turns = len(turns)
        for place, verdict in self.told:
            on_verdict(place, verdict)
        if isinstance(self.returned, Exception):
            raise self.returned
        return self.returned


PASS, FAIL = Verdict("pass", "p"), Verdict("fail", "f")


@pytest.mark.parametrize(
    ("told", "returned", "expected"),
    [
        ([(1, FAIL), (0, PASS)], None, ["p", "f"]),
        ([], [PASS, FAIL], ["p", "f"]),
        ([(0, PASS)], [FAIL, FAIL], ["p", "f"]),
        ([(0, PASS), (0, FAIL), (1, FAIL)], None, ["p", "f"]),
        ([(0, PASS), (1, TimeoutError("slow"))], None, ["p", "The grader failed: TimeoutError: slow"]),
        ([(0, PASS)], [PASS, TimeoutError("slow")], ["p", "The grader failed: TimeoutError: slow"]),
        ([(0, PASS)], ConnectionError("dead"), ["p", "The grader failed: ConnectionError: dead"]),
        ([(0, PASS)], None, ["p", "The grader failed: ValueError: it gave no verdict on this turn"]),
        ([(0, PASS)], [FAIL], ["p", "The grader failed: ValueError: it gave no verdict on this turn"]),
        ([(0, PASS), (1, "pass")], None, ["p", "The grader said 'pass'; expected a Verdict."]),
        (
            [(0, PASS), (2, FAIL)],
            None,
            ["p", "The grader failed: ValueError: 2 is not one of the 2 places, counted from 0"],
        ),
    ],
)
def test_a_grader_of_many_turns_keeps_what_came(script, told, returned, expected):
    found, judge = {}, Many(told, returned)
    judged_many(judge, [turn_of(script, reply) for reply in ("", "a", "b")], lambda some: found.update(some))
    assert judge.turns == 2
    assert [found[n].reason for n in range(3)] == ["The reply is empty.", *expected]


class Counting:
    """A plugin with a grader of many turns, which says how many are in the database when it gives the next"""

    description = "counts"

    def __init__(self, file):
        self.file, self.seen, self.broken = file, [], True

    @hookimpl
    def register_graders(self, register):
        register("counting", self)

    def grade(self, turn):
        raise NotImplementedError

    def grade_all(self, turns, on_verdict):
        for place, turn in enumerate(turns):
            with closing(sqlite3.connect(self.file)) as other:
                self.seen.append(other.execute("select count(*) from dialogue_grades").fetchone()[0])
            if self.broken and turn.index:
                raise ConnectionError("dead")
            on_verdict(place, Verdict("pass", "p"))


def test_each_verdict_is_kept_when_it_is_there_and_what_failed_is_graded_on_resuming(tmp_path, Evaluations, Model):
    counting = Counting(tmp_path / "l.db")
    modules = {"lima_dialogue_eval": lima_dialogue_eval, "evaluations": Evaluations(), "counting": counting}
    with only_plugins(**modules), Store(tmp_path / "l.db") as store:
        id = run_evaluation(store, "small", Model(), arm="", seeds=[0], sampling=Sampling(), grader="counting")
        assert counting.seen[:2] == [0, 1]
        assert (summary(store, id)["pass"], summary(store, id)["errors"]) == (2, 3)
        counting.broken, model = False, Model()
        resume_evaluation(store, id, model)
        assert model.calls == []
        assert (summary(store, id)["pass"], summary(store, id)["errors"]) == (5, 0)
        assert [r["ticks"] for r in replies(store, id, "counting")] == [[]] * 5
        with pytest.raises(LimaError, match="nothing to resume"):
            resume_evaluation(store, id, Model())


def test_a_grader_that_is_half_made_is_refused_when_it_is_registered(Evaluations):
    class Half(Counting):
        def grade_all(self, turns):
            return []

    with only_plugins(lima_dialogue_eval=lima_dialogue_eval, half=Half("")) as plugins:
        assert "counting" not in plugins.registry("graders")
        assert "cannot be called as grade_all(turns, on_verdict)" in plugins.broken[0].error


def test_a_verdict_and_a_reply_that_no_database_holds_are_stored_readable(store, Model):
    class Broken(Model):
        def reply(self, prompts, *rest):
            return [Reply("nine ten water \ud800", [], "\ud801", 0.0, []) for _ in prompts]

    id = run_evaluation(store, "small", Broken(), arm="", seeds=[0], sampling=Sampling())
    assert {(r["reply"], r["stop"]) for r in replies(store, id, "requirements")} == {
        ("nine ten water \ufffd", "\ufffd")
    }
    assert summary(store, id)["cut"] == 5
