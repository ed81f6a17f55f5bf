"""Articles of both published forms as examples: what is asked, what is answered, and who is owed what."""

import os
from collections import Counter

import pytest

import lima_wikihow
from lima import Refused, TakesOptions
from lima.testing import SourceContract
from lima_wikihow.source import Articles

from .conftest import ALL, LENIENT, LONG, SEP, table


class TestArticles(SourceContract):
    """As lima opens it, but for the length, which is for longer answers than those of the kit"""

    plugin, name, abilities = lima_wikihow, "wikihow", (TakesOptions,)
    reads_files, suffix, options = True, ".csv", {"seed": 3, "limit": 2}

    @property
    def thing(self):
        return super().thing.with_options(LENIENT)

    def text(self, exchanges):
        return table(ALL, [("", one.prompt, one.answer) for one in exchanges])


def test_the_parts_of_an_article_in_wikihow_all(read):
    rows = [
        (
            "\nKeep related supplies in one place.,\nClean the desk.,\nSay nothing more.",
            "How to Be Tidy1",
            " Some ideas include:\n\n\nThings for every day.\nThings to look at.;\n, This isn't the whole studio.\n,\n",
        ),
        ("\nConvert it.", "How to Learn MP3", "Now.\n"),
        ("\nMake a plan.", "How to Be Tidy2", " Take 20 minutes.\n"),
    ]
    (tidy, mp3), refused = read(ALL, rows)
    assert refused == []
    assert (tidy.prompt, mp3.prompt) == ("How to Be Tidy", "How to Learn MP3")
    assert tidy.response == (
        "**Part 1**\n\n1. **Keep related supplies in one place.** Some ideas include:\n\n   - Things for every day.\n"
        "   - Things to look at.\n\n2. **Clean the desk.** This isn't the whole studio.\n\n3. **Say nothing more.**\n\n"
        "**Part 2**\n\n1. **Make a plan.** Take 20 minutes."
    )
    assert mp3.response == "1. **Convert it.** Now."


def test_the_sections_of_an_article_in_wikihow_sep(read):
    rows = [
        ("This wikiHow teaches you how to clean it.", "\nRinse it.", " Use warm water.", "Part 1: Soda", "How to Clean a Sink"),
        ("Eggs are simple, as this article shows.", "\nBoil it.", "Six minutes.", "Steps", "How to Boil an Egg"),
        ("", "\nMix vinegar and water.", "", "Part 2: Vinegar", "How to Clean a Sink"),
        ("", "\nHow to Clean a Dishwasher", "", "Related wikiHows", "How to Clean a Sink"),
        ("", "", "Open a window.", "Tips", "How to Clean a Sink"),
        ("", "", "", "Tips", "How to Clean a Sink"),
    ]  # fmt: skip
    (sink, egg), refused = read(SEP, rows)
    assert refused == [("11", "it has neither text nor headline.")]
    assert sink.response == (
        "The following answer teaches you how to clean it.\n\n**Soda**\n\n1. **Rinse it.** Use warm water.\n\n"
        "**Vinegar**\n\n1. **Mix vinegar and water.**\n\n**Tips**\n\n- Open a window."
    )
    assert egg.response == "Eggs are simple, as the following answer shows.\n\n1. **Boil it.** Six minutes."


def test_an_example_says_whose_it_is(read):
    (one,), _ = read(ALL, [("", 'Say "Hello?" in 5% of Café Ümlaut', LONG)], prompt="question")
    url = "https://www.wikihow.com/Say-%22Hello%3F%22-in-5%25-of-Caf%C3%A9-%C3%9Cmlaut"
    assert one.prompt == 'How to Say "Hello?" in 5% of Café Ümlaut?'
    assert (one.licence, one.credits[0].url, one.id) == ("CC-BY-NC-SA-3.0", url, url.removeprefix("https://www."))
    assert str(one.credits[0]) == f"article by wikiHow contributors, CC-BY-NC-SA-3.0, {url}"
    assert one.provenance.startswith(f"{url} (")
    assert one.provenance.endswith("wikihow.csv, line 2)")


@pytest.mark.parametrize(
    ("title", "prompt", "page"),
    [
        ("Can Tomatoes", "How to Can Tomatoes", "Can-Tomatoes"),
        ("3 Ways to Calm Down", "3 Ways to Calm Down", "Calm-Down"),
        ("Is It Safe to Eat Raw Eggs", "Is It Safe to Eat Raw Eggs", "Is-It-Safe-to-Eat-Raw-Eggs"),
        ("How to Install Windows 10", "How to Install Windows 10", "Install-Windows-10"),
        ("How to Connect a PS4", "How to Connect a PS4", "Connect-a-PS4"),
        ("How to Draw (Easily)2", "How to Draw (Easily)", "Draw-(Easily)"),
    ],
)
def test_titles(read, title, prompt, page):
    (one,), _ = read(ALL, [("", title, LONG)], prompt="title")
    assert (one.prompt, one.id) == (prompt, f"wikihow.com/{page}")


def test_a_number_in_capitals_is_that_of_a_part_where_parts_1_and_2_are_there(read):
    rows = [("", f"How to Learn HTML{n}", f"Tag {n}.") for n in (2, 1)] + [("", "How to Learn CSS3", "Rule.")]
    found, _ = read(ALL, rows)
    assert [(one.prompt, one.response) for one in found] == [
        ("How to Learn HTML", "**Part 1**\n\nTag 1.\n\n**Part 2**\n\nTag 2."),
        ("How to Learn CSS3", "Rule."),
    ]


def test_a_category_is_drawn_then_an_article_of_it(read):
    rows = [(f"Work {n}", LONG, "Work and Money > Jobs" if n < 900 else "Pets", "x") for n in range(910)]
    columns = ("title", "text", "category", "id")
    found, refused = read(columns, rows, limit=16, seed=5)
    assert Counter(int(one.prompt.split()[-1]) >= 900 for one in found)[True] >= 5  # of 910 by articles it were none
    assert refused[-1][1] == "it was not drawn: `limit` takes fewer than there are."
    assert len(found) == 16
    again, _ = read(columns, rows, limit=16, seed=5)
    others, _ = read(columns, rows, limit=16, seed=6)
    assert again == found
    assert {one.id for one in others} != {one.id for one in found}
    most, _ = read(columns, rows[880:], limit=1000)
    assert len(most) == 30


def test_what_a_draw_refuses_is_replaced_by_another_of_its_category(read):
    rows = [(f"Feed {n}", LONG if n % 10 == 0 else "Short.", "Pets") for n in range(100)]
    found, refused = read(("title", "text", "category"), rows, limit=10, shortest=200)
    assert len(found) == 10
    assert {reason for _, reason in refused} == {
        "its answer is shorter than 200 characters.",
        "it was not drawn: `limit` takes fewer than there are.",
    }


def test_without_categories_it_says_so(tmp_path, read, caplog):
    found, _ = read(ALL, [("", f"Feed {n}", LONG) for n in range(20)], limit=3)
    assert len(found) == 3
    assert "wikihow.csv has no categories (a column category): articles are drawn with equal chances" in caplog.text


@pytest.mark.skipif("LIMA_WIKIHOW_FILE" not in os.environ, reason="LIMA_WIKIHOW_FILE names no export")
@pytest.mark.slow
def test_a_real_export():
    kept = refused = 0
    for one in Articles().examples(os.environ["LIMA_WIKIHOW_FILE"]):
        if isinstance(one, Refused):
            refused += one.rows
        else:
            kept += 1
            assert one.prompt.strip()
            assert "smallUrl" not in one.response
    assert kept > refused, f"{kept} kept, {refused} refused"
