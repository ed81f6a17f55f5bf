"""Replies that need no model: what they are at each turn, what is certain without a check, and what a floor says."""

import pytest
from audited import BUS, KNOWN, TEA

from lima import Verdict
from lima_chat import EvalConversation, EvalTurn, Turn
from lima_dialogue_eval.audit.null_models import FILLER, findings, floor, null_replies
from lima_dialogue_eval.conversation.grade import GradedTurn, Requirements
from lima_dialogue_eval.conversation.nothing import says_nothing
from lima_dialogue_eval.evaluation.known import AuditSet

SCRIPT = {"tea": TEA, "bus": BUS}


def ground(known=tuple(KNOWN), script=SCRIPT):
    return AuditSet("tested", "requirements", script, tuple(known), False)


def replies(ground, conversation, index):
    found = {}
    for null in null_replies(ground):
        if (null.turn.conversation.id, null.turn.index) == (conversation, index):
            found.setdefault(null.name, []).append(null.turn.reply)
    return found


def test_the_replies_of_the_null_models_to_a_turn():
    assert replies(ground(), "tea", 1) == {
        "empty": [""],
        "echo": ["And with milk?"],
        "apology": ["I'm sorry."],
        "previous": ["Pour boiling water over the leaves."],
        "other": ["At 9."],
    }
    assert replies(ground(), "bus", 0)["other"] == ["Pour boiling water over the leaves."]


def test_without_known_replies_there_is_no_reply_before_and_another_user_speaks():
    found = replies(ground(known=()), "tea", 1)
    assert "previous" not in found
    assert found["other"] == ["When does it go?"]
    turn = next(null.turn for null in null_replies(ground(known=())) if null.turn.index == 1)
    assert [said.content for said in turn.history][1:3] == ["How do I make tea?", FILLER]


def test_a_conversation_alone_is_given_no_other():
    assert "other" not in replies(ground(known=(), script={"tea": TEA}), "tea", 0)


def graded(verdict_of):
    return [(null, verdict_of(null)) for null in null_replies(ground())]


def test_the_floor_counts_turns_and_what_they_excuse():
    found = graded(lambda null: Verdict("fail", "") if null.name != "echo" else Verdict(None, "", "undecided"))
    assert floor(found) == {
        "empty": {"turns": 4, "failed": 4, "explained": 0, "errors": 0},
        "echo": {"turns": 4, "failed": 0, "explained": 1, "errors": 0},
        "apology": {"turns": 4, "failed": 4, "explained": 0, "errors": 0},
        "previous": {"turns": 2, "failed": 2, "explained": 0, "errors": 0},
        "other": {"turns": 4, "failed": 4, "explained": 0, "errors": 0},
    }
    assert [str(one) for one in findings(found)] == [
        f"{where}: the user's own words is undecided, not Fail. Add a check that it misses, or say why it is right here: "
        '"null": {"echo": "…"}.'
        for where in ("tea, turn 1", "tea, turn 2", "bus, turn 1")
    ]


def test_an_excuse_that_is_not_needed_an_empty_reply_and_an_error_are_findings():
    assert [str(one) for one in findings(graded(lambda null: Verdict("fail", "")))] == [
        "tea, turn 3: says why the user's own words is right, but it is failed. Remove 'echo' from \"null\"."
    ]

    def grade(null):
        if null.turn.conversation.id == "bus" and null.name == "empty":
            return Verdict("pass", "")
        if null.turn.conversation.id == "bus" and null.name == "other":
            return Verdict(None, "no line", "error")
        return Verdict("pass" if null.excuse else "fail", "")

    found = graded(grade)
    assert [str(one) for one in findings(found)] == [
        "bus, turn 1: an empty reply is pass, not Fail. A grader must fail an empty reply.",
        "bus, turn 1: a reply from another conversation is error, not Fail. The grader said: no line",
    ]
    assert floor(found)["other"] == {"turns": 4, "failed": 3, "explained": 0, "errors": 1}


ASKED = ({"text": "x", "check": {"max_words": 99}},)
LONG = "Warm the pot first and then pour the boiling water."


@pytest.mark.parametrize(
    ("user", "reply", "why"),
    [
        ("How do I make tea?", "", "The reply is empty."),
        ("How do I make tea?", " \n\t", "The reply is empty."),
        ("How do I make tea?", "\u200b\u3164", "The reply is empty."),
        ("How do I make tea?", "“How do I make **tea**?”", "The reply only repeats what the user said."),
        ("And iced?", "and iced?", "The reply only repeats what the user said."),
        ("Good morning!", "Good morning!", ""),
        ("How do I make tea?", "How do I make tea? With water.", ""),
        ("Sure?", f"{LONG}\n", "The reply is the one before, word for word."),
        ("Sure?", f"Yes. {LONG}", ""),
        ("Why?", "I'm sorry.", "The reply is only an apology or a refusal."),
        ("Why?", "I apologise for the confusion!", "The reply is only an apology or a refusal."),
        ("Why?", "I’m sorry, but I can’t help with that.", "The reply is only an apology or a refusal."),
        ("Why?", "I cannot assist with that request.", "The reply is only an apology or a refusal."),
        ("Why?", "Sorry, Tuesday.", ""),
        ("Why?", "I'm sorry, I said Monday and it is Tuesday.", ""),
        ("Why?", "🙂", ""),
    ],
)
def test_what_is_a_miss_whatever_the_checks_say(user, reply, why):
    history = (Turn("user", "Tea?"), Turn("assistant", LONG), Turn("user", user))
    assert says_nothing(EvalTurn(user, ASKED), reply, history) == why
    conversation = EvalConversation("c", "t", (EvalTurn("Tea?", ASKED), EvalTurn(user, ASKED)))
    verdict = Requirements().grade(GradedTurn(conversation, 1, history, reply, "eot"))
    assert verdict == Verdict("fail", why) if why else verdict.grade != "fail"


def test_the_same_short_answer_may_be_right_twice():
    history = (Turn("user", "Capital of France?"), Turn("assistant", "Paris."), Turn("user", "Where is the Louvre?"))
    assert says_nothing(EvalTurn("Where is the Louvre?", ASKED), "Paris.", history) == ""


def test_a_turn_may_say_that_it_is_right_and_one_without_requirements_is_left_alone():
    history = (Turn("user", "Tea?"), Turn("assistant", LONG), Turn("user", "Say that again."))
    again = EvalTurn("Say that again.", ASKED, null={"previous": "asked for", "apology": "a", "echo": "b"})
    for reply in (LONG, "I'm sorry.", "Say that again."):
        assert says_nothing(again, reply, history) == ""
    free = EvalTurn("Say that again.")
    assert [bool(says_nothing(free, text, history)) for text in (LONG, "I'm sorry.", "Say that again.", "")] == [
        False,
        False,
        True,
        True,
    ]


def test_a_long_hostile_reply_is_read_quickly():
    import time

    started = time.monotonic()
    for text in ("i'm so " * 200_000, "sorry for " * 200_000, "a" * 2_000_000, "''" * 1_000_000):
        says_nothing(EvalTurn("Why?", ASKED), text, ())
    assert time.monotonic() - started < 8


@pytest.mark.parametrize(
    "reply", ["<b></b>", "&nbsp;", "<!-- a good answer -->", "[](a.html)", "~~Boil it.~~", "**\n__"]
)
def test_what_a_reader_does_not_see_is_no_reply_unless_markup_was_asked_for(reply):
    asked = EvalTurn("How do I make tea?", ASKED)
    assert says_nothing(asked, reply, (Turn("user", asked.user),)) == "The reply has no word."
    html = EvalTurn("Write it as HTML.", ASKED)
    assert not says_nothing(html, "<p></p>", (Turn("user", html.user),))
    assert says_nothing(asked, f"{asked.user}\n\nUser: {asked.user}", ()) == ""
    for echo in (f"User: {asked.user}", f"{asked.user}\n{asked.user}", f"**Question:** {asked.user} {asked.user}"):
        assert says_nothing(asked, echo, ()) == "The reply only repeats what the user said."
