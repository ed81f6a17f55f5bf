"""The report as a file: exact figures, every conversation with every grade as data, hostile text, and where it is written."""

import base64
import hashlib
import os
import re

import pytest
from reports import HOSTILE, data_of, replies_of, words_of

from lima.contract.answers import Reply, Sampling
from lima.errors import LimaError
from lima.text import storable, visible
from lima_dialogue_eval import compare, run_evaluation, write_report
from lima_dialogue_eval.comparison.result import DEFINITIONS
from lima_dialogue_eval.report import page as report
from lima_dialogue_eval.statistics import PRIMARY


@pytest.fixture
def page(store, by_hand, tmp_path):
    """The text of a report on runs written by hand"""

    def write(before, after, title="Before and after", **values):
        file = write_report(store, compare(store, before, after), tmp_path / "folder" / "report.html", title, **values)
        assert [f.name for f in file.parent.iterdir()] == ["report.html"]
        return file.read_text(encoding="utf-8")

    return write


@pytest.fixture
def hostile(store, Model):
    class Hostile(Model):
        name = "<script>document.title='owned'</script>"

        def reply(self, prompts, settings, seed, on_progress=None):
            return [Reply(HOSTILE[s % len(HOSTILE)], [], HOSTILE[0], 0.0, []) for s in seed]

    arms = [
        run_evaluation(
            store, "small", Hostile(), arm=f"<b>{arm}</b>\u202e", seeds=range(len(HOSTILE)), sampling=Sampling()
        )
        for arm in ("before", "after")
    ]
    texts = [r["reply"] for r in store.rows("select distinct reply from dialogue_turns")]
    assert sorted(texts) == sorted(map(storable, HOSTILE))
    return arms


def test_the_table_and_the_tests_of_the_paper(page, by_hand):
    ten = [f"{n:02d}" for n in range(1, 11)]
    runs = by_hand({c: {0: "EPFF"} for c in ten}), by_hand({c: {0: "EEEP"} for c in ten})
    assert "45.2 %" not in page(*runs)
    text = page(*runs, beside_paper=True)
    table = re.search(r'<table class="paper">.*?<tbody>(.*?)</table>', text, re.S)[1]
    cells = [[part for part in re.split("<[^>]*>", cell) if part] for cell in re.findall(r"<td.*?</td>", table)]
    assert cells == [
        ["25.0 % = 10/40", "14.2–40.2 %"],
        ["75.0 % = 30/40", "59.8–85.8 %"],
        ["45.2 % = 19/42", "31.2–60.1 %"],
        ["76.1 % = 35/46", "62.1–86.1 %"],
        ["25.0 % = 10/40", "14.2–40.2 %"],
        ["25.0 % = 10/40", "14.2–40.2 %"],
        ["19.0 % = 8/42", "10.0–33.3 %"],
        ["21.7 % = 10/46", "12.3–35.6 %"],
        ["50.0 % = 20/40", "35.2–64.8 %"],
        ["0.0 % = 0/40", "0.0–8.8 %"],
        ["35.7 % = 15/42", "23.0–50.8 %"],
        ["2.2 % = 1/46", "0.4–11.3 %"],
        ["0.0 % = 0/40", "0.0–8.8 %"],
        ["0.0 % = 0/40", "0.0–8.8 %"],
        ["none"],
        ["none"],
        ["10 of 10"],
        ["0 of 10"],
        ["6 of 10"],
        ["not given"],
    ]
    words = words_of(text)
    for sentence in (
        "10 better 0 tied 0 worse of 10; exact sign test p = .00195. Paper: 7, 3 and 0 of 10, p = .0156.",
        "+1.00 grade points, 95 % interval +1.00 to +1.00 (paired t, n = 10).",
        "p = .00195 two-sided sign-flip over 10 conversations; exact, all 2^10 = 1,024 sign flips; least possible p = .00195.",
        "95 % Wilson intervals, turns treated as independent.",
        "Excellent +50.0 percentage points, p = .00391; Fail −50.0 percentage points, p = .00391",
        PRIMARY,
        *(" ".join(d.split()) for d in DEFINITIONS.values()),
    ):
        assert sentence in words


def test_conversations_stand_side_by_side_and_can_be_filtered(page, by_hand):
    before = by_hand({"same": {0: "EP", 1: "EP"}, "better": {0: "EF", 1: "EE"}, "worse": {0: "EE", 1: "EP"}})
    after = by_hand({"same": {0: "EP", 1: "EP"}, "better": {0: "EP", 1: "EE"}, "worse": {0: "EE", 1: "EF"}})
    index, conversations = data_of(page(before, after))
    assert {c["id"]: c["flags"] for c in index["conversations"]} == {
        "same": [[], []],
        "better": [["different"], []],
        "worse": [[], ["different", "regressions"]],
    }
    assert index["conversations"][1]["grades"] == [["EF", "EP"], ["EE", "EE"]]
    assert index["conversations"][1]["changes"] == [{"before": 1.5, "after": 1.75, "verdict": "better"}]
    sides = [
        [(r["grade"], r["text"], r["verdicts"][0]["reason"]) for r in turn["replies"]]
        for dialogues in conversations
        for d in dialogues
        for turn in d["turns"]
    ]
    assert len(sides) == 12
    assert sides[0] == [("excellent", "run-1 same 0 1", "because E"), ("excellent", "run-2 same 0 1", "because E")]
    assert sides[5] == [("fail", "run-1 better 0 2", "because F"), ("pass", "run-2 better 0 2", "because P")]
    turns = [turn for dialogues in conversations for d in dialogues for turn in d["turns"]]
    assert [turn.get("diverged", False) for turn in turns] == [True, False] * 6
    assert [turn["worse"] for turn in turns].count(True) == 1


def test_what_left_the_comparison_is_shown_and_named(store, page, by_hand):
    from lima_dialogue_eval.record.log import DialogueLog

    before, after = by_hand({"a": {0: "F-"}, "b": {0: "PP"}}), by_hand({"a": {0: "EE"}, "b": {0: "E"}})
    failed = {
        "conversation": "b",
        "seed": 0,
        "turn": 2,
        "kind": "",
        "user": "",
        "status": "error",
        "message": "no <line>",
    }
    DialogueLog(store, after).turns(
        [{**failed, "requirements": "[]"}],
        [{"conversation": "b", "seed": 0, "status": "error", "message": "no <line>"}],
    )
    text = page(before, after)
    words = words_of(text)
    assert "Left out: b (after). error (seed 0): no <line>" in words
    assert "Waiting: 1 turn has an undecided reply on one side and counts on neither in the tests." in words
    index, conversations = data_of(text)
    assert [(c["topic"], c["changes"]) for c in index["conversations"]] == [
        ("About a", [{"before": 0.0, "after": 2.0, "verdict": "better"}]),
        ("About b", [None]),
    ]
    assert [c["flags"] for c in index["conversations"]] == [[["different", "undecided"]], [["different", "errors"]]]
    broken = conversations[1][0]
    assert (broken["ends"], broken["turns"][1]["replies"][1]["message"]) == (["", "error: no <line>"], "no <line>")
    assert [v["reason"] for v in conversations[0][0]["turns"][1]["replies"][0]["verdicts"]] == ["because -"]


@pytest.mark.parametrize("path", ["", ".", "/"])
def test_a_path_without_a_file_is_a_sentence(store, by_hand, path):
    compared = compare(store, by_hand({"a": {0: "E"}}), by_hand({"a": {0: "F"}}))
    with pytest.raises(
        LimaError, match=r"^Cannot write the report: '[./]' names no file\. Give one, such as report\.html\.$"
    ):
        write_report(store, compared, path)


def test_hostile_text_is_only_text(page, hostile):
    text = page(*hostile, title="<i>title</i>\u202e")
    assert len(re.findall("<script", text)) == 2 + 2, "an index, two conversations, and the script"
    assert not re.findall(r"<(?:img|template|iframe|link|textarea|title><)", text)
    assert "<i>title" not in text
    assert not re.findall(r"<[^>]*\s(?:on\w+|src|style)=", text)
    assert all(href.startswith("#") for href in re.findall(r'href="([^"]*)', text))
    assert "url(" not in text
    assert "@import" not in text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u2028\u202a-\u202e\u2066-\u2069\ufeff]", text)
    _, conversations = data_of(text)
    assert {r["text"] for r in replies_of(conversations)} == {visible(storable(one)) for one in HOSTILE}


def test_the_policy_allows_the_files_own_script_and_style_and_nothing_else(page, by_hand):
    text = page(by_hand({"a": {0: "E"}}), by_hand({"a": {0: "F"}}))
    (policy,) = re.findall('<meta http-equiv="Content-Security-Policy" content="([^"]*)">', text)
    (style,), (script,) = (
        re.findall("<style>(.*?)</style>", text, re.S),
        re.findall("<script>(.*?)</script>", text, re.S),
    )
    js, css = (base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in (script, style))
    assert policy.replace("&#39;", "'") == (
        f"default-src 'none'; script-src 'sha256-{js}'; style-src 'sha256-{css}'; base-uri 'none'; form-action 'none'"
    )
    for way in ("innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "Function(", 'setTimeout("'):
        assert way not in script


def test_what_hides_is_written_out_and_what_scripts_need_stays():
    assert [visible(text) for text in HOSTILE[3:7]] == [
        "red ⟨U+001B⟩[31m alarm⟨U+0007⟩ ⟨U+009B⟩2J",
        "user⟨U+202E⟩txt.exe⟨U+2066⟩ ⟨U+200B⟩hidden ⟨U+FEFF⟩⟨U+E0041⟩⟨U+2028⟩next⟨U+00AD⟩",
        "⟨U+D800⟩ lone",
        "👩‍👩‍👧 ❤️ नमस्ते \tשלום",
    ]
    assert visible("a\r\nb\rc") == "a\nb⟨U+000D⟩c"


def test_a_place_that_cannot_be_written_is_a_sentence(store, by_hand, tmp_path):
    comparison = compare(store, by_hand({"a": {0: "E"}}), by_hand({"a": {0: "E"}}))
    (tmp_path / "file").write_text("")
    with pytest.raises(LimaError, match=r"^Cannot write the report .*report\.html: .*Choose another file\.$"):
        write_report(store, comparison, tmp_path / "file" / "report.html")


def test_a_file_that_is_no_report_is_left_alone(tmp_path):
    from lima_dialogue_eval.report.page import check_place, write_whole

    mine, ours, empty = (tmp_path / name for name in ("notes.html", "ours.html", "empty.html"))
    mine.write_text("<p>mine</p>")
    empty.touch()
    for write in (lambda: check_place(mine), lambda: write_whole("page", mine)):
        with pytest.raises(LimaError, match="notes.html exists and is not a report of lima, so it is not overwritten"):
            write()
    assert mine.read_text() == "<p>mine</p>"
    for _ in range(2):
        write_whole('<p class="eyebrow">lima 1</p>', ours)
    write_whole("page", empty)
    check_place(ours)
    check_place(tmp_path / "new" / "page.html")
    assert not (tmp_path / "new" / "page.html").exists()
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [
        "empty.html",
        "notes.html",
        "ours.html",
    ]


def test_what_is_no_regular_file_is_left_alone(tmp_path):
    from lima_dialogue_eval.report.page import check_place, write_whole

    device = tmp_path / "device"
    os.mkfifo(device)
    for write in (lambda: check_place(device), lambda: write_whole("page", device)):
        with pytest.raises(LimaError) as e:
            write()
        assert str(e.value) == (
            f"{device} exists and is not a regular file, so it is not overwritten. Choose another file."
        )
    assert device.is_fifo()
    assert list(tmp_path.iterdir()) == [device]


def test_a_report_may_be_written_again(page, by_hand):
    before, after = by_hand({"a": {0: "E"}}), by_hand({"a": {0: "F"}})
    assert len(page(before, after)) == len(page(before, after))


def test_what_was_put_in_the_place_of_a_report_meanwhile_is_left_alone(tmp_path, monkeypatch):
    path, reserve = tmp_path / "report.html", report._reserve

    def late(place):
        path.write_text("mine")
        reserve(place)

    monkeypatch.setattr(report, "_reserve", late)
    with pytest.raises(LimaError, match="is not a report of lima"):
        report.write_whole("page", path)
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"report.html": "mine"}
