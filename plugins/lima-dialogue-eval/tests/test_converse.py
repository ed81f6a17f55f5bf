"""Conversations held and replies graded without a store: a second try, too few replies, and what counts as a grade."""

import pytest

from lima.contract.answers import Sampling
from lima_chat import Turn
from lima_dialogue_eval import GradedTurn, Verdict
from lima_dialogue_eval.converse import Dialogue, converse
from lima_dialogue_eval.judging import judged


def test_a_conversation_that_is_alone_is_tried_once_more_too(script, Model):
    class Flaky(Model):
        def reply(self, *arguments):
            found = super().reply(*arguments)
            if len(self.calls) == 2:
                raise ConnectionError("the line is dead")
            return found

    model, alone = Flaky(), Dialogue(script[1], 0)
    assert [[o.status for o in outcomes] for outcomes in converse([alone], model, Sampling())] == [["answered"]] * 2
    assert (model.calls, alone.status) == ([1, 1, 1], "complete")


def test_too_few_replies_are_an_error_of_the_model(script, Model):
    class Short(Model):
        def reply(self, *arguments):
            return super().reply(*arguments)[:-1]

    outcomes = next(iter(converse([Dialogue(c, 0) for c in script], Short(), Sampling())))
    assert [o.message for o in outcomes] == ["ValueError: parrot gave 0 replies to 1 prompts"] * 2


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (
            Verdict("Excellent", "x"),
            Verdict(None, "The grader said 'Excellent'; expected excellent, pass, fail.", "error"),
        ),
        (Verdict(None, "x"), Verdict(None, "The grader said None; expected excellent, pass, fail.", "error")),
        (Verdict(None, "x", "undecided"), Verdict(None, "x", "undecided")),
        (ValueError("no verdict line"), Verdict(None, "The grader failed: ValueError: no verdict line", "error")),
    ],
)
def test_only_a_known_label_is_a_grade(script, verdict, expected):
    class Judge:
        def grade(self, turn):
            if isinstance(verdict, Exception):
                raise verdict
            return verdict

    assert judged(Judge(), GradedTurn(script[0], 0, (Turn("user", "Hi"),), "Hello", "eot")) == expected
