"""Replies with known grades beside the conversations: the linter on planted defects, and a folder of one's own."""

import copy
import json

import pytest
from click.testing import CliRunner

from lima.errors import LimaError
from lima_chat import KnownReply
from lima_dialogues.command import dialogues_lint
from lima_dialogues.files import File, read_folder
from lima_dialogues.known import all_known
from lima_dialogues.lint import lint
from lima_dialogues.registered import Conversations, Dialogues
from lima_dialogues.schema import Problem


def asked(user, **more):
    return {"user": user, "kind": "opening", "requirements": [{"text": "x", "check": {"max_words": 30}}], **more}


SCRIPT = {
    "id": "cats",
    "topic": "cats",
    "author": "me",
    "licence": "CC0-1.0",
    "turns": [asked("How long does an average cat sleep in one day?"), asked("And kittens?"), asked("Why so long?")],
}
LONG = "A grown cat sleeps for twelve to sixteen hours of the day, in many short naps and at odd times."
KNOWN = {
    "conversation": "cats",
    "author": "me",
    "licence": "CC0-1.0",
    "saw_checks": True,
    "replies": [
        {"turn": 1, "grade": "excellent", "reply": LONG},
        {"turn": 1, "grade": "fail", "flaw": "mislabelled", "reply": LONG.replace("sleeps", "hunts")},
        {"turn": 2, "grade": "pass", "reply": "Up to twenty."},
        {"turn": 3, "grade": "excellent", "reply": "They grow while they sleep."},
        {"turn": 3, "grade": "fail", "flaw": "cruel", "reply": "Wake it with cold water."},
    ],
}


def folder(*replies, name="known/cats.json", **changes):
    data = copy.deepcopy(KNOWN) | changes
    data["replies"] += replies
    return [File("eval/cats.json", SCRIPT), File(name, data)]


def found(files):
    return list(lint(files).problems)


def test_a_folder_that_fits_has_no_problems_and_is_counted():
    report = lint(folder())
    assert report.problems == ()
    assert report.as_dict()["known"] == {"files": 1, "replies": 5, "good": 3}
    assert report.as_dict()["eval"] == {"files": 1, "exchanges": 3, "words": 15}


def test_a_conversation_that_is_not_there():
    fix = "Give the id of one that is there. Did you mean 'cats'? Known: cats."
    assert found(folder(conversation="cat")) == [
        Problem("known/cats.json", None, "is about the conversation 'cat', which is not there", fix)
    ]


def test_a_turn_that_is_not_there_and_one_without_a_good_reply():
    files = folder({"turn": 4, "grade": "fail", "flaw": "talk", "after": ["a", "b", "c"], "reply": "Well."})
    files[1].data["replies"][2] |= {"grade": "fail", "flaw": "format"}
    for reply in files[1].data["replies"][3:5]:
        reply["after"] = ["Twelve.", "Twenty."]
    assert found(files) == [
        Problem("known/cats.json", 2, "no known reply to this turn is good", 'Add one that is "pass" or "excellent".'),
        Problem("known/cats.json", 4, "reply 6 is to a turn that the conversation does not have", "It has 3."),
    ]


def test_a_second_file_about_a_conversation_makes_a_turn_good_and_has_a_history_of_its_own():
    files = folder()
    del files[1].data["replies"][3]
    second = KNOWN | {"saw_checks": False, "replies": [{"turn": 3, "grade": "pass", "reply": "Growth."}]}
    assert [str(p) for p in found([*files, File("known/more.json", second)])] == [
        'known/cats.json, turn 3: no known reply to this turn is good. Add one that is "pass" or "excellent".',
        "known/more.json, turn 3: reply 1 has no history: no reply to turn 1 in this file is good. Add one to the file that is "
        '"pass" or "excellent", or give "after", the replies before: 2.',
    ]
    second["replies"][0]["after"] = ["Twelve hours.", "Twenty."]
    assert found([*files, File("known/more.json", second)]) == []


SAY = "Say it differently, or leave it out."


@pytest.mark.parametrize(
    ("reply", "what", "fix"),
    [
        (
            {"turn": 1, "grade": "pass", "reply": LONG.replace("odd times", "odd hours")},
            "reply 6 is 88% the same as reply 1",
            SAY,
        ),
        ({"turn": 3, "grade": "fail", "flaw": "cruel", "reply": "wake it, with cold water"},
         "reply 6 is in the same words as reply 5", SAY),
        ({"turn": 3, "grade": "pass", "reply": "Wake it with cold water!"},
         "reply 6 is in the same words as reply 5, which is graded otherwise", "Keep the right one of the two."),
    ],
)  # fmt: skip
def test_near_duplicates_and_contradictions(reply, what, fix):
    assert found(folder(reply)) == [Problem("known/cats.json", reply["turn"], what, fix)]


def test_one_flaw_in_a_good_reply_and_the_same_words_after_another_history_are_no_duplicates():
    injected = {"turn": 1, "grade": "fail", "flaw": "wrong value", "reply": LONG.replace("twelve", "two")}
    after = {"turn": 3, "grade": "fail", "flaw": "contradicts", "after": ["Two.", "One."]}
    assert found(folder(injected, after | {"reply": "They grow while they sleep."})) == []


def test_known_replies_in_the_folder_of_another_set_and_a_script_in_theirs():
    files = folder(name="eval/more.json")
    assert found(files) == [Problem("eval/more.json", None, "has replies with known grades", "Move it to known/.")]
    problems = found([File("known/cats.json", SCRIPT)])
    assert problems[0].what == "has no 'conversation'"


@pytest.mark.parametrize(
    ("null", "what", "fix"),
    [
        ({"echo": ""}, "'null' has '' for 'echo'", "Say why such a reply is right here."),
        ("echo", "'null' is 'echo'", 'Put {"echo": "why an echo is right here"}.'),
        (
            {"empty": "silence is golden"},
            "'null' has an unknown key 'empty'",
            "Remove or rename it. Known: apology, echo, other, previous.",
        ),
    ],
)
def test_a_turn_says_why_an_echo_is_right(null, what, fix):
    script = copy.deepcopy(SCRIPT)
    script["turns"][1] |= {"null": null}
    assert found([File("eval/cats.json", script)]) == [Problem("eval/cats.json", 2, what, fix)]
    script["turns"][1] |= {"null": {"echo": "the user greets"}}
    assert found([File("eval/cats.json", script)]) == []


def test_a_folder_of_ones_own_is_told_apart_by_shape(tmp_path):
    (tmp_path / "cats.json").write_text(json.dumps(SCRIPT))
    (tmp_path / "graded.json").write_text(json.dumps(KNOWN))
    done = CliRunner().invoke(dialogues_lint, [str(tmp_path)])
    assert (done.exit_code, done.output.splitlines()[-4:]) == (
        0,
        [
            "1 conversation to evaluate with: 3 exchanges, 3.0 on average, 15 words",
            "1 file of replies with known grades: 5, 3 of them good",
            "eval: 2 of 2 later user turns lean on what was said, 100%",
            "No problems",
        ],
    )
    with pytest.raises(LimaError, match="has only conversations to evaluate with"):
        list(Dialogues().examples(str(tmp_path)))
    replies = all_known(read_folder(tmp_path))
    assert replies[3] == KnownReply(
        "cats", 3, "They grow while they sleep.", "excellent", after=(LONG, "Up to twenty.")
    )


def test_a_broken_file_of_known_replies_is_refused_with_its_name(tmp_path):
    (tmp_path / "known").mkdir()
    (tmp_path / "known" / "cats.json").write_text("{")
    with pytest.raises(LimaError, match=r"known/cats.json: is not JSON .* Fix it, or remove it."):
        all_known(read_folder(tmp_path))


def test_the_shipped_evaluation_gives_what_is_in_its_folder():
    evaluation = Conversations()
    turns = {c.id: len(c.turns) for c in evaluation.conversations()}
    assert [k for k in evaluation.known_replies() if k.turn > turns[k.conversation]] == []
