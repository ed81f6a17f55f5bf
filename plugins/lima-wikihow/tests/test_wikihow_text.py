"""What is taken out of an article's text and what is not, with sentences of both kinds."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lima.testing import within
from lima_wikihow.body import Unmatched, body
from lima_wikihow.pruned import pruned, reworded
from lima_wikihow.schema import Section


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("See [the manual](http://x.org/a_(b)) first.", "See the manual first."),
        ("Go to https://www.google.com/accounts/login?x=1. Then sign in.", "Go to google.com. Then sign in."),
        ("It works.[3][4] Try it.", "It works. Try it."),
        ("It works.[3]\nX\nResearch source\n Try it.\n\n\nOne\nTwo", "It works. Try it.\n\n\nOne\nTwo"),
        ("a[0] = b[1]", "a[0] = b[1]"),
        ("Fold it, as shown in the picture. Press it (see image above).", "Fold it. Press it."),
        (
            "Draw the picture as you like. Show the image to a friend.",
            "Draw the picture as you like. Show the image to a friend.",
        ),
        ("Mix it. Watch the video to see how. Wait.", "Mix it. Wait."),
        ("Click here to see more.\nPress OK.", "\nPress OK."),
        ("Advertisement\nStir.\nArticle Downloaded 1,234 times", "Stir."),
        ("Updated: May 3\nThanks! Yes No\nUse an updated map: it helps.", "Use an updated map: it helps."),
        ('Put it in. {"smallUrl":"https:\\/\\/x","licensing":"<p>a}<\\/p>"} Peel it.', "Put it in. Peel it."),
        ("Salt &amp; pepper, 350&#176;F", "Salt & pepper, 350°F"),
        ("![alt](x.png)Cut. [[Image:Cut Step 1.jpg]]", "Cut. "),
    ],
)
def test_what_belongs_to_the_page_is_taken_out(text, left):
    assert pruned(text) == left


@pytest.mark.parametrize(
    ("text", "opening", "said"),
    [
        ("This article shows how.", True, "The following answer shows how."),
        ("In this article, you learn it.", True, "In the following answer, you learn it."),
        ("This wikiHow teaches you; this wikiHow helps.", True, "The following answer teaches you; the following answer helps."),
        ("As this article says,", False, "As this answer says,"),
        ("This article of clothing is warm.", True, "This article of clothing is warm."),
        ("Read the article in the newspaper.", True, "Read the article in the newspaper."),
    ],
)  # fmt: skip
def test_an_article_speaks_of_itself_as_an_answer(text, opening, said):
    assert reworded(text, opening) == said


def section(headline, text, label="", overview=""):
    return Section("How to Test", 0, "", "", overview, label, headline, text)


LINES = st.text(
    st.characters(codec="utf-8", exclude_characters="\n\r,", exclude_categories=("C", "Z")), min_size=1, max_size=9
)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(LINES, LINES), min_size=2, max_size=12))
def test_steps_of_one_row_and_of_several_make_the_same_answer(steps):
    steps = [(f"Do {head}.", f"Thus {text}.") for head, text in steps]
    apart = [section(f"\n{head}", f" {text}\n", "Steps") for head, text in steps]
    together = section("".join(f"\n{head}," for head, _ in steps), ";\n, ".join(text for _, text in steps) + "\n")
    assert body([together]) == body(apart)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.builds(section, st.text(max_size=60), st.text(max_size=200), st.sampled_from(("", "Tips", "Steps", "Ads"))),
        max_size=4,
    )
)
def test_any_text_is_read_somehow(sections):
    try:
        text = body(sections)
    except Unmatched:
        return
    assert text == text.strip("\n")
    assert "\n\n\n" not in text


@pytest.mark.parametrize(
    "text",
    [
        "[" * 50_000,
        "http://" * 20_000,
        '{"smallUrl"' * 9_000,
        "see the " * 20_000,
        "\n," * 50_000,
        "[1]" * 30_000,
        " " * 100_000,
    ],
)
def test_hostile_text_takes_no_longer(text):
    with within(60, "a text of 100,000 characters"):
        pruned(text)
        body([section("", text)])
        with suppress(Unmatched):
            body([section("\na,\nb", text)])
