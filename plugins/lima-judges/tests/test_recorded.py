"""Replies that were recorded elsewhere: found by the dialogue's keys, and refused with file and line where a row is wrong."""

import json

import pytest

from lima import LimaError, Sampling
from lima_judges.recorded import RecordedReplies

OPEN = RecordedReplies().open


@pytest.fixture
def file(tmp_path):
    def write(*rows, name="replies.jsonl"):
        path = tmp_path / name
        path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows))
        return str(path)

    return write


def row(conversation, turn, reply, **more):
    return {"conversation": conversation, "turn": turn, "reply": reply, **more}


def test_replies_are_found_by_conversation_turn_and_seed(file):
    model = OPEN(file(row("a", 1, "any"), row("a", 1, "five", seed=5), row("a", 2, "cut", stop="length")), None)
    progress = []
    found = model.reply(
        ["x"] * 4, Sampling(), 0, progress.append, keys=[("a", 1, 0), ("a", 1, 5), ("a", 2, 0), ("b", 1, 0)]
    )
    assert [(r.text, r.stop) for r in found[:3]] == [("any", "stop"), ("five", "stop"), ("cut", "length")]
    assert "has no reply for conversation 'b', turn 1, seed 0" in str(found[3])
    assert progress == [3]


def test_an_empty_recorded_reply_is_a_reply(file):
    (found,) = OPEN(file(row("a", 1, "")), None).reply(["x"], Sampling(), 0, keys=[("a", 1, 0)])
    assert found.text == ""


def test_without_keys_nothing_is_guessed(file):
    with pytest.raises(LimaError, match="answers turns of conversations only"):
        OPEN(file(row("a", 1, "x")), None).reply(["x"], Sampling(), 0)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([row("a", 1, "x"), row("a", 1, "y")], "line 2: conversation 'a', turn 1 has a reply in"),
        ([row("a", 1, "x", seed=1), row("a", 1, "y", seed=1)], "turn 1, seed 1 has a reply in"),
        ([row("a", 0, "x")], "line 1: 'turn' is 0; expected a whole number from 1"),
        ([row("a", "1", "x")], "'turn' is '1'; expected a whole number"),
        ([row("a", True, "x")], "'turn' is True"),
        ([row("a", None, "x")], "'turn' is None"),
        ([row("a", 1, None)], "'reply' is None; expected text"),
        ([row("", 1, "x")], "'conversation' is ''"),
        ([row("a", 1, "x", seed=-1)], "'seed' is -1"),
        ([row("a", 1, "x", stop=3)], "'stop' is 3"),
        (["[1]\n"], "line 1: expected an object"),
        (["{\n"], "line 1"),
        (["\n"], "has no reply in it"),
    ],
)
def test_wrong_rows_are_said_with_their_line(rows, said, file):
    with pytest.raises(LimaError) as error:
        OPEN(file(*rows), None)
    assert said in str(error.value)


def test_a_table_of_texts_works_too(file):
    model = OPEN(file("conversation,turn,reply,seed\na,1,hello,\na,2,bye,3\n", name="r.csv"), None)
    found = model.reply(["x"] * 2, Sampling(), 0, keys=[("a", 1, 9), ("a", 2, 3)])
    assert [r.text for r in found] == ["hello", "bye"]


def test_the_identity_changes_with_a_reply(file):
    first = OPEN(file(row("a", 1, "x")), None).identity()
    assert OPEN(file(row("a", 1, "x")), None).identity() == first
    assert OPEN(file(row("a", 1, "y")), None).identity() != first


def test_a_missing_file_is_refused():
    with pytest.raises(LimaError):
        OPEN("no/such/file.jsonl", None)
    with pytest.raises(LimaError, match="Name the file"):
        OPEN(None, None)
