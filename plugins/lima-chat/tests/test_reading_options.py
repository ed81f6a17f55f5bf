"""What a file says of how it is learnt, and what a recipe says of how it is read."""

import pytest

from lima import LimaError, Refused

U, A = {"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}


def learnt(read, **keys):
    """(train, weight) of an answer with these keys"""
    turn = read([{"messages": [U, A, U, {**A, **keys}]}]).records[0].turns[3]
    return turn.train, turn.weight


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        ({}, (True, 1.0)),
        *(({key: True}, (True, 1.0)) for key in ("train", "training", "trainable", "loss")),
        *(({key: value}, (False, 1.0)) for key in ("train", "training", "trainable", "loss") for value in (False, 0)),
        ({"mask": True}, (False, 1.0)),
        ({"mask": False}, (True, 1.0)),
        ({"weight": 0}, (True, 0.0)),
        ({"loss_weight": 0.25}, (True, 0.25)),
        ({"weight": 0, "train": False}, (False, 0.0)),
        ({"weight": 2, "loss": True, "mask": False}, (True, 2.0)),
        ({"weight": None, "loss": None, "mask": None}, (True, 1.0)),
        ({"train_detail": [{"begin_offset": 0, "end_offset": 3, "train": False}]}, (False, 1.0)),
    ],
)
def test_every_word_for_whether_an_answer_is_learnt(keys, wanted, read):
    assert learnt(read, **keys) == wanted


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"weight": 1, "loss": False}, "turn 4 has loss false beside weight 1, which contradict each other. Leave one"),
        ({"weight": 0, "train": True}, "turn 4 has train true beside weight 0, which contradict"),
        ({"train": True, "mask": True}, "turn 4 has train true beside mask true, which contradict"),
        ({"weight": 1, "loss_weight": 0.5}, "turn 4 has weight 1 beside loss_weight 0.5, which contradict"),
        ({"train": "no"}, "turn 4 has train 'no'; expected true or false."),
        ({"mask": 1}, "turn 4 has mask 1; expected true (not learnt) or false. Some files mean the opposite"),
        ({"weight": "much"}, "turn 4 has weight 'much'; expected a number of 0 or more."),
        ({"weight": -1}, "turn 4 has weight -1; expected a number of 0 or more."),
        ({"weight": 10**400}, "turn 4 has a weight of 401 digits; expected a number such as 1 or 0.5."),
        ({"train_detail": [{"train": True}, {"train": False}]}, "turn 4 has a train_detail that learns only parts"),
    ],
)
def test_what_contradicts_itself_or_says_nothing_is_an_error(keys, problem, read):
    with pytest.raises(LimaError) as e:
        learnt(read, **keys)
    assert problem in str(e.value)


@pytest.mark.parametrize("keys", [{"train": True}, {"weight": 1}])
def test_a_question_that_is_to_be_learnt_is_an_error(keys, read):
    with pytest.raises(
        LimaError, match=rf"turn 1 is the user's and is to be learnt; only answers are. Take its '{[*keys][0]}'"
    ):
        read([{"messages": [{**U, **keys}, A]}])
    assert read([{"messages": [{**U, "train": False, "weight": 0}, A]}]).records


def test_a_row_may_say_it_all_at_once(read, tmp_path):
    file = tmp_path / "talks.jsonl"
    rows = [
        {"messages": [U, {**A, "weight": 0.5}, U, A], "weight": 0.5},
        {"messages": [U, A], "train": False},
        {"messages": [U, A], "train": True},
        {"messages": [U, {**A, "loss": False}]},
        {"messages": [U, A], "weight": 0},
    ]
    source = read(rows)
    assert [t.weight for t in source.records[0].turns[1::2]] == [0.25, 0.5]
    assert source.refused == (
        Refused(f"{file}, line 2", "the row says that it is not to be learnt.", fault=False),
        *(Refused(f"{file}, line {n}", "no answer of the row is to be learnt.", fault=False) for n in (4, 5)),
    )
    assert [r.provenance for r in source.records] == [f"{file}, line 1", f"{file}, line 3"]


def test_rejected_answers_of_preference_data_are_left_out_and_counted(read, tmp_path, caplog):
    rows = [{"prompt": f"Why {i}?", "completion": "So.", "label": i % 2 == 0} for i in range(300)]
    source = read(rows)
    assert (len(source.records), len(source.refused)) == (150, 150)
    assert {one.reason for one in source.refused} == {"its label says that the answer was rejected."}
    assert caplog.messages == [
        f"{tmp_path / 'talks.jsonl'}: 300 rows read = 150 kept + 150 refused "
        "(150 × its label says that the answer was rejected)."
    ]


def test_ignored_keys_are_read_as_if_they_were_not_there(read):
    rows = [{"messages": [{**U, "odd": 1}, {**A, "loss": False, "weight": 1}], "tools": [{}], "strange": {"x": 1}}]
    (record,) = read(rows, ignore="strange, odd,loss,tools").records
    assert record.weight == 1.0
    with pytest.raises(LimaError, match="no answer of the row is to be learnt"):
        read(rows, ignore=["strange", "odd", "weight", "tools"])
    with pytest.raises(LimaError, match=r"--set lima-chat.ignore=tools,odd$"):
        read([{**rows[0], "strange": None}, rows[0]][:1], ignore="tools")
    with pytest.raises(
        LimaError, match="^lima-chat.ignore is 3; expected keys, as in --set lima-chat.ignore=key1,key2.$"
    ):
        read(rows, ignore=3)


def test_null_and_empty_values_of_strange_keys_say_nothing(read):
    assert read([{"messages": [{**U, "odd": None}, A], "strange": [], "more": "", "tools": None}]).records


def test_turns_of_the_same_role_are_joined_only_when_asked(read, said):
    system = {"role": "system", "content": "Be kind."}
    rows = [{"messages": [system, system, U, U, {**A, "weight": 0.5}, {**A, "weight": 0.5}, U, A]}]
    (record,) = read(rows, merge_turns=True).records
    assert said(record) == [
        ("system", "Be kind.\n\nBe kind."),
        ("user", "Why?\n\nWhy?"),
        ("assistant", "So.\n\nSo."),
        ("user", "Why?"),
        ("assistant", "So."),
    ]
    assert record.turns[2].weight == 0.5
    with pytest.raises(LimaError, match="--merge-turns joins them"):
        read(rows)
    differ = [{"messages": [U, {**A, "weight": 0.5}, A]}]
    with pytest.raises(LimaError, match="turn 3 is the assistant's where the user's was expected"):
        read(differ, merge_turns=True)
    with pytest.raises(LimaError, match="^lima-chat.merge_turns is 'yes'; expected true or false.$"):
        read(rows, merge_turns="yes")


def test_ids_that_are_there_twice_are_an_error_that_says_how_to_continue(read, tmp_path):
    rows = [{"id": "x", "messages": [U, A]}] * 2
    with pytest.raises(LimaError) as e:
        read(rows)
    file = tmp_path / "talks.jsonl"
    assert str(e.value) == (
        f"{file}, line 2: its id 'x' is that of {file}, line 1 already. Correct it, or number the rows: "
        "--set lima-chat.ignore=id\n"
        "To leave out this row: --skip-bad, or in the recipe plugins.lima-chat.skip_bad = true"
    )
    assert [r.id for r in read(rows, ignore="id").records] == ["talks.jsonl:1", "talks.jsonl:2"]
    assert [r.id for r in read(rows, skip_bad=True).records] == ["x"]
