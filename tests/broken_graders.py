"""Imported by tests: graders and evaluations that are wrong in one way each, by the check that must say so."""

import itertools
import random
import re
import time
from types import SimpleNamespace

from lima import UNDECIDED, GradesReplies, GradesTurns, Opens, Verdict, blank
from lima.testing import EvaluationContract, GraderContract

calls = itertools.count()


class Contract(GraderContract):
    name, abilities, seconds = "odd", (GradesReplies,), 1.0
    good, bad = ("Seven minutes.",), ("As long as you like.",)


class Good:
    description = "whether seven is said"

    def grade_reply(self, example, reply, stop):
        if blank(reply):
            return Verdict("fail", "it is empty")
        if "seven" not in reply.lower():
            return Verdict("fail", "it does not say seven")
        return Verdict("excellent" if stop == "eot" else "pass", "it says seven")


def saying(change):
    """A grader that changes its verdict, given with reply and stop"""

    class Changed(Good):
        def grade_reply(self, example, reply, stop):
            return change(super().grade_reply(example, reply, stop), reply, stop)

    return Changed()


def when(condition, verdict):
    """A grader with this verdict on some replies"""
    return saying(lambda found, reply, stop: verdict if condition(reply) else found)


def deep(text):
    return text[:1] in ("(", "[") and deep(text[1:])


def for_ever(verdict, reply, stop):
    while reply.startswith("1,1"):
        pass
    return verdict


def cut_off(verdict, reply, stop):
    grade = "excellent" if stop == "length" else "pass"
    return verdict if verdict.grade == "fail" else Verdict(grade, "it says seven")


class Taking:
    description = "takes the reply out of the turn"

    def grade(self, turn):
        return Good().grade_reply(None, turn.pop("reply"), turn["stop"])


def turns(self, reply, stop):
    return {"reply": reply, "stop": stop}


class Opening:
    description = "opens a grader of nothing"

    def open(self, argument, store):
        return SimpleNamespace(grade_reply=lambda example, reply, stop: None)


GRADERS = [
    ("test_works", saying(lambda verdict, reply, stop: None), {}),
    ("test_works", saying(lambda verdict, reply, stop: verdict.grade), {}),
    ("test_works", saying(lambda verdict, reply, stop: 1 / 0), {}),
    ("test_works", Opening(), {"abilities": (Opens,), "argument": "a"}),
    ("test_works", Taking(), {"abilities": (GradesTurns,)}),
    ("test_abilities_are_those_that_are_named", Good(), {"abilities": (GradesReplies, GradesTurns)}),
    ("test_verdicts_are_complete", saying(lambda verdict, reply, stop: Verdict("good", "so it is"))),
    ("test_verdicts_are_complete", saying(lambda verdict, reply, stop: Verdict("pass", "who knows", UNDECIDED))),
    ("test_verdicts_are_complete", saying(lambda verdict, reply, stop: Verdict(None, "who knows"))),
    ("test_verdicts_are_complete", saying(lambda verdict, reply, stop: Verdict("pass", "so it is", "sure"))),
    ("test_verdicts_are_complete", saying(lambda verdict, reply, stop: Verdict(verdict.grade, " "))),
    ("test_same_twice", saying(lambda verdict, reply, stop: Verdict(verdict.grade, f"verdict {next(calls)}"))),
    ("test_changes_nothing_that_it_grades", Taking(), {"abilities": (GradesTurns,), "turn": turns}),
    ("test_empty_reply_fails", when(lambda reply: not reply, Verdict("pass", "nothing wrong in it"))),
    ("test_empty_reply_fails", when(blank, Verdict(None, "nothing in it", UNDECIDED))),
    ("test_empty_reply_fails", when(lambda reply: reply == "\u200b", Verdict("pass", "it is not empty"))),
    ("test_hostile_replies", saying(lambda verdict, reply, stop: (deep(reply), verdict)[1])),
    ("test_hostile_replies", saying(for_ever)),
    ("test_hostile_replies", saying(lambda verdict, reply, stop: (reply.encode(), verdict)[1])),
    ("test_hostile_replies", saying(lambda verdict, reply, stop: (re.match(r"(a|a)*b", reply[:60]), verdict)[1])),
    ("test_hostile_replies", when(lambda reply: "{" in reply, Verdict("best", "it says so itself"))),
    ("test_long_replies", saying(lambda verdict, reply, stop: (time.sleep(1.1 * (len(reply) > 50_000)), verdict)[1])),
    ("test_cut_off_replies_are_no_better", saying(cut_off)),
    ("test_good_replies_do_not_fail", when(lambda reply: reply == "Seven minutes.", Verdict("fail", "too short"))),
    ("test_bad_replies_fail", when(lambda reply: reply == "As long as you like.", Verdict("pass", "friendly"))),
    ("test_prints_nothing", saying(lambda verdict, reply, stop: (print(verdict), verdict)[1])),
    ("test_leaves_random_numbers_alone", saying(lambda verdict, reply, stop: (random.random(), verdict)[1])),
]
"""(the check that must fail, and no other; the grader; what its contract says besides)"""


class OfEvaluations(EvaluationContract):
    name = "odd"


def evaluation(**changes):
    return SimpleNamespace(**{"description": "nothing much", "licence": "CC0-1.0", "grader": "good"} | changes)


class Vanishing:
    """Can be read once"""

    description, grader, left = "nothing much", "good", 1

    @property
    def licence(self):
        self.left -= 1
        return ["CC0-1.0"][-self.left]


EVALUATIONS = [
    ("test_works", Vanishing()),
    ("test_is_registered", evaluation(grader=None)),
    ("test_description_is_one_line", evaluation(description="a\tb")),
    ("test_licence_is_named", evaluation(licence="")),
    ("test_grader_is_registered", evaluation(grader="nobody")),
]
