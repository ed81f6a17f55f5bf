"""Reddit's Markdown as plain text: what is about a story goes, what is of it stays."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lima_reddit.markdown import cleaned, continues, plain


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("A &amp; B &gt; C&amp;#39;s &amp;nbsp; D", "A & B > C's   D"),
        ("One.\n\n&amp;#x200B;\n\nTwo.", "One.\n\nTwo."),
        ("One.\n\n---\n\n\\*\\*\\*\n\nTwo.\n\n* * *", "One.\n\n***\n\nTwo."),
        ("See [the map](http://x.org/a_(b) \"t\") now.", "See the map now."),
        ("I read https://en.wikipedia.org/wiki/Door_(architecture), and knocked.", "I read en.wikipedia.org, and knocked."),
        ("One.\n\nhttp://i.imgur.com/x.jpg\n\nTwo.", "One.\n\nTwo."),
        (">!He did it.!<", "He did it."),
        ("He ~~ran~~ walked ^(very) ^slowly, 2^(10) or 2\\^8.", "He walked very slowly, 210 or 2^8."),
        ("\\- \"No\\.\"\n\n1\\. One", "- \"No.\"\n\n1. One"),
        ("One.\n\nEdit: typo\n\nTwo.", "One.\n\nTwo."),
        ("One.\n\n**EDIT 2 -** Thanks!", "One."),
        ("One.\nEDIT: spelling\nmore of it", "One."),
        ("Edith: \"No.\"\n\nEditing took years.\n\nUpdates came daily.", None),
        ("First time posting here, be gentle!\n\nOnce.\n\nThanks for reading!", "Once."),
        ("Once.\n\n*More stories at r/mine*\n\n---\n\n[My Patreon](http://x.org)", "Once."),
        ("\"Thanks for reading it to me,\" she said.\n\n\"Sorry about the mistakes,\" he said.", None),
        ("He thanked them for reading.\n\nMy first story about the war was a lie. " + "It went on. " * 40, None),
        ("- one\n- two\n\n> quoted\n\n    code", None),
    ],
)  # fmt: skip
def test_what_is_about_a_story_goes(text, left):
    assert cleaned(text) == (text.strip() if left is None else left)


@pytest.mark.parametrize(
    ("text", "goes_on"),
    [
        ("Once.\n\n(continued below)", True),
        ("Once.\n\nPart 2 in the comments!", True),
        ("Once.\n\n**To be continued**", True),
        ("1/3\n\nOnce.", True),
        ("Part 1\n\nOnce.\n\nPart 2\n\nTwice.", False),
        ("He continued below deck and here the story ends. " + "It was so. " * 40, False),
        ("The rest was silence.", False),
    ],
)
def test_stories_that_go_on_elsewhere(text, goes_on):
    assert continues(text) is goes_on


def test_a_title_stays_what_it_is():
    assert plain("Thanks for reading &amp; \\*subscribe\\* ^now") == "Thanks for reading & *subscribe* now"


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("ab \n\n*~^>!<[]()\\&;#_-:/.rEdit"), max_size=120))
def test_any_text_is_read_somehow(text):
    found = cleaned(text)
    assert found == found.rstrip()
    assert "\n\n\n" not in found
    continues(text)


@pytest.mark.parametrize(
    "text",
    ["[" * 30_000, "[a](" * 10_000, "http://a." * 9_000, "~~" * 30_000, "^(" * 30_000, ">!" * 30_000, "* " * 30_000,
     "\n \n" * 30_000,
     "thanks " * 9_000, "edit" * 20_000, "\\" * 60_000, "&amp;" * 20_000, " " * 60_000 + "x", "if you like " * 8_000],
)  # fmt: skip
def test_time_grows_with_the_length_only(text):
    started = time.process_time()
    cleaned(text)
    continues(text)
    plain(text)
    assert time.process_time() - started < 20  # quadratic ones take minutes
