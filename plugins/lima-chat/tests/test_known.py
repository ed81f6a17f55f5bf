"""Replies with known grades: what a file may hold, what came before each, and what is refused with its place."""

import copy

import pytest

from lima import LimaError
from lima_chat import FLAWS, VISIBLE_FLAWS, KnownReply, has_known_replies, known_problems, known_replies

FILE = {
    "conversation": "tea",
    "author": "me",
    "licence": "CC0-1.0",
    "saw_checks": False,
    "replies": [
        {"turn": 2, "grade": "fail", "flaw": "forgets", "why": "milk again", "reply": "Add milk."},
        {"turn": 1, "grade": "fail", "flaw": "empty", "reply": ""},
        {"turn": 1, "grade": "pass", "reply": "Boil water, no milk."},
        {"turn": 1, "grade": "excellent", "reply": "Four minutes in boiling water."},
        {"turn": 2, "grade": "excellent", "after": ["Use a pot."], "reply": "Warm it."},
    ],
}


def changed(reply=None, **values):
    data = copy.deepcopy(FILE) | values
    if reply:
        data["replies"][0] |= reply
    return data


def test_what_came_before_is_the_first_good_reply_of_the_file_unless_the_reply_says():
    found = known_replies(FILE, "known/tea.json")
    assert found[0] == KnownReply(
        "tea", 2, "Add milk.", "fail", "forgets", "milk again", saw_checks=False, after=("Boil water, no milk.",)
    )
    assert [known.after for known in found] == [("Boil water, no milk.",), (), (), (), ("Use a pot.",)]
    assert [known.good for known in found] == [False, False, True, True, True]
    assert has_known_replies(FILE)
    assert not has_known_replies({"turns": [], "replies": []})


def without(key):
    return {k: v for k, v in FILE.items() if k != key}


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ([], (None, "is not an object", "Put one with conversation, author, licence, saw_checks, replies.")),
        (
            without("author"),
            (
                None,
                "has no 'author'",
                "Add it; a file of known replies has conversation, author, licence, saw_checks, replies.",
            ),
        ),
        (changed(author=" "), (None, "'author' is ' '", "Put a text.")),
        (
            changed(autor="me"),
            (
                None,
                "has an unknown key 'autor'",
                "Remove or rename it. Did you mean 'author'? Known: author, conversation, licence, replies, saw_checks.",
            ),
        ),
        (
            changed(saw_checks="no"),
            (None, "'saw_checks' is 'no'", "Put true if the author had seen the evaluation's checks, else false."),
        ),
        (changed(replies=[]), (None, "'replies' is []", 'Put a list of {"turn": …, "grade": …, "reply": …}.')),
        (changed({"turn": 0}), (None, "reply 1 has the turn 0", "Put the number of the user's turn, from 1.")),
        (changed({"turn": True}), (None, "reply 1 has the turn True", "Put the number of the user's turn, from 1.")),
        (changed({"grade": "good"}), (2, "reply 1 has the grade 'good'", "Put one of: excellent, pass, fail.")),
        (changed({"flaw": ""}), (2, "reply 1 fails without a flaw", f'Add "flaw", one of: {", ".join(FLAWS)}.')),
        (
            changed({"flaw": "forgot"}),
            (
                2,
                "reply 1 has the flaw 'forgot'",
                f"Rename it. Did you mean 'forgets'? Known: {', '.join(sorted(FLAWS))}.",
            ),
        ),
        (
            changed({"grade": "pass"}),
            (2, "reply 1 is pass and has the flaw 'forgets'", 'Leave "flaw" out, or grade it "fail".'),
        ),
        (
            changed({"reply": " "}),
            (2, "reply 1 is empty", 'Write it, or grade it "fail" with the flaw "empty".'),
        ),
        (changed({"note": "x"}), (2, "reply 1 has an unknown key 'note'", None)),
        (changed({"after": "x"}), (2, "reply 1 has 'x' for 'after'", None)),
        (
            changed({"after": []}),
            (2, "reply 1 has 0 replies in 'after'", "Give one reply for each earlier turn, 1, or leave 'after' out."),
        ),
        (
            changed({"turn": 2**63}),  # which must not be counted up to
            (2**63, "reply 1 has no history: no reply to turn 3 in this file is good", None),
        ),
        (
            changed({"turn": 3}, replies=copy.deepcopy(FILE["replies"][:4])),
            (
                3,
                "reply 1 has no history: no reply to turn 2 in this file is good",
                'Add one to the file that is "pass" or "excellent", or give "after", the replies before: 2.',
            ),
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_place_and_what_to_do(data, problem):
    (found,) = known_problems(data)
    assert found[:2] == problem[:2]
    assert problem[2] in (None, found[2])
    with pytest.raises(LimaError) as refused:
        known_replies(data, "known/tea.json")
    assert str(refused.value).startswith(f"known/tea.json{f', turn {found[0]}' if found[0] else ''}: {found[1]}. ")


@pytest.mark.parametrize(
    "row", [None, "x", {}, {"turn": 1}, {"turn": [], "grade": {}, "reply": 3, "flaw": [], "why": 1}]
)
def test_any_json_in_place_of_a_reply_is_a_problem_and_no_traceback(row):
    assert [what for _, what, _ in known_problems(changed(replies=[row]))]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ((0, "a", "pass"), "Known reply to 'tea', turn 0: it has the turn 0. Put the number"),
        ((1, "a", "good"), "Known reply to 'tea', turn 1: it has the grade 'good'. Put one of"),
        ((1, "a", "fail"), "Known reply to 'tea', turn 1: it fails without a flaw."),
        (
            (2, "a", "pass"),
            "Known reply to 'tea', turn 2: 0 replies come before it. Give one for each earlier turn, 1.",
        ),
    ],
)
def test_a_plugin_that_makes_one_wrongly_is_told(values, sentence):
    with pytest.raises(LimaError) as refused:
        KnownReply("tea", *values)
    assert str(refused.value).startswith(sentence)


def test_the_flaws_that_a_program_can_see_are_some_of_all():
    assert set(VISIBLE_FLAWS) < set(FLAWS)
    assert {"wrong fact", "nonsense", "cruel", "off-topic"} == set(FLAWS) - set(VISIBLE_FLAWS)
