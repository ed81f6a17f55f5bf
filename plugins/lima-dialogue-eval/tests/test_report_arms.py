"""The page of several arms, and the ticks of a judge in pages and in the terminal."""

import html
import io
import re

import pytest
from click.testing import CliRunner
from rich.console import Console

from lima import Tick, Verdict, hookimpl
from lima.record.store import Store
from lima.testing import only_plugins
from lima_dialogue_eval import compare, run_evaluation, write_report
from lima_dialogue_eval.cli.dialogues import dialogues
from lima_dialogue_eval.record.log import conversations, find_run, replies
from lima_dialogue_eval.report.terminal import print_dialogues
from lima_dialogue_eval.run.regrade import regrade

ODD = "<img src=x onerror=alert(1)>\u202e"


def shown(text):
    """The words of a page, without its style"""
    return " ".join(html.unescape(re.sub("<style.*?</style>|<[^>]*>", " ", text, flags=re.S)).split())


def written(store, names, path, *options):
    done = CliRunner().invoke(dialogues, ["report", *names, "-o", str(path), "-d", str(store.path), *options])
    assert done.exit_code == 0, done.output
    return path.read_text()


def test_several_arms_are_one_page(store, by_hand, tmp_path):
    ten = [f"{n:02d}" for n in range(1, 11)]
    grades = {"base": "EF", "some": "EP", ODD: "EE", "more": "FF"}
    runs = [by_hand({c: {0: labels, 1: labels} for c in ten}, arm=arm) for arm, labels in grades.items()]
    text = written(store, runs, tmp_path / "arms.html")
    words = shown(text)
    assert "<img" not in text
    assert "\u202e" not in text
    table = re.search(r'<table class="family">(.*?)</table>', text, re.S)[1]
    rows = [shown(row).split() for row in re.findall(r"<tr>.*?</tr>", table, re.S)[1:]]
    assert rows[0] == ["some", "10", "0", "0", "+0.50", "+0.50", "to", "+0.50", ".00195", ".00586"]
    assert rows[2] == ["more", "0", "0", "10", "−1.00", "−1.00", "to", "−1.00", ".00195", ".00586"]
    assert "some (after) against base (before) mean grade +0.50 points [+0.50, +0.50]" in words
    assert words.count("of 10 (exact sign test p = .00195)") == 3
    assert len(re.findall(r'<div class="pair" style="--arms:4">', text)) == 10 * 2 * 2
    first = text[text.index('id="c1"') :]
    replies_there = re.findall(r'class="reply (\w+)"', first)[:8]
    assert replies_there == ["excellent", "excellent", "excellent", "fail", "fail", "pass", "excellent", "fail"]
    assert "worse than the first" in words
    again = shown(written(store, runs, tmp_path / "arms.html", "--title", "Four"))
    assert "dialogue evaluation Four small" in again


def test_the_arms_of_a_page_are_two_at_least(store, by_hand, tmp_path):
    one = by_hand({"a": {0: "E"}})
    for names, options in (([one], []), ([one, one, one], ["--beside-paper"])):
        done = CliRunner().invoke(
            dialogues, ["report", *names, "-o", str(tmp_path / "x.html"), "-d", str(store.path), *options]
        )
        assert done.exit_code == 2
        assert not (tmp_path / "x.html").exists()


class Ticking:
    """A plugin with a grader that ticks each requirement with a quote, and whose version can change"""

    description, version = "ticks", "1"

    def identity(self):
        return self.version

    @hookimpl
    def register_graders(self, register):
        register("ticking", self)

    def grade(self, turn):
        met = [True, False, None][turn.index]
        ticks = tuple(
            Tick(f"{r['text']} {ODD}", met, f"quote <q>{turn.index}") for r in turn.conversation.turns[0].requirements
        )
        return Verdict("pass" if self.version == "1" else "excellent", f"version {self.version}", "graded", ticks)


@pytest.fixture
def ticking():
    return Ticking()


@pytest.fixture
def store(Evaluations, ticking, tmp_path):
    import lima_dialogue_eval

    with (
        only_plugins(lima_dialogue_eval=lima_dialogue_eval, evaluations=Evaluations(), ticking=ticking),
        Store(tmp_path / "lima.db") as opened,
    ):
        yield opened


def test_ticks_are_listed_in_the_report_and_in_show(store, ticking, Model, greedy, tmp_path):
    settings = {"arm": "", "seeds": [0], "sampling": greedy, "grader": "ticking"}
    one, two = (run_evaluation(store, "small", Model(), **settings) for _ in range(2))
    text = write_report(store, compare(store, one, two), tmp_path / "r.html").read_text()
    words = shown(text)
    odd = "<img src=x onerror=alert(1)>⟨U+202E⟩"
    assert words.count("1 of 1 requirement met") == 4
    assert words.count("0 of 1 requirement met") == 6
    for line in ("met says water", "missed says water", "undecided says water"):
        assert f"{line} {odd[:-8]} {odd[-8:]} quote <q>" in words
    assert "<img" not in text
    run, file = find_run(store, one), io.StringIO()
    print_dialogues(run, conversations(store, one), replies(store, one, "ticking"), Console(file=file, width=120))
    assert f"     missed: says water {odd}  “quote <q>1”" in file.getvalue()
    # Graded again by a changed grader, the page shows the verdicts that the figures are of.
    ticking.version = "2"
    regrade(store, [one, two], "ticking")
    c = compare(store, one, two)
    assert c.before.excellent == c.before.turns == 5
    words = shown(write_report(store, c, tmp_path / "r.html").read_text())
    assert "version 2" in words
    assert "version 1" not in words
