"""The grader 'requirements': the grades, requirements that cannot be read, and patterns that take for ever."""

import time

import pytest

from lima import LimaError, Tick
from lima_chat import EvalConversation, EvalTurn
from lima_dialogue_eval import GradedTurn, Verdict
from lima_dialogue_eval.checks import CHECKS
from lima_dialogue_eval.conversation.grade import Requirements


def test_names_of_checks_that_files_of_earlier_versions_have():
    old = (
        "max_words min_words max_sentences contains_all contains_any contains_none regex not_regex list_items min_list_items "
        "max_list_items no_list ends_with_question paragraphs max_paragraphs json table starts_with"
    )
    assert set(old.split()) - set(CHECKS) == set()


def turn(*requirements, reply="Fine, thanks.", stop="eot", decide=False):
    conversation = EvalConversation("c", "Topic", (EvalTurn("How are you?", requirements),))
    Requirements().verify([conversation])
    return GradedTurn(conversation, 0, (), reply, stop, decide)


MUST = {"text": "is fine", "check": {"contains_all": "fine"}}
NICE = {"text": "is short", "check": {"max_words": 2}, "must": False}
OPEN = {"text": "is kind"}
SLOW = {"text": "is odd", "check": {"regex": "(.*,){25}P"}}
CUT = "The model did not end the reply (stop: length)."
GOOD = "Left to a reader: whether the reply is good."


def verdict(grade, reason, status="graded", **met):
    return Verdict(grade, reason, status, tuple(Tick(text.replace("_", " "), value) for text, value in met.items()))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((MUST, NICE), verdict("excellent", "All 2 checked requirements met.", is_fine=True, is_short=True)),
        ((MUST,), verdict("excellent", "The checked requirement is met.", is_fine=True)),
        (
            (MUST, NICE, "I am fine"),
            verdict("pass", "Missed: is short (3 words, at most 2 wanted).", is_fine=True, is_short=False),
        ),
        (
            (MUST, NICE, "Bad"),
            verdict("fail", "Missed (must): is fine (without 'fine').", is_fine=False, is_short=True),
        ),
        ((MUST, "Fine", "length"), verdict("pass", f"The checked requirement is met. {CUT}", is_fine=True)),
        ((MUST, "Fine", "stop"), verdict("excellent", "The checked requirement is met.", is_fine=True)),
        (
            (MUST, OPEN),
            verdict(
                None,
                "The checked requirement is met. Left to a reader: is kind.",
                "undecided",
                is_fine=True,
                is_kind=None,
            ),
        ),
        ((OPEN,), verdict(None, "Left to a reader: is kind.", "undecided", is_kind=None)),
        ((), verdict(None, f"This turn has no requirement. {GOOD}", "undecided")),
    ],
)
def test_grades_where_the_evaluation_says_that_its_checks_decide(given, expected):
    requirements = [r for r in given if isinstance(r, dict)]
    words = dict(zip(("reply", "stop"), [r for r in given if isinstance(r, str)], strict=False))
    assert Requirements().grade(turn(*requirements, decide=True, **words)) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (turn(MUST), verdict(None, f"The checked requirement is met. {GOOD}", "undecided", is_fine=True)),
        (
            turn(MUST, NICE, OPEN, reply="I am fine", stop="length"),
            verdict(
                None,
                f"Missed: is short (3 words, at most 2 wanted). {CUT} Left to a reader: is kind.",
                "undecided",
                is_fine=True,
                is_short=False,
                is_kind=None,
            ),
        ),
        (turn(MUST, reply="Bad"), verdict("fail", "Missed (must): is fine (without 'fine').", is_fine=False)),
        (
            turn(NICE, reply="one two three"),
            verdict(None, f"Missed: is short (3 words, at most 2 wanted). {GOOD}", "undecided", is_short=False),
        ),
        # What is missed for certain is a Fail whatever else could not be decided.
        (
            turn(SLOW, MUST, reply="1," * 3_000),
            verdict("fail", "Missed (must): is fine (without 'fine').", is_odd=None, is_fine=False),
        ),
    ],
)
def test_checks_may_fail_a_reply_and_otherwise_leave_it_to_a_reader(given, expected):
    assert Requirements().grade(given) == expected


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
    assert time.monotonic() - started < 60


@pytest.mark.parametrize("reply", ["…", "***", "```\n```", "?!", " . "])
def test_a_reply_without_a_word_is_a_fail_whatever_the_checks_say(reply):
    short = {"text": "is short", "check": {"max_words": 5}}
    verdict = Requirements().grade(turn(short, reply=reply, decide=True))
    assert (verdict.grade, verdict.reason) == ("fail", "The reply has no word.")


def test_an_emoji_is_an_answer():
    short = {"text": "is short", "check": {"max_words": 5}}
    assert Requirements().grade(turn(short, reply="👍", decide=True)).grade == "excellent"


def test_a_must_that_only_a_reader_sees_leaves_a_reply_undecided_even_where_checks_decide():
    answer = {"text": "says 42", "check": {"says": "42"}}
    for must, grade in ((True, None), (False, "excellent")):
        kind = {"text": "is kind", "must": must, "reader": True}
        assert Requirements().grade(turn(answer, kind, reply="42", decide=True)).grade == grade
