"""Rows whose meaning a key turns round: nothing is trained that must not be, and nothing is left off without a word."""

import json

import pytest

from lima import LimaError
from lima_chat import Conversation

ASKED = {"role": "user", "content": "Why?"}
PARTS = [
    {"type": "text", "text": "BAD", "train": False},
    {"type": "text", "text": "BAD", "weight": 0},
    {"type": "text", "text": "BAD", "mask": True},
    {"type": "text", "text": "BAD", "image": "x.png"},
    {"type": "text", "text": "BAD", "odd": 1},
]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: list(part)[2])
def test_a_part_of_a_content_has_closed_keys(read, part):
    row = {"messages": [ASKED, {"role": "assistant", "content": [part, {"type": "text", "text": "GOOD"}]}]}
    with pytest.raises(
        LimaError, match=f"has a part with '{list(part)[2]}'|has '{list(part)[2]}'|not understood: '{list(part)[2]}'"
    ):
        read([row])


def test_a_call_has_closed_keys(read):
    call = {"function": {"name": "sun", "arguments": {}}, "loss": False}
    with pytest.raises(LimaError, match="has a call with 'loss', which is not understood"):
        read([{"messages": [ASKED, {"role": "assistant", "content": "", "tool_calls": [call]}]}])


@pytest.mark.parametrize(
    "beside",
    [
        {"train": False},
        {"weight": 0},
        {"odd": "S"},
        {"messages": [ASKED, {"role": "assistant", "content": "Kept."}]},
    ],
    ids=lambda beside: list(beside)[0],
)
@pytest.mark.parametrize("first", [True, False], ids=["before", "behind"])
def test_what_stands_beside_the_rows_of_a_file_is_read_or_refused(read, beside, first):
    rows = {"data": [{"prompt": "Why?", "response": "BAD"}]}
    with pytest.raises(LimaError):
        read(json.dumps(beside | rows if first else rows | beside), "rows.json")
    assert len(read(json.dumps({"version": "1", **rows, "licence": "MIT"}), "rows.json").records) == 1


METADATA = [
    {"image_id": "3"},
    {"picture_url": "http://x/y"},
    {"file_name": "cat.PNG"},
    {"path": "a/b.wav"},
    {"deleted_at": "2026-01-01"},
    {"rejected_at": "2026-01-01"},
    {"quality": "rejected"},
    {"metadata": {"train": False}},
    {"meta": {"loss": False}},
]


@pytest.mark.parametrize("key", METADATA, ids=lambda key: list(key)[0])
def test_no_metadata_hides_a_picture_or_a_judgement_against_the_row(read, key):
    with pytest.raises(LimaError, match=f"not understood: '{list(key)[0]}'"):
        read([{"messages": [ASKED, {"role": "assistant", "content": "No."}], **key}])
    fine = {"image_count": None, "file_name": "talk.txt", "score": 0.2, "quality": "good", "metadata": {"page": 3}}
    assert len(read([{"messages": [ASKED, {"role": "assistant", "content": "No."}], **fine}]).records) == 1


def test_of_a_prompt_with_answers_only_the_completion_is_learnt(read):
    prompt = [ASKED, {"role": "assistant", "content": "EARLIER"}, {"role": "user", "content": "And?"}]
    answer = [{"role": "assistant", "content": "LEARNT"}]
    rows = [{"prompt": prompt, "completion": answer}, {"prompt": prompt, "chosen": answer, "rejected": answer}]
    for row in rows:
        (record,) = read([row]).records
        assert isinstance(record, Conversation)
        assert [record.turns[i].content for i in record.trained_turns] == ["LEARNT"]


@pytest.mark.parametrize("key", ["label", "kto_tag"])
@pytest.mark.parametrize("value", [False, 0, "false"])
def test_a_label_rejects_a_row_of_any_format(read, key, value):
    good = {"messages": [ASKED, {"role": "assistant", "content": "Good."}], key: True}
    bad = {"messages": [ASKED, {"role": "assistant", "content": "Bad."}], key: value}
    alpaca = {"instruction": "Why?", "input": "", "output": "So.", key: True}
    for rows in ([good, bad], [alpaca, alpaca | {"output": "Bad.", key: value}]):
        source = read(rows)
        assert [len(source.records), len(source.refused)] == [1, 1]
        assert f"its {key} says that the answer was rejected" in source.refused[0].reason


@pytest.mark.parametrize("key", [{"loss": False}, {"trainable": 0}, {"mask": True}, {"loss_weight": 0}], ids=str)
def test_a_whole_row_may_say_that_it_is_not_learnt(read, key):
    row = {"messages": [ASKED, {"role": "assistant", "content": "Good."}]}
    source = read([row, row | key | {"id": "bad"}])
    assert [len(source.records), len(source.refused)] == [1, 1]


@pytest.mark.parametrize("key", [{"train": False}, {"label": False}, {"system": "Be kind."}], ids=str)
def test_a_pair_with_more_names_the_source_that_reads_it(read, key):
    pair = {"prompt": "Why?", "response": "So."}
    with pytest.raises(LimaError, match=r"which the source 'pairs' does not read\. Read the file with .* --source qa:"):
        read([pair, pair | key | {"id": "two"}])
    assert len(read([pair, pair | key | {"id": "two"}], source="qa").records) == (2 if "system" in key else 1)


def test_a_quote_that_is_never_closed_loses_no_rows(read):
    lines = ["prompt,response", *(f"q{i},a{i}" for i in range(5)), 'q5,"a5', *(f"q{i},a{i}" for i in range(6, 900))]
    with pytest.raises(
        LimaError, match="line 7: a quote that is opened there is not closed before the end of the file"
    ):
        read("\n".join(lines), "rows.csv", skip_bad=True)


def test_a_repeated_id_is_numbered_by_the_advice_that_is_given(read):
    row = {"conversation_id": "a", "messages": [ASKED, {"role": "assistant", "content": "So."}]}
    other = row | {"messages": [ASKED, {"role": "assistant", "content": "Other."}]}
    with pytest.raises(LimaError, match=r"--set lima-chat\.ignore=conversation_id"):
        read([row, other])
    assert len(read([row, other], ignore="conversation_id").records) == 2


def test_turns_that_differ_cannot_be_joined_and_are_not_told_to_be(read):
    turns = [ASKED, {"role": "assistant", "content": "a", "train": False}, {"role": "assistant", "content": "b"}]
    with pytest.raises(LimaError, match="that differ in train, weight, thoughts or name cannot be joined"):
        read([{"messages": turns}], merge_turns=True)


def test_a_pair_of_weight_0_is_left_out_and_said(read):
    rows = [{"prompt": "Why?", "response": "So."}, {"prompt": "Why?", "response": "No.", "weight": 0}]
    source = read(rows)
    assert [len(source.records), [r.reason for r in source.refused]] == [
        1,
        ["its weight is 0, so nothing of it is to be learnt."],
    ]
