"""Conversations: what is refused, which turns are trained, the hash, and evaluations; importing the plugin is cheap."""

import subprocess
import sys

import pytest

from lima import LimaError
from lima.contract.examples import Example
from lima_chat import Conversation, EvalConversation, EvalTurn, Turn

U, A, S = Turn("user", "Why?"), Turn("assistant", "So."), Turn("system", "Be kind.")


def test_importing_the_plugin_is_cheap():
    code = (
        "import sys, lima_chat; "
        "print([m for m in ('torch', 'transformers', 'sqlite_utils', 'jinja2', 'tokenizers') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


@pytest.mark.parametrize(
    ("turns", "problem"),
    [
        ((), "it has no turns; expected a user's and an assistant's."),
        ((A,), "turn 1 is the assistant's where the system or user's was expected; user and assistant alternate."),
        ((U, U), "turn 2 is the user's where the assistant's was expected; user and assistant alternate."),
        ((U, A, A), "turn 3 is the assistant's where the user's was expected; user and assistant alternate."),
        (
            (U, S, A),
            "turn 2 is the system's where the assistant's was expected; a system turn comes first or not at all.",
        ),
        (
            (S, S, U, A),
            "turn 2 is the system's where the user's was expected; a system turn comes first or not at all.",
        ),
        ((U, A, U), "it ends with turn 3, the user's; expected an answer. Add it, or drop that turn."),
        ((S,), "it ends with turn 1, the system's; expected an answer. Add it, or drop that turn."),
        ((U, Turn("assistant", " \n")), "turn 2 is an empty answer. Write it, or leave the conversation out."),
        ((Turn("human", "Why?"), A), "turn 1 has role 'human'. Known: assistant, system, tool, user."),
        (
            (U, Turn("assitant", "So.")),
            "turn 2 has role 'assitant'. Did you mean 'assistant'? Known: assistant, system, tool, user.",
        ),
        ((Turn("user", None), A), "turn 1 (user) is NoneType; expected text."),
        ((U, Turn("assistant", "a", "yes")), "turn 2 (assistant) has train 'yes'; expected true or false."),
        ((U, Turn("assistant", "a", True, -1)), "turn 2 (assistant) has weight -1; expected a number of 0 or more."),
        (
            (U, Turn("assistant", "a", True, float("nan"))),
            "turn 2 (assistant) has weight nan; expected a number of 0 or more.",
        ),
        (
            (Turn("user", "\ud83d"), A),
            "turn 1 (user) has half a character, '\\ud83d', which is not text. Correct its encoding.",
        ),
    ],
)
def test_a_conversation_that_cannot_be_learnt_from_is_refused_by_name_and_turn(turns, problem):
    with pytest.raises(LimaError) as e:
        Conversation(id="c7", source="talks", turns=turns)
    assert str(e.value) == f"Conversation 'c7' of source 'talks': {problem}"


def test_trained_turns():
    turns = [
        S,
        U,
        A,
        U,
        Turn("assistant", "b", train=False),
        U,
        Turn("assistant", "c", weight=0),
        U,
        Turn("assistant", "d"),
    ]
    conversation = Conversation(id="c", turns=turns)
    assert conversation.trained_turns == (2, 8)
    assert conversation.turns == tuple(turns)


def test_the_hash_is_of_what_is_learnt():
    one = Conversation(id="a", source="x", turns=(U, A))
    same = Conversation(id="b", licence="MIT", provenance="z", turns=(Turn("user", "Why?", train=False, weight=3), A))
    muted = Conversation(id="a", turns=(U, Turn("assistant", "So.", train=False)))
    assert one.content_hash == same.content_hash != muted.content_hash
    assert muted.content_hash == Conversation(id="a", turns=(U, Turn("assistant", "So.", weight=0.0))).content_hash
    assert one.content() == {
        "turns": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So.", "weight": 1.0}]
    }


def test_an_example_as_a_conversation():
    example = Example(id="e", source="s", licence="MIT", provenance="p", prompt="Why?", response="So.", weight=0.5)
    conversation = Conversation.of(example)
    assert conversation == Conversation(
        id="e", source="s", licence="MIT", provenance="p", turns=(U, Turn("assistant", "So.", weight=0.5))
    )
    assert Conversation.of(conversation) is conversation


def test_an_evaluation_needs_something_to_say():
    assert EvalTurn("Why?") == EvalTurn(user="Why?", requirements=(), kind="", facts={})
    assert EvalConversation("a", "cats", [EvalTurn("Why?")]).turns == (EvalTurn("Why?"),)
    with pytest.raises(LimaError, match=r"^Evaluation conversation 'a' has no turns"):
        EvalConversation("a", "cats", ())
    with pytest.raises(LimaError, match=r"^Evaluation conversation 'a': turn 2 has no text"):
        EvalConversation("a", "cats", (EvalTurn("Why?"), EvalTurn(" ")))
