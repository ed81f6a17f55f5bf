"""The page of a study: valid, escaped, self-contained, and its figures show the numbers of the demo."""

import html
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from lima_studies import Ledger
from lima_village_study.study_page import render, write_page


def test_the_figure_shows_what_the_demo_prints(told):
    from lima_dialogue_eval import compare

    work, store, found = told
    runs = {row["arm"]: row["dialogue_run"] for row in Ledger(store, work.id).results()}
    comparison = compare(store, runs["before"], runs["after"])
    (panel,) = found["dialogues"].panels
    for place, side in enumerate((comparison.before, comparison.after)):
        drawn = [series.points[place].y for series in panel.series]
        assert drawn == pytest.approx([100 * n / side.turns for n in (side.excellent, side.passed, side.fail)])


class Tags(HTMLParser):
    """Fails where an element is not closed in its turn"""

    EMPTY = ("meta", "path", "use", "br")

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attributes):
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.EMPTY:
            assert self.open.pop() == tag, self.getpos()


def test_the_page_is_whole_and_escapes_everything(told, hostile, tmp_path):
    work, store, found = told
    page = write_page(store, work, list(found.values()), tmp_path / "new" / "page.html")
    assert write_page(store, work, list(found.values()), page) == page
    text = page.read_text(encoding="utf-8")
    for finding in found.values():
        assert finding.sentence in html.unescape(text)
    assert "<script" not in text
    assert html.escape(hostile).replace("\u202e", "⟨U+202E⟩") in text
    assert "\u202e" not in text
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    ids = re.findall(r'\bid="([^"]*)"', text)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]*)"', text)) <= set(ids)
    assert not re.findall(r'(?:src|href)="(?!#)', text)
    assert "://" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", text)
    figures = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(figures) == len(found)
    for figure in figures:
        assert ElementTree.fromstring(figure).get("viewBox")
        assert not re.search(r"#0a0a[0-9a-f]{2}|DejaVu", figure)
    assert text.count('role="img"') == len(found)


@pytest.mark.slow
def test_the_same_numbers_draw_the_same_page(told):
    work, store, found = told
    assert render(store, work, list(found.values())) == render(store, work, list(found.values()))
