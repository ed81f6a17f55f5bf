"""What is wrong with a check is said before any reply is looked at: names, values, patterns, options and references."""

import json

import pytest

from lima import LimaError
from lima_dialogue_eval import check_problems
from lima_dialogue_eval.checks import CHECKS, as_table, verify

REPLY = 'the number of a reply (1 the first, -1 the last), or "user 1"'
VALUE = 'a text or a number, a list of them, or {"any": […]}'


@pytest.mark.parametrize("name", CHECKS)
def test_every_example_is_a_value_that_its_check_takes(name):
    assert list(check_problems({name: CHECKS[name].example}, 2)) == []
    assert json.loads(json.dumps(CHECKS[name].example)) == CHECKS[name].example


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize(
    "given", [None, [True, "x"], "", [], {}, [None], {"": 1}, {"any": []}, float("nan"), [[]]], ids=repr
)
def test_no_check_takes_nonsense(name, given):
    """One problem or more, each with what is wrong and what to do"""
    problems = list(check_problems({name: given}))
    assert problems != []
    assert all(what and fix.endswith(".") for what, fix in problems)


@pytest.mark.parametrize(
    ("check", "what", "fix"),
    [
        ("short", "a check is 'short'", 'Put an object such as {"max_words": 50}.'),
        ({"max_words": "3"}, "check 'max_words' is '3'", "Put a whole number."),
        ({"max_words": True}, "check 'max_words' is True", "Put a whole number."),
        ({"json": 1}, "check 'json' is 1", "Put true or false."),
        ({"clock_24": False}, "check 'clock_24' is False", "Put true."),
        ({"contains_all": []}, "check 'contains_all' is []", "Put a text or a list of texts."),
        ({"regex": "(a"}, "check 'regex': '(a' is not a regular expression: missing ) at position 2",
         "Fix it, or put a plain text."),
        ({"says": "/(a/"}, "check 'says': '(a' is not a regular expression: missing ) at position 2",
         "Fix it, or put a plain text."),
        ({"pairs": {"/[a/": 1}}, "check 'pairs': '[a' is not a regular expression: unterminated character set at position 2",
         "Fix it, or put a plain text."),
        ({"regex": "a" * 1001}, "check 'regex': a pattern has 1001 characters; at most 1000 are allowed",
         "Fix it, or put a plain text."),
        ({"says": [{"all": [1]}]}, "check 'says' is [{'all': [1]}]", f"Put {VALUE}."),
        ({"pairs": ["Peru", "Lima"]}, "check 'pairs' is ['Peru', 'Lima']",
         "Put an object with a value, or a list of values, for each label."),
        ({"order": ["Minka"]}, "check 'order' is ['Minka']", "Put a list of two texts or more."),
        ({"agrees": {"chairs": "many"}}, "check 'agrees' is {'chairs': 'many'}", "Put an object with a number for each word."),
        ({"each_item": {"max_word": 3}}, "'max_word' is not a check", "Rename it. Did you mean 'max_words'?"),
        ({"each_item": {"each_item": {"max_words": 3}}}, "'each_item' stands within itself", "Take out the inner one."),
        ({"shorter_than": "the mail"}, "check 'shorter_than' is 'the mail'",
         f"Put {REPLY}, or an object with 'reply' and 'factor' or 'in'."),
        ({"shorter_than": {"factor": 0.5}}, "check 'shorter_than' has no 'reply'", f"Add {REPLY}."),
        ({"shorter_than": {"reply": 1, "factor": 0}}, "'factor' of check 'shorter_than' is 0", "Put a number above 0."),
        ({"longer_than": {"reply": 1, "in": "letters"}}, "'in' of check 'longer_than' is 'letters'",
         "Put one of words, sentences, lines, paragraphs, items."),
        ({"keeps": -1}, "check 'keeps' is -1", "Put an object with 'reply' and 'what'."),
        ({"keeps": {"reply": -1, "what": "names"}}, "'what' of check 'keeps' is 'names'", "Put one of items, lines, numbers."),
        ({"repeats": {"reply": -1, "replace": {"a": "b"}}}, "check 'repeats' has an unknown key 'replace'",
         "Rename it. Did you mean 'replacing'? Known: exact, replacing, reply, share."),
        ({"repeats": {"reply": -1, "share": 80}}, "'share' of check 'repeats' is 80", "Put a number from 0 to 1."),
        ({"differs_from": 0}, "check 'differs_from' is 0", f'Put {REPLY}, or "every reply".'),
        ({"json_equals": [1]}, "check 'json_equals' is [1]", "Put an object with 'value'."),
        ({"json_equals": {"value": [1], "order": True}}, "check 'json_equals' has an unknown key 'order'",
         "Rename it. Did you mean 'any_order'? Known: any_order, exact, extra_keys, value."),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_wrong_and_what_to_do(check, what, fix):
    ((said, advice),) = check_problems(check)
    assert said == what
    assert advice.startswith(fix)
    with pytest.raises(LimaError) as e:
        verify(check)
    assert str(e.value).startswith(f"{what}. {fix}")


@pytest.mark.parametrize(
    ("check", "replies", "what", "fix"),
    [
        ({"shorter_than": 3}, 2, "check 'shorter_than' names 3, and there are 2 replies before this reply",
         "Put a number from 1 to 2, or -1 for the last."),
        ({"items_from": {"reply": -2}}, 1, "check 'items_from' names -2, and there is 1 reply before this reply",
         "Put a number from 1 to 1, or -1 for the last."),
        ({"differs_from": -1}, 0, "check 'differs_from' names -1, and there are no replies before this reply",
         "Leave it out of the first turn."),
        ({"repeats": {"reply": [1, 2]}}, 1, "check 'repeats' names 2, and there is 1 reply before this reply",
         "Put a number from 1 to 1, or -1 for the last."),
        ({"agrees_with": {"reply": "user 3", "on": "x"}}, 1,
         "check 'agrees_with' names 'user 3', and there are 2 user turns before this reply",
         "Put a number from 1 to 2, or -1 for the last."),
        ({"each_item": {"differs_from": 5}}, 1, "check 'differs_from' names 5, and there is 1 reply before this reply",
         "Put a number from 1 to 1, or -1 for the last."),
    ],
    ids=str,
)  # fmt: skip
def test_a_reply_that_comes_later(check, replies, what, fix):
    assert list(check_problems(check, replies)) == [(what, fix)]
    assert list(check_problems(check)) == []


def test_what_is_given_by_then_is_fine():
    for check in (
        {"shorter_than": 2},
        {"shorter_than": -2},
        {"differs_from": "every reply"},
        {"differs_from": "user 3"},
    ):
        assert list(check_problems(check, 2)) == []
    assert list(check_problems({"differs_from": "user -1"}, 0)) == []


def test_the_table_has_a_row_for_every_check():
    rows = as_table().splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == list(CHECKS)
    assert all(row.count("|") == 4 + 2 * row.count(r"\|") - row.count(r"\|") for row in rows)
