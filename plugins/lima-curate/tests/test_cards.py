"""`lima sources card`: the figures of a data set, and its page in a real Chromium, where hostile text stays text.

A machine without Chromium fails here.
"""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from graded_pages import opened_browser
from playwright.sync_api import expect

from lima import Credit, Example
from lima_chat import Conversation, Turn
from lima_curate.cards.figures import Bin, Spread, bins
from lima_curate.dataset import write_dataset

HOSTILE = '<script>document.title="taken"</script><img src=x onerror=alert(1)>\u202e{{ 7 * 7 }}"><svg onload=alert(2)>'
ENGLISH = "Pour the water over the leaves, wait for four minutes, and then take the leaves out of the pot again."
GERMAN = "Gießen Sie das Wasser über die Blätter, warten Sie vier Minuten und nehmen Sie die Blätter wieder heraus."


@pytest.fixture
def mixed(tmp_path):
    """Six examples of two sources: singles and dialogues, in two languages, one nearly the same as another"""
    one = {"source": "tea", "licence": "CC-BY-SA-4.0", "prompt": "How do I make tea?"}
    talk = [Turn("system", "Be brief."), Turn("user", "Tea?"), Turn("assistant", ENGLISH)]
    talk += [Turn("user", "Und auf Deutsch?"), Turn("assistant", GERMAN, weight=0.5)]
    records = [
        Example(id="1", response=ENGLISH, credits=(Credit(author="Ann"),), **one),
        Example(id="2", response=ENGLISH + " Now.", **one),
        Example(id="3", response=GERMAN, weight=2.0, **one),
        Example(id="4", response="Yes.", **one),
        Conversation(id="5", source=HOSTILE, licence=HOSTILE, turns=tuple(talk)),
    ]
    return str(write_dataset(tmp_path / "tea.jsonl", records).file)


def test_the_figures_of_a_card(lima, mixed):
    card = lima("sources", "card", mixed, "--json").json
    totals = card["totals"]
    wanted = {
        "examples": 5, "single": 4, "dialogues": 1, "with_system": 1, "answers": 6, "near_duplicates": 1, "same_content": 0,
        "with_authors": 1,
    }  # fmt: skip
    assert {key: totals[key] for key in wanted} == wanted
    assert card["languages"] == {"en": 2, "de": 2, "not decided": 1}
    assert card["licences"] == {"CC-BY-SA-4.0": 4, HOSTILE: 1}
    assert card["turns"] == {"1": 4, "2": 1}
    english, german = len(ENGLISH) / 4, len(GERMAN.encode()) / 4
    learnt = [2 * english + 2 * german, english + german / 2]
    assert [round(row["share_of_loss"], 2) for row in card["sources"]] == [
        round(one / sum(learnt), 2) for one in learnt
    ]
    assert sum(one["count"] for one in card["lengths"]["answered"]) == 5


def test_spreads_and_bins():
    assert bins([0, 1, 2, 3, 8]) == [Bin(0, 1, 1), Bin(1, 2, 1), Bin(2, 4, 2), Bin(4, 8, 0), Bin(8, 16, 1)]
    assert Spread.of([1, 2, 3, 4, 10]) == Spread(1, 2, 3, 4, 10, 4.0)
    assert Spread.of([7]) == Spread(7, 7, 7, 7, 7, 7.0)


@pytest.mark.slow
def test_the_page_shows_hostile_text_as_text_and_fits_a_phone(lima, mixed, tmp_path):
    """No script runs, nothing is loaded, and an audit of accessibility finds nothing"""
    lima("sources", "card", mixed, "--out", "card.html", "--title", HOSTILE)
    lima("sources", "card", mixed, "--out", "card.html", "--title", HOSTILE)  # a page of lima's is overwritten
    problems = []
    with opened_browser() as browser:
        for width in (1280, 390):
            page = browser.new_context(viewport={"width": width, "height": 900}).new_page()
            page.set_default_timeout(20_000)
            page.on("pageerror", lambda e: problems.append(str(e)))
            page.on("console", lambda m: problems.append(m.text))
            page.on("request", lambda r: problems.append(r.url) if not r.url.startswith("file:") else None)
            page.on("dialog", lambda d: problems.append(d.message))
            page.goto((tmp_path / "card.html").as_uri())
            expect(page.locator("h1")).to_contain_text("onerror=alert(1)")
            expect(page.locator("h1 .odd")).to_have_text("⟨U+202E⟩")
            expect(page.locator("main script, main img, h1 svg")).to_have_count(0)
            expect(page.locator("figure svg rect")).not_to_have_count(0)
            expect(page.locator("dl.facts")).to_contain_text("5")
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.title() != "taken"
            assert [one["id"] for one in Axe().run(page).response["violations"]] == []
    assert problems == []


def test_what_is_no_card_is_not_overwritten(lima, mixed):
    Path("card.html").write_text("my own page")
    assert "not a report of lima" in lima("sources", "card", mixed, "--out", "card.html", code=1).err
    assert Path("card.html").read_text() == "my own page"
