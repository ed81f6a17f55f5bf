"""Evaluations with conversations that are wrong in one way each fail the check that is named for it, and no other."""

import itertools
from dataclasses import replace
from types import SimpleNamespace

import lima_dialogue_eval
from lima import UNDECIDED, GradesTurns, LimaError, Verdict, hookimpl
from lima_chat import EvalConversation, EvalTurn, KnownReply
from lima_dialogue_eval.testing import EvaluationContract, GraderContract

calls = itertools.count()


WORDS = {("tea", 0): "water", ("tea", 1): "minutes", ("bus", 0): "nine"}


class Good:
    description = "whether the word is said"

    def grade(self, turn):
        word = WORDS.get((turn.conversation.id, turn.index), "nothing else")
        if word not in turn.reply:
            return Verdict("fail", f"it does not say {word}")
        return Verdict(None, "it says the word", UNDECIDED)


class Praising(Good):
    def grade(self, turn):
        return Verdict("excellent", "why not") if turn.reply.strip() else Verdict("fail", "it is empty")


class Picky(Good):
    def verify(self, conversations):
        raise LimaError("I do not like these.")


def talk(id, *asked):
    return EvalConversation(id, "a topic", tuple(EvalTurn(text, ({"text": "is true"},)) for text in asked))


def asked(**more):
    return EvalConversation("odd", "a topic", (EvalTurn("When?", **{"requirements": ({"text": "is true"},)} | more),))


TALKS = [talk("tea", "How do I make tea?", "How long does it take?"), talk("bus", "When does the bus leave?")]
KNOWN = [
    KnownReply("tea", 1, "Pour boiling water over the leaves.", "pass"),
    KnownReply("bus", 1, "", "fail", "empty"),
    KnownReply("bus", 1, "At nine.", "excellent"),
]


def evaluation(conversations=lambda: list(TALKS), known=None, **more):
    knows = {"known_replies": lambda: known} if known is not None else {}
    about = {"description": "two talks", "licence": "CC0-1.0", "grader": "good"}
    return SimpleNamespace(**about | {"conversations": conversations} | knows | more)


class Plugin:
    def __init__(self, thing):
        self.thing = thing

    @hookimpl
    def register_evaluations(self, register):
        register("odd", self.thing)

    @hookimpl
    def register_graders(self, register):
        for name, grader in (("good", Good()), ("praising", Praising()), ("picky", Picky())):
            register(name, grader)


class Grading:
    def __init__(self, grader):
        self.grader = grader

    @hookimpl
    def register_graders(self, register):
        register("odd", self.grader)


FEW = list(TALKS)
WRONG = [
    ("test_works", evaluation(lambda: []), {}),
    ("test_works", evaluation(lambda: [TALKS[0], TALKS[0]]), {}),
    ("test_works", evaluation(lambda: ["How do I make tea?"]), {}),
    ("test_works", evaluation(known=[KnownReply("train", 1, "At ten.", "pass")]), {"known": True}),
    ("test_same_twice", evaluation(lambda: [talk(f"tea {next(calls)}", "How do I make tea?")]), {}),
    ("test_same_twice", evaluation(lambda: FEW), {}),
    (
        "test_same_twice",
        evaluation(known_replies=lambda: [*KNOWN, KnownReply("tea", 1, f"Tea {next(calls)}", "fail", "talk")]),
        {"known": True},
    ),
    ("test_texts_can_be_stored", evaluation(lambda: [talk("half", "What is \ud83d?")]), {}),
    ("test_texts_can_be_stored", evaluation(lambda: [replace(TALKS[0], system="Be \ud83d.")]), {}),
    ("test_texts_can_be_stored", evaluation(lambda: [asked(facts={"hours": {9, 10}})]), {}),
    ("test_texts_can_be_stored", evaluation(lambda: [asked(requirements=("is true",))]), {}),
    ("test_grader_is_registered", evaluation(grader="nobody"), {}),
    ("test_requirements_can_be_graded", evaluation(grader="picky"), {}),
    ("test_nothing_passes_unearned", evaluation(grader="praising"), {}),
    ("test_known_replies_are_there", evaluation(), {"known": True}),
    ("test_known_replies_are_there", evaluation(known=KNOWN), {}),
    ("test_known_replies_are_there", evaluation(known=KNOWN[1:2]), {"known": True}),
    (
        "test_known_replies_have_their_grades",
        evaluation(known=[*KNOWN[1:], KnownReply("tea", 1, "So.", "pass")]),
        {"known": True},
    ),
]


def failures(base, plugin, more):
    return list(
        type("Odd", (base,), {"plugin": plugin, "requires": (lima_dialogue_eval,), "name": "odd", **more}).failures()
    )


def test_a_wrong_evaluation_fails_the_one_check():
    found = {
        n: (check, failures(EvaluationContract, Plugin(thing), more)) for n, (check, thing, more) in enumerate(WRONG)
    }
    assert {n: one for n, one in found.items() if one[1] != [one[0]]} == {}


def test_what_is_right_fails_none():
    assert failures(EvaluationContract, Plugin(evaluation(known=KNOWN)), {"known": True}) == []


class Forgetful(Good):
    """Says each time that it is another"""

    def identity(self):
        return f"grader {next(calls)}"


class Together(Good):
    def grade_all(self, turns, on_verdict):
        for place, turn in enumerate(turns):
            on_verdict(place, self.grade(turn))


class Shifted(Together):
    """Counts places from the last one"""

    def grade_all(self, turns, on_verdict):
        return [self.grade(turn) for turn in reversed(turns)]


class Leaving(Together):
    """Has no verdict on what it has graded before"""

    def grade_all(self, turns, on_verdict):
        for place, turn in enumerate(turns[:-1]):
            on_verdict(place, self.grade(turn))


GRADERS = [
    ("test_accepts_its_conversation", Picky()),
    ("test_identity_is_the_same_twice", Forgetful()),
    ("test_identity_is_the_same_twice", type("Silent", (Good,), {"identity": lambda self: " "})()),
    ("test_graded_together_as_alone", Shifted()),
    ("test_graded_together_as_alone", Leaving()),
]


def test_a_wrong_grader_of_turns_fails_the_one_check():
    contract = {
        "abilities": (GradesTurns,),
        "asked": EvalTurn("Say something else.", ({"text": "is true"},), "opening"),
    }
    contract |= {"good": ("nothing else",), "bad": ("no",)}
    found = {n: (check, failures(GraderContract, Grading(thing), contract)) for n, (check, thing) in enumerate(GRADERS)}
    assert {n: one for n, one in found.items() if one[1] != [one[0]]} == {}
    assert failures(GraderContract, Grading(Together()), contract) == []
