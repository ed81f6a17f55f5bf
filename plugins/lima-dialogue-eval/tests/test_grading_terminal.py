"""`lima dialogues grade --terminal` in a pseudo-terminal: the same keys, saved at once, resumed; and what the command refuses."""

import re

import pytest
from pseudo_terminal import terminal

from lima_dialogue_eval.record.log import DialogueLog


def test_grades_undo_comments_and_resumes_after_ctrl_c(store, by_hand):
    run = by_hand({"tea": {0: "EP"}})
    hostile = {
        "conversation": "tea",
        "seed": 0,
        "turn": 2,
        "user": "Go on\x1b[2J",
        "reply": "\u202ebad\x07",
        "status": "answered",
    }
    DialogueLog(store, run).turns([{**hostile, "requirements": '[{"text": "is good"}, {"text": "is kind"}]'}], [])
    with terminal(store, run, "--by", "Zoë") as t:
        shown = t.until("Turn 1: grade?")
        assert "Conversation 1 of 1: About tea" in shown
        assert "Go on" not in shown
        t.press("z")
        t.until("This key does nothing here")
        t.until("grade?")
        t.press("c")
        t.until("Comment:")
        t.press("fine p 1\n")
        t.until("(comment: fine p 1)")
        t.press("3")
        t.until("excellent, saved")
        shown = t.until("Turn 2: grade?")
        assert "Go on⟨U+001B⟩[2J" in shown
        assert "⟨U+202E⟩bad⟨U+0007⟩" in shown
        own = re.sub(r"\x1b\[\d?m", "", shown)
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202e]", own)
        t.press("u")
        t.until("Undone: grade of turn 1.")
        t.until("Turn 1: grade?")
        t.press("\x03")
        code, rest = t.end()
        assert (code, "Everything that was graded is saved; the same command resumes." in rest) == (0, True)
    with terminal(store, run, "--by", "Zoë") as t:
        t.until("Resuming study")
        t.until("Turn 1: grade? [1 2 3 x c t u ?] (comment: fine p 1)")
        t.press("p")
        t.until("Turn 2: grade?")
        t.press("t")
        t.until("Requirement, 1 to 2:")
        t.press("2\n")
        t.until("Requirement 2: met")
        t.until("grade?")
        t.press("X")
        code, rest = t.end()
        assert (code, "Everything is graded. Thank you." in rest) == (0, True)
    rows = store.rows(
        "select turn, grade, status, reason, ticks from dialogue_latest_grades where rater = 'Zoë' order by turn"
    )
    ticked = (
        '[{"requirement": "is good", "met": null, "quote": ""}, {"requirement": "is kind", "met": true, "quote": ""}]'
    )
    assert [tuple(row.values()) for row in rows] == [
        (1, "pass", "graded", "fine p 1", "[]"),
        (2, None, "cannot judge", "", ticked),
    ]


@pytest.mark.slow
def test_two_dialogues_and_the_way_back_to_an_earlier_one(store, by_hand):
    runs = [by_hand({"tea": {0: "E"}, "bus": {0: "P"}}) for _ in range(2)]
    with terminal(store, *runs, "--by", "ana") as t:
        t.until("Turn 1, reply A: grade?")
        t.press("22n13")  # ahead of what is asked: no key is lost
        t.until("Conversation 2 of 2")
        t.until("Which dialogue is better?")
        t.press("\x1b[D")
        t.until("Conversation 1 of 2")
        t.until("Graded. [Enter: next open conversation, u: undo, ?]")
        t.press("u")
        t.until("Undone: prefer.")
        t.until("Which dialogue is better?")
        t.press("a")
        t.until("Graded.")
        t.press("\r")
        t.until("Which dialogue is better?")
        t.press("q")
        assert t.end()[0] == 0
    item = store.rows("select * from grading_items where place = 1")[0]
    found = [row["preferred"] for row in store.rows("select preferred from dialogue_preferences order by id")]
    assert found == ["", None, item["left_run"]]
    grades = [row["grade"] for row in store.rows("select grade from dialogue_grades where rater = 'ana' order by id")]
    assert grades == ["pass", "pass", "fail", "excellent"]


def test_what_the_command_refuses(store, by_hand, lima_command):
    run = by_hand({"tea": {0: "E"}})
    path = str(store.path)
    cases = [
        ([], 2, "Name one run or two, or --study ID."),
        ([run, "--study", "x"], 2, "Name one run or two, or --study ID."),
        (["--study", "x", "--seed", "1"], 2, "leave out --seed"),
        ([run, "--terminal", "--port", "80"], 2, "--terminal opens no page: leave out --port."),
        ([run, "--raters", "ana,ben", "--by", "ana"], 2, "--by says who grades in the --terminal"),
        ([run, "--raters", "ana,ben", "--terminal"], 2, "Say who of ana, ben grades here: --by NAME."),
        ([run, "--raters", "ana", "--by", "ben", "--terminal"], 1, "'ben' is not a rater"),
        ([run, "--terminal"], 1, "--terminal reads single keys and needs a terminal. Leave it out for a page."),
        ([run, "--only", "odd"], 1, "--only takes undecided and disagreed"),
        (["nowhere"], 1, "No dialogue run 'nowhere'"),
        (["--study", "nowhere"], 1, "No study 'nowhere'"),
    ]
    for arguments, code, says in cases:
        found = lima_command("dialogues", "grade", *arguments, "-d", path, code=code)
        assert says in found.err, arguments
