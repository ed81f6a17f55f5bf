"""The grader 'requirements': the grades, requirements that cannot be read, and patterns that take for ever."""

import time

import pytest

from lima.errors import LimaError
from lima_chat import EvalConversation, EvalTurn
from lima_dialogue_eval import GradedTurn, Verdict
from lima_dialogue_eval.checks import CHECKS
from lima_dialogue_eval.grade import Requirements


def test_names_of_checks_that_files_of_earlier_versions_have():
    old = (
        "max_words min_words max_sentences contains_all contains_any contains_none regex not_regex list_items min_list_items "
        "max_list_items no_list ends_with_question paragraphs max_paragraphs json table starts_with"
    )
    assert set(old.split()) - set(CHECKS) == set()


def turn(*requirements, reply="Fine, thanks.", stop="eot"):
    conversation = EvalConversation("c", "Topic", (EvalTurn("How are you?", requirements),))
    Requirements().verify([conversation])
    return GradedTurn(conversation, 0, (), reply, stop)


MUST = {"text": "is fine", "check": {"contains_all": "fine"}}
NICE = {"text": "is short", "check": {"max_words": 2}, "must": False}
OPEN = {"text": "is kind"}


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        (turn(MUST, NICE), Verdict("excellent", "All 2 checked requirements met.")),
        (turn(MUST), Verdict("excellent", "The checked requirement is met.")),
        (turn(MUST, NICE, reply="I am fine"), Verdict("pass", "Missed: is short (3 words, at most 2 wanted).")),
        (
            turn(MUST, NICE, reply="Bad"),
            Verdict("fail", "Missed (must): is fine (without 'fine')."),
        ),
        (
            turn(MUST, stop="length"),
            Verdict("pass", "The checked requirement is met. The model did not end the reply (stop: length)."),
        ),
        (turn(MUST, stop="stop"), Verdict("excellent", "The checked requirement is met.")),
        (turn(MUST, OPEN), Verdict("excellent", "The checked requirement is met. Left to a person: is kind.")),
        (turn(OPEN), Verdict(None, "Left to a person: is kind.", "undecided")),
        (turn(), Verdict(None, "This turn has no requirement.", "undecided")),
    ],
)
def test_grades(given, verdict):
    assert Requirements().grade(given) == verdict


@pytest.mark.parametrize(
    ("requirement", "sentence"),
    [
        ({"check": {}}, "Conversation 'c', turn 1: a requirement is {'check': {}}; expected an object with 'text'"),
        ({"text": "x", "must": "yes"}, "Conversation 'c', turn 1: 'must' of 'x' is 'yes'; expected true or false."),
        ({"text": "x", "check": {"wrods": 1}}, "Conversation 'c', turn 1: 'wrods' is not a check."),
    ],
)
def test_a_malformed_requirement_names_conversation_and_turn(requirement, sentence):
    with pytest.raises(LimaError) as e:
        turn(requirement)
    assert str(e.value).startswith(sentence)


def test_a_pattern_that_takes_for_ever_is_a_status():
    """It backtracks without end on this reply; what another check misses for certain is a grade all the same"""
    slow = {"regex": "(.*,){25}P"}
    started = time.monotonic()
    verdict = Requirements().grade(turn({"text": "x", "check": slow}, reply="1," * 3_000))
    assert (verdict.grade, verdict.status) == (None, "error")
    assert "took longer than 0.5 s" in verdict.reason
    verdict = Requirements().grade(turn({"text": "x", "check": slow | {"contains_all": "fine"}}, reply="1," * 3_000))
    assert verdict.grade == "fail"
    assert time.monotonic() - started < 8
