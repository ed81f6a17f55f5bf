"""Titles, introductions and offers to go on, which may count as a part of a reply or not."""

import pytest

from lima_chat import Turn
from lima_dialogue_eval.checks import missed

TALE = "The miller woke before the wheel did, and for a while he lay listening to the water go by without turning anything."
NEXT = "At six the boy came with the first sack, and found that the door was barred and that nobody answered him."
OFFERS = [
    "Would you like me to write the second paragraph?",
    "*Let me know if the tone should be darker!*",
    "(If you'd like, I can also make the miller older.)",
    "*(He has not got up yet, as you asked.)*",
    "I hope this is what you had in mind for the opening of your tale.",
]


@pytest.mark.parametrize("offer", OFFERS)
def test_an_offer_to_go_on_may_count_as_a_paragraph_or_not(offer):
    assert missed({"max_paragraphs": 1}, f"{TALE}\n\n{offer}") == []
    assert missed({"paragraphs": 2}, f"{TALE}\n\n{offer}") == []
    assert missed({"max_paragraphs": 1}, f"{TALE}\n\n{NEXT}\n\n{offer}") == ["2 to 3 paragraphs, at most 1 wanted"]


@pytest.mark.parametrize("offer", OFFERS)
def test_talk_around_an_earlier_reply_need_not_be_repeated(offer):
    before = (
        Turn("user", "Begin a tale about a miller."),
        Turn("assistant", f"## The Wheel\n\nHere is a first paragraph for you:\n\n{TALE}\n\n{offer}"),
        Turn("user", "The same again, please."),
    )
    check = {"repeats": {"reply": 1, "share": 0.95}}
    assert missed(check, TALE, before) == []
    assert missed(check, NEXT, before) != []
    assert missed(check, TALE.replace("lay listening to", "lay and heard"), before) != []


def test_an_earlier_reply_of_short_lines_is_repeated_whole():
    before = (Turn("user", "Four colours"), Turn("assistant", "red\n\nblue\n\ngreen\n\nplum"), Turn("user", "Again"))
    assert missed({"repeats": 1}, "red, blue, green, plum", before) == []
    assert missed({"repeats": 1}, "red, blue", before) == ["50% of the words of reply 1, 80% wanted"]
