"""Every check on replies that it must not fail, in unusual forms, and on such that it must: `tests/checks/*.json`.

The cases are of other domains than the shipped conversations. "before" is what was said before, the user first.
"""

import json
from collections import Counter
from pathlib import Path

import pytest

from lima_chat import Turn
from lima_dialogue_eval.checks import CHECKS, missed, verify

FILES = sorted((Path(__file__).parent / "checks").glob("*.json"))
GROUPS = [group for file in FILES for group in json.loads(file.read_text("utf-8"))]


def turns(*texts):
    """What was said, user and assistant in turn"""
    return [Turn("assistant" if i % 2 else "user", text) for i, text in enumerate(texts)]


def name(group):
    return json.dumps(group["check"], ensure_ascii=False)[:60]


@pytest.mark.parametrize("group", GROUPS, ids=name)
def test_good_replies_hold_and_bad_ones_are_missed(group):
    before = turns(*group.get("before", []))
    verify(group["check"], len(before) // 2)
    alarms = {reply: why for reply in group["good"] if (why := missed(group["check"], reply, before))}
    assert alarms == {}
    assert [reply for reply in group["bad"] if not missed(group["check"], reply, before)] == []


def test_every_check_has_ten_good_and_ten_bad_replies():
    good, bad = Counter(), Counter()
    for group in GROUPS:
        for check in group["check"]:
            good[check] += len(set(group["good"]))
            bad[check] += len(set(group["bad"]))
    assert {check: (good[check], bad[check]) for check in CHECKS if min(good[check], bad[check]) < 10} == {}


@pytest.mark.parametrize("group", [g for g in GROUPS if "before" in g], ids=name)
def test_without_what_was_said_before_a_check_about_it_holds(group):
    """Neither no history nor one of another shape is a reason to fail a reply"""
    about = {name: wanted for name, wanted in group["check"].items() if CHECKS[name].takes.refers}
    assert about
    for before in ([], turns("Hello"), turns("Hello", "")):
        alarms = [reply for reply in group["bad"] if missed(about, reply, before)]
        assert alarms == []


def test_a_system_turn_first_does_not_count():
    before = [Turn("system", "Be brief."), *turns("Why?", "Because of the rain.", "Shorter.")]
    assert missed({"shorter_than": 1}, "The rain.", before) == []
    assert missed({"shorter_than": 1}, "Because of all the rain.", before) == [
        "5 words, fewer than the 4 of reply 1 wanted"
    ]


@pytest.mark.parametrize(
    ("check", "reply", "why"),
    [
        ({"max_words": 2, "contains_all": ["tea", "milk"]}, "hot milk now", ["3 words, at most 2 wanted", "without 'tea'"]),
        ({"max_sentences": 0}, "Yes.", ["1 sentence, at most 0 wanted"]),
        ({"sentences": 1}, "Yes. No… Maybe.", ["2 to 3 sentences, 1 wanted"]),
        ({"says": ["£5", "3 pm"]}, "not £5", ["without '3 pm'; says '£5' only to deny it"]),
        ({"says": {"any": [3, "4 kg"]}}, "five", ["without 3 or '4 kg'"]),
        ({"pairs": {"tin": "Sn", "gold": "Au"}}, "Tin: Au. Gold: Sn.", ["'tin' has 'Au'; 'gold' has 'Sn'"]),
        ({"pairs": {"tin": "Sn", "gold": "Au"}}, "Tin: Sn.", ["without 'Au' for 'gold'"]),
        ({"order": ["tea", "milk"]}, "milk, tea", ["'milk' before 'tea'"]),
        ({"agrees": {"cups": 2}}, "3 cups", ["3 beside 'cups', 2 was given"]),
        ({"clock_24": True}, "at 3 pm", ["has a time such as 'at 3 pm'"]),
        ({"each_item": {"max_words": 1}}, "- a\n- b c", ["item 2: 2 words, at most 1 wanted"]),
        ({"no_list": True}, "- a\n- b", ["a list of 2 items"]),
        ({"list_only": True}, "- a\n- b\n\nI hope that this helps.", ["has beside the list 'I hope that this helps.'"]),
        ({"table_cells": {"Ulm": 3, "Kiel": 4}}, "a | b\nUlm | 5", ["the row of 'Ulm' without 3; no row for 'Kiel'"]),
        ({"json_equals": {"value": {"a": [1]}}}, '{"a": [2]}', ["a[0] is '2', 1 wanted"]),
        ({"json_keys": ["a"]}, '{"b": 1}', ["an object without the key 'a'"]),
        ({"shorter_than": {"reply": 1, "factor": 0.5}}, "a b", ["2 words, at most 0.5 of the 3 of reply 1 wanted"]),
        ({"items_from": -1}, "- x\n- y", []),
        ({"differs_from": 1}, "a b c", []),
        ({"keeps": {"reply": 1, "what": "lines"}}, "x y", ["without 'a b c' of reply 1"]),
        ({"repeats": 1}, "a x", ["33% of the words of reply 1, 80% wanted"]),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_missed_is_said(check, reply, why):
    assert missed(check, reply, turns("Go", "a b c")) == why


def test_a_reason_names_the_first_of_a_long_list():
    from lima_dialogue_eval.checks.reading.text import without_any

    assert without_any(["'a'", "'b'"]) == "without any of 'a', 'b'"
    assert without_any([f"'{c}'" for c in "abcdefgh"]) == "without any of 'a', 'b', 'c', 'd' and 4 more"
