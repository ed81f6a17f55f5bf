"""Reports of several arms and of one, the JSON of both, and the ticks of a judge in pages and in the terminal."""

import io
import json
import re

import pytest
from click.testing import CliRunner
from reports import data_of, replies_of, words_of
from rich.console import Console

from lima import Tick, Verdict, hookimpl
from lima.record.store import Store
from lima.testing import only_plugins
from lima_dialogue_eval import compare, describe, run_evaluation, write_report
from lima_dialogue_eval.cli.dialogues import dialogues
from lima_dialogue_eval.record.log import DialogueLog, conversations, find_run, replies
from lima_dialogue_eval.report.page import document_of
from lima_dialogue_eval.report.terminal import print_dialogues
from lima_dialogue_eval.run.regrade import regrade

ODD = "<img src=x onerror=alert(1)>\u202e"


def written(store, names, path, *options):
    done = CliRunner().invoke(dialogues, ["report", *names, "-o", str(path), "-d", str(store.path), *options])
    assert done.exit_code == 0, done.output
    return path.read_text()


def test_several_arms_are_one_page(store, by_hand, tmp_path):
    ten = [f"{n:02d}" for n in range(1, 11)]
    grades = {"base": "EF", "some": "EP", ODD: "EE", "more": "FF"}
    runs = [by_hand({c: {0: labels, 1: labels} for c in ten}, arm=arm) for arm, labels in grades.items()]
    text = written(store, runs, tmp_path / "arms.html")
    words = words_of(text)
    assert "<img" not in text
    assert "\u202e" not in text
    table = re.search(r'<table class="family">(.*?)</table>', text, re.S)[1]
    rows = [words_of(row).split() for row in re.findall(r"<tr>.*?</tr>", table, re.S)[1:]]
    assert rows[0] == ["some", "10", "0", "0", "+0.50", "+0.50", "to", "+0.50", ".00195", ".00586"]
    assert rows[2] == ["more", "0", "0", "10", "−1.00", "−1.00", "to", "−1.00", ".00195", ".00586"]
    assert "some (after) against base (before) mean grade +0.50 points [+0.50, +0.50]" in words
    assert words.count("of 10 (exact sign test p = .00195)") == 3
    index, conversations = data_of(text)
    assert index["arms"] == [["base", ""], ["some", ""], [f"{ODD[:-1]}⟨U+202E⟩", ""], ["more", ""]]
    assert len(conversations) == 10
    first = [[r["grade"] for r in turn["replies"]] for turn in conversations[0][0]["turns"]]
    assert first == [["excellent", "excellent", "excellent", "fail"], ["fail", "pass", "excellent", "fail"]]
    assert [turn["worse"] for turn in conversations[0][0]["turns"]] == [True, False]
    again = words_of(written(store, runs, tmp_path / "arms.html", "--title", "Four"))
    assert "dialogue evaluation Four 10 conversations of small" in again


def test_one_arm_is_a_page_without_tests_and_its_json_says_what_the_page_shows(store, by_hand, tmp_path):
    run = by_hand({"a": {0: "E-", 1: "F-"}, "b": {0: "P.", 1: "PP"}}, arm="only", checks_decide=1)
    text = written(store, [run], tmp_path / "one.html")
    words = words_of(text)
    assert "One arm 2 conversations of small , held with one model" in words
    assert "Grades by requirements (an earlier version): the evaluation declares that its checks decide." in words
    assert "Of 7 replies 2 undecided, 0 cut; errors: 0. Turns not reached, which are Fails: 1." in words
    assert "Primary test" not in words
    assert "different" not in words_of(text[text.index('id="tools"') : text.index('id="list"')])
    done = CliRunner().invoke(dialogues, ["report", run, "--json", "-d", str(store.path)])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    index, conversations = data_of(text)
    assert [c["dialogues"] for c in found["conversations"]] == conversations
    assert [(c["id"], c["topic"]) for c in found["conversations"]] == [("a", "About a"), ("b", "About b")]
    assert found["figures"]["arm"]["fail"] == 2
    assert found["figures"]["by_turn"][0] == {
        "turn": 1,
        "excellent": 1,
        "pass": 2,
        "fail": 1,
        "undecided": 0,
        "turns": 4,
    }
    assert {name: f["conversations"] for name, f in found["filters"].items()} == {
        "undecided": 1, "raters disagree": 0, "judge ≠ people": 0, "cut": 0, "errors": 1,
    }  # fmt: skip
    assert found["how"]["grades"] in words


def test_where_people_count_their_common_grade_stands_first_and_each_of_them_below(store, by_hand):
    run = by_hand({"a": {0: "FF"}, "b": {0: "FF"}}, arm="only")
    given = {
        ("a", 1): {"Ann": "pass", "Ben": "pass", "Cy": "fail"},
        ("a", 2): {"Ann": "fail", "Ben": "excellent"},
        ("b", 1): {"Ann": "fail"},
    }
    for (conversation, turn), grades in given.items():
        key = {"conversation": conversation, "seed": 0, "turn": turn, "grader": "people"}
        rows = [
            {**key, "rater": name, "grade": g, "reason": f"says {name}", "status": "graded"}
            for name, g in grades.items()
        ]
        withdrawn = {**rows[-1], "rater": "Dee", "grade": None, "status": "withdrawn"}
        DialogueLog(store, run).grades([*rows, {**withdrawn, "grade": "pass", "status": "graded"}, withdrawn])
    found = document_of(describe(store, run, grader="people")).as_dict(store)
    assert found["how"]["grades"].startswith("Grades by people: Ann (3), Ben (2), Cy (1). The grade that counts is")
    assert found["how"]["besides"] == "Graded besides, below each reply: requirements (an earlier version) 4."
    first, second = found["conversations"][0]["dialogues"][0]["turns"]
    verdicts = [
        [(v["grade"], v.get("rater"), v.get("counts", False)) for v in t["replies"][0]["verdicts"]]
        for t in (first, second)
    ]
    people = [("pass", "Ann", False), ("pass", "Ben", False), ("fail", "Cy", False)]
    assert verdicts[0] == [("pass", None, True), ("fail", None, False), *people]
    assert verdicts[1] == [
        (None, None, True),
        ("fail", None, False),
        ("fail", "Ann", False),
        ("excellent", "Ben", False),
    ]
    assert [c["dialogues"][0]["flags"] for c in found["conversations"]] == [
        ["undecided", "raters disagree"],
        ["undecided"],
    ]


def test_what_to_make_of_it_is_said_once(store, by_hand, tmp_path):
    one, out = by_hand({"a": {0: "E"}}), ["-o", str(tmp_path / "x.html")]
    for names, options in (([one, one, one], [*out, "--beside-paper"]), ([one], []), ([one], [*out, "--json"])):
        done = CliRunner().invoke(dialogues, ["report", *names, "-d", str(store.path), *options])
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
    odd, quotes = f"{ODD[:-1]}⟨U+202E⟩", ["quote <q>0", "quote <q>1", "quote <q>2"]
    ticks = [tick for r in replies_of(data_of(text)[1]) for tick in r["verdicts"][0]["ticks"]]
    assert [tick["met"] for tick in ticks].count(True) == 4
    assert {(t["requirement"], t["met"], t["quote"]) for t in ticks if "water" in t["requirement"]} == {
        (f"says water {odd}", met, quote) for met, quote in zip((True, False, None), quotes, strict=True)
    }
    assert "<img" not in text
    run, file = find_run(store, one), io.StringIO()
    print_dialogues(run, conversations(store, one), replies(store, one, "ticking"), Console(file=file, width=120))
    assert f"     missed: says water {odd}  “quote <q>1”" in file.getvalue()
    # Graded again by a changed grader, the page shows the verdicts that the figures are of.
    ticking.version = "2"
    regrade(store, [one, two], "ticking")
    c = compare(store, one, two)
    assert c.before.excellent == c.before.turns == 5
    found = replies_of(data_of(write_report(store, c, tmp_path / "r.html").read_text())[1])
    assert {(r["grade"], r["verdicts"][0]["reason"]) for r in found} == {("excellent", "version 2")}
    assert {(v["grade"], v["reason"]) for r in found for v in r["verdicts"][1:]} == {("pass", "version 1")}
