"""The grader 'requirements': each check on replies that hold and that miss it, the grades, and hostile replies."""

import subprocess
import sys
import time

import pytest

from lima import LimaError, Tick
from lima_chat import EvalConversation, EvalTurn
from lima_dialogue_eval import GradedTurn, Verdict
from lima_dialogue_eval.checks import missed, verify
from lima_dialogue_eval.grade import Requirements

LIST = "Three things:\n\n- bread\n* milk\n1. eggs\n2) tea"
TABLE = "Here:\n\n| a | b |\n|---|:-:|\n| 1 | 2 |"


@pytest.mark.parametrize(
    ("check", "holds", "misses"),
    [
        ({"max_words": 4}, "Don't panic, well-known 3.5", "one two three four five"),
        ({"min_words": 3}, "one, two; three!", "one -- two ..."),
        ({"max_sentences": 2}, "See Dr. Smith, e.g. at 9.30 a.m. today. Or not!", "One. Two. Three"),
        ({"max_sentences": 1}, "Really?!", "Yes. No."),
        ({"max_sentences": 4}, LIST.replace("Three things:\n\n", ""), LIST),
        ({"contains_all": ["Paris", "42"]}, "PARIS has 42.", "Paris has 421."),
        ({"contains_all": "don't"}, "You don’t say", "You do not say"),
        ({"contains_all": "say “don’t”"}, 'You say "don\'t"', "You say “do not”"),
        ({"contains_all": "/say\u00a0[“„]don’t[”“]/"}, "You say „don't\"", "You say don’t"),
        ({"regex": "^don’t$"}, "Don’t", "Do not"),
        ({"not_regex": "can’t"}, "I can", "I can't"),
        ({"starts_with": "“No”"}, '"No"', "No"),
        ({"contains_all": "boil*"}, "It is boiling", "It is parboil-free"),
        ({"contains_all": "/colou?rs?/"}, "many colors", "many hues"),
        ({"contains_all": "two words"}, "these two\nwords", "two other words"),
        ({"contains_all": "C++"}, "I use C++.", "I use C."),
        ({"contains_any": ["cat", "dog"]}, "a Dog!", "a category"),
        ({"contains_none": ["sorry"]}, "no regrets", "I am Sorry."),
        ({"starts_with": ["Yes", "No"]}, "  no, thanks", "Nope; yes"),
        ({"regex": r"^\d{3}$"}, "see\n123\nthere", "1234"),
        ({"regex": ["a", "b"]}, "A b", "a c"),
        ({"not_regex": r"\bI\b"}, "you did", "so did i"),
        ({"list_items": 4}, LIST, "- one"),
        ({"min_list_items": 2}, LIST, "- one"),
        ({"max_list_items": 1}, "- one", LIST),
        ({"no_list": True}, "well - no list here, 1.5 of it", LIST),
        ({"no_list": False}, LIST, "none"),
        ({"paragraphs": 2}, "one\nmore\n \ntwo", "one"),
        ({"max_paragraphs": 1}, "one\ntwo\n\n", "one\n\ntwo"),
        ({"ends_with_question": True}, 'He asked "why?"\n', "Why? Because."),
        ({"ends_with_question": False}, "Because.", "Why?"),
        ({"json": True}, '```json\n{"a": [1, 2]}\n```', "{'a': 1}"),
        ({"json": False}, "plain", "[1]"),
        ({"table": True}, TABLE, "a | b\n1 | 2"),
        ({"table": False}, "none", TABLE),
        ({"max_words": 2, "starts_with": "yes"}, "yes, sir", "yes, dear sir"),
    ],
)
def test_each_check(check, holds, misses):
    verify(check)
    assert missed(check, holds) == []
    assert len(missed(check, misses)) == 1


def test_what_is_missed_is_said():
    assert missed({"max_words": 2, "contains_all": ["tea", "milk"]}, "hot milk please") == [
        "3 words, at most 2 wanted",
        "without 'tea'",
    ]


@pytest.mark.parametrize(
    ("check", "sentence"),
    [
        ({"max_word": 3}, "'max_word' is not a check. Did you mean 'max_words'?"),
        ({"max_words": "3"}, "check 'max_words' is '3'; expected a whole number."),
        ({"json": 1}, "check 'json' is 1; expected true or false."),
        ({"contains_all": []}, "check 'contains_all' is []; expected a text or a list of texts."),
        ({"regex": "(a"}, "'(a' is not a regular expression: missing )"),
        ({"regex": "a" * 1001}, "a pattern has 1001 characters; at most 1000 are allowed."),
        ("short", "a check is 'short'; expected an object"),
    ],
)
def test_a_check_that_cannot_be_read_is_an_error(check, sentence):
    with pytest.raises(LimaError) as e:
        verify(check)
    assert str(e.value).startswith(sentence)


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
                "excellent", "The checked requirement is met. Left to a reader: is kind.", is_fine=True, is_kind=None
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


def test_a_hostile_reply_takes_little_time_and_gets_no_grade():
    """A pattern that backtracks for ever is a status; JSON of a million brackets is not JSON"""
    started = time.monotonic()
    slow = turn({"text": "x", "check": {"regex": "(.*,){25}P"}}, reply="1," * 3_000)
    verdict = Requirements().grade(slow)
    assert (verdict.grade, verdict.status) == (None, "error")
    assert "took longer than 0.5 s" in verdict.reason
    assert missed({"json": True}, "[" * 1_000_000) == ["no JSON"]
    for check in ({"table": True}, {"max_sentences": 1}, {"list_items": 3}, {"max_words": 1}, {"paragraphs": 2}):
        for text in (
            "|-" * 500_000,
            "- " * 500_000,
            ". " * 500_000,
            "\n" * 1_000_000,
            "a." * 500_000,
            "| |\n|--" * 99_999,
        ):
            missed(check, text)
    assert time.monotonic() - started < 8


def test_the_sentences_of_a_hostile_reply_are_counted_in_linear_time():
    """Five seconds of computing are a hundred times what all take, and less than any would if it were read again and again"""
    code = """
import resource, time
from lima_dialogue_eval.checks import missed

replies = ["." * 99_998 + "x.", "- " * 25_000 + "A. " * 16_000, "(" * 50_000 + "A. " * 16_000]
limit = int(time.process_time()) + 5
resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
print([missed({"max_sentences": 0}, reply) for reply in replies])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"{[['1 sentences, at most 0 wanted']] * 3}\n"), done.stderr
