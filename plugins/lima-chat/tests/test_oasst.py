"""Open Assistant's trees: the path that is taken, and messages that fit nowhere."""

from lima import Refused

PROMPTER = {"message_id": "q", "parent_id": None, "text": "Why?", "role": "prompter"}
QA = [("user", "Why?"), ("assistant", "So.")]


def oasst(name, parent, role, text, **more):
    return {"message_id": name, "parent_id": parent, "role": role, "text": text, **more}


def test_oasst_takes_the_best_ranked_path(read, said, tmp_path, caplog):
    rows = [
        oasst("q", None, "prompter", "Why?"),
        oasst("a1", "q", "assistant", "Worse.", rank=1),
        oasst("a0", "q", "assistant", "Better.", rank=0),
        oasst("a9", "q", "assistant", "Rejected.", rank=-1, review_result=False),
        oasst("a8", "q", "assistant", "Deleted.", rank=-1, deleted=True),
        oasst("short", "a0", "prompter", "And?"),
        oasst("long", "a0", "prompter", "But?"),
        oasst("end", "long", "assistant", "Hm.", rank=None),
        oasst("self", "end", "assistant", "Hmm."),
        oasst("last", "end", "prompter", "Thanks"),
        oasst("alone", None, "prompter", "Anyone?"),
        oasst("gone", None, "prompter", "Spam", deleted=True),
    ]
    source = read(rows)
    (record,) = source.records
    assert said(record) == [QA[0], ("assistant", "Better."), ("user", "But?"), ("assistant", "Hm.")]
    file = tmp_path / "talks.jsonl"
    assert record.provenance == f"{file}, line 1; to last; left off: a last question without an answer"
    assert source.refused == (
        Refused(f"{file}, line 12", "a first message that was deleted or rejected.", fault=False),
        Refused(f"{file}, line 11", "a tree without an answer.", fault=False),
    )
    assert [note.getMessage() for note in caplog.records][:2] == [
        f"{file}: a reply of the assistant to the assistant was left out (line 9).",
        f"{file}: a last question without an answer (line 1).",
    ]


def test_oasst_whole_trees(read, said):
    answer = {"message_id": "b", "role": "assistant", "text": "So.", "replies": [], "rank": 0}
    row = {
        "message_tree_id": "a",
        "prompt": {**PROMPTER, "replies": [{**answer, "message_id": "c", "rank": 1}, answer]},
    }
    (record,) = read([row]).records
    assert (record.id, said(record), record.provenance[-4:]) == ("q", QA, "to b")


def test_messages_that_fit_nowhere_are_refused_one_by_one(read, tmp_path):
    rows = [
        oasst("q", None, "prompter", "Why?"),
        oasst("a", "q", "assistant", "So."),
        oasst("a", "q", "assistant", "Twice."),
        oasst("b", "zz", "assistant", "Lost."),
        oasst("c", "b", "prompter", "Lost with it."),
        oasst("d", "e", "prompter", "In a circle."),
        oasst("e", "d", "assistant", "In a circle."),
        {"text": "a", "role": "prompter"},
        {**oasst("f", "q", "assistant", "x"), "strange": 1},
    ]
    source = read(rows, skip_bad=True)
    assert len(source.records) == 1
    found = {one.where.rpartition(" ")[2]: one.reason for one in source.refused}
    file = tmp_path / "talks.jsonl"
    assert found == {
        "8": "expected a message with 'message_id' or 'user_message_id'; its keys are 'text', 'role'.",
        "9": "message 'f' has a key that is not understood: 'strange'. To read message 'f' without it: "
        "--set lima-chat.ignore=strange",
        "3": f"message 'a' is there already, in {file}, line 2.",
        "4": "message 'b' answers 'zz', which is not in the file. Add it, or leave both out.",
        **{
            line: f"message '{name}' leads to no first message by its parents. Correct their ids."
            for line, name in (("5", "c"), ("6", "d"), ("7", "e"))
        },
    }
