"""Every format from a bare file: which source recognises its rows, and what it makes of them."""

import json
from pathlib import Path

import pytest

from lima import Example, load_plugins
from lima_chat import Conversation, Turn

QA = [("user", "Why?"), ("assistant", "So.")]
SHAPES = json.loads(Path(__file__).with_name("shapes.json").read_text(encoding="utf-8"))
U, A = SHAPES["openai"][0]["messages"]
OPENAI, SHAREGPT, ALPACA = ({**SHAPES[name][0]} for name in ("openai", "sharegpt", "alpaca"))
PAIRS = SHAPES["pairs"][0]


@pytest.mark.parametrize(
    ("row", "name"),
    [
        *((row, name) for name, rows in SHAPES.items() for row in rows),
        ({"conversations": [U, A]}, "openai"),
        ({"data": [U, A]}, "openai"),
        ({"messages": json.dumps([U, A])}, "openai"),
        ({"conversations": ["Why?"]}, "lima"),
        ({"turns": ["Why?", "And?"], "reference": ["So."]}, "exchanges"),
        ({"user_message_id": "a", "parent_message_id": None, "text": "Why?", "role": "prompter"}, "oasst"),
        ({**PAIRS, "instruction": "x", "output": "y"}, "pairs"),
        ({"conversations": []}, None),
        ({"messages": [{"text": "x"}]}, None),
        ({"prompt": "Why?", "rejected": "No."}, None),
        ({"text": "Why? So."}, None),
        ([OPENAI], None),
        ("Why?", None),
        (None, None),
    ],
)
def test_a_row_is_recognised_by_one_source_or_none(row, name, plugins):
    found = [n for n, s in sorted(plugins.registry("sources").items()) if s.recognises(row)]
    assert found == ([name] if name else [])


@pytest.mark.parametrize("name", [name for name in SHAPES if name != "oasst"])
@pytest.mark.parametrize("ending", ["jsonl", "json"])
def test_a_bare_file_of_each_format_is_read(name, ending, read, said):
    for row in SHAPES[name]:
        if row.get("label") is False:
            continue
        source = read(
            [row] if ending == "jsonl" else json.dumps({"version": 1, "rows": [row]}, indent=1), f"talks.{ending}"
        )
        turns = said(source.records[0])
        assert turns[-1] in (QA[-1], ("assistant", "But.")), (row, turns)
        assert any(role == "user" and "Why?" in text for role, text in turns)
        assert not source.refused


def test_a_single_exchange_is_an_example_and_more_a_conversation(read, tmp_path):
    four = {"id": "four", "licence": "MIT", "messages": [U, A, U, A]}
    one, two = read([OPENAI, four]).records
    file = tmp_path / "talks.jsonl"
    assert one == Example(
        id="talks.jsonl:1", source="talks.jsonl", provenance=f"{file}, line 1", prompt="Why?", response="So."
    )
    assert two == Conversation(
        id="four",
        source="talks.jsonl",
        licence="MIT",
        provenance=f"{file}, line 2",
        turns=[Turn(r, c) for r, c in QA * 2],
    )


def test_parts_names_and_roles(read):
    parts = [{"type": "text", "text": "Wh"}, {"type": "input_text", "text": "y?"}]
    thinking = [{"type": "thinking", "thinking": "Hm."}, {"type": "output_text", "text": "So."}]
    row = {"messages": [
        {"role": "developer", "content": "Be kind."},
        {"role": "Human", "content": parts, "name": "Ann"},
        {"role": "bing", "content": thinking},
    ]}  # fmt: skip
    (record,) = read([row]).records
    assert record.turns == (
        Turn("system", "Be kind."),
        Turn("user", "Why?", name="Ann"),
        Turn("assistant", "So.", thoughts="Hm."),
    )
    assert record.content() == {
        "turns": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "Why?", "name": "Ann"},
            {"role": "assistant", "content": "So.", "thoughts": "Hm.", "weight": 1.0},
        ]
    }


def test_tools_calls_and_their_answers_from_either_shape(read):
    call = {"type": "function", "id": "c1", "function": {"name": "sun", "arguments": {"city": "Rome"}}}
    openai = read([SHAPES["openai"][3]]).records[0]
    assert openai.tools == tuple(SHAPES["openai"][3]["tools"])
    assert openai.turns == (
        Turn("user", "Why?"),
        Turn("assistant", "", tool_calls=(call,)),
        Turn("tool", "sunny", call_id="c1"),
        Turn("assistant", "So.", thoughts="Hm."),
    )
    sharegpt = read([SHAPES["sharegpt"][2]]).records[0]
    assert sharegpt.tools == ({"name": "sun"},)
    assert sharegpt.turns[1:3] == (Turn("assistant", "", tool_calls=({**call, "id": ""},)), Turn("tool", "sunny"))
    older = {
        "messages": [U, {**A, "content": None, "function_call": {"name": "sun", "arguments": ""}}],
        "functions": [{"name": "sun"}],
    }
    (record,) = read([older]).records
    assert record.turns[1].tool_calls == ({"type": "function", "id": "", "function": {"name": "sun", "arguments": {}}},)


def test_answers_of_tools_stand_as_in_the_file_with_the_ids_of_their_calls(read):
    calls = [{"id": i, "type": "function", "function": {"name": f"f{i}", "arguments": {}}} for i in "ab"]
    answers = [{"role": "tool", "tool_call_id": i, "content": i.upper()} for i in "ba"]
    row = {"messages": [U, {"role": "assistant", "content": "", "tool_calls": calls}, *answers, A]}
    record = read([row]).records[0]
    assert record.turns[2:4] == (Turn("tool", "B", call_id="b"), Turn("tool", "A", call_id="a"))
    assert [t.get("call_id") for t in record.content()["turns"]] == [None, None, "b", "a", None]


def test_sharegpt_in_an_array_over_many_lines(read, said, tmp_path):
    rows = [{"id": "a", "system": "Be kind.", **SHAREGPT}, SHAREGPT]
    first, second = read(json.dumps(rows, indent=1), "share.json").records
    assert said(first) == [("system", "Be kind."), *QA]
    assert (first.id, first.provenance) == ("a", f"{tmp_path / 'share.json'}, line 2")
    assert (second.id, second.provenance) == ("share.json:2", f"{tmp_path / 'share.json'}, line 16")
    assert said(second) == QA


def test_alpaca_with_input_system_and_history(read, said):
    rows = [
        ALPACA,
        {**ALPACA, "input": "Who?"},
        {**ALPACA, "system": "Be kind.", "history": [["Hi", "Hello"]]},
        {"instruction": "Why?", "output": "So.", "input": None, "weight": 0.5},
    ]
    found = read(rows).records
    assert [said(r) for r in found] == [
        QA,
        [("user", "Why?\n\nWho?"), QA[1]],
        [("system", "Be kind."), ("user", "Hi"), ("assistant", "Hello"), *QA],
        QA,
    ]
    assert [type(r).__name__ for r in found] == ["Example", "Example", "Conversation", "Example"]
    assert found[3].weight == 0.5


def test_limas_strings_and_their_odd_rows(read, said, tmp_path, caplog):
    lima = SHAPES["lima"][0]
    rows = [lima, {**lima, "conversations": ["a", "b", "c", "d"]}, {**lima, "conversations": ["a", "b", "c"]}]
    rows += [{"conversations": ["a", "b", "c", "d", "e"], "source": "multi_turn"}]
    found = read(rows).records
    assert [len(said(r)) for r in found] == [2, 4, 2, 4]
    file = tmp_path / "talks.jsonl"
    assert [r.provenance for r in found] == [
        f"{file}, line 1; from stackexchange",
        f"{file}, line 2; from stackexchange",
        f"{file}, line 3; from stackexchange; left off: a last question without an answer",
        f"{file}, line 4; from multi_turn; left off: a last question without an answer",
    ]
    assert (
        "".join(f"{note.getMessage()}\n" for note in caplog.records)
        == f"{file}: a last question without an answer (2 times, first in line 3).\n"
    )


def test_ends_of_a_shared_conversation_are_said(read, said, tmp_path, caplog):
    turns = [("gpt", "Hi!"), ("human", "Why?"), ("gpt", "So."), ("human", "Bye")]
    row = {"conversations": [{"from": r, "value": c} for r, c in turns]}
    one, two = read([row, row]).records
    assert said(one) == said(two) == QA
    assert one.provenance.endswith(
        "line 1; left off: a last question without an answer; left off: a first answer without a question"
    )
    file = tmp_path / "talks.jsonl"
    assert "".join(f"{note.getMessage()}\n" for note in caplog.records) == (
        f"{file}: a last question without an answer (2 times, first in line 1).\n"
        f"{file}: a first answer without a question (2 times, first in line 1).\n"
    )


def test_preference_data_gives_the_chosen_answers_and_counts_the_others(read, said, tmp_path, caplog):
    found = read(SHAPES["preference"]).records
    assert [said(r) for r in found] == [QA] * len(SHAPES["preference"])
    assert (
        "".join(f"{note.getMessage()}\n" for note in caplog.records)
        == f"{tmp_path / 'talks.jsonl'}: a rejected answer was not read (6 times, first in line 1).\n"
    )


def test_a_table_has_lists_and_weights_as_text(read, said):
    text = 'messages,weight,model\n"' + json.dumps([U, A]).replace('"', '""') + '",0.5,m\n'
    (record,) = read(text, "talks.csv").records
    assert (said(record), record.weight) == (QA, 0.5)
    (record,) = read("question\tanswer\tsystem\nWhy?\tSo.\t\n", "talks.tsv").records
    assert said(record) == QA


def test_the_plugin_that_is_installed_registers_all_of_it():
    loaded = load_plugins()
    assert [p.error for p in loaded.all if p.name == "lima-chat"] == [""]
    mine = {
        k: sorted(n for n, o in loaded.registry(k).owners.items() if o == "lima-chat") for k in ("sources", "renderers")
    }
    assert mine == {
        "sources": sorted({*SHAPES, "prompts"} - {"pairs"}),
        "renderers": ["alpaca", "chatml", "gemma", "lima", "llama3", "template", "zephyr"],
    }
    for kind, names in mine.items():
        assert all(loaded.registry(kind)[n].description for n in names)


def test_parquet_gives_every_message_every_key_and_null_says_nothing(tmp_path, plugins, said):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    from lima.data.sources import open_source

    rows = [
        {"messages": [U, {**A, "weight": 0.5}], "strange": None},
        {"messages": [{**U, "name": "Ann"}, A, U, A], "strange": None},
    ]
    for number in range(2):
        parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / f"part-{number}.parquet")
    source = open_source(f"{tmp_path}/part-*.parquet", plugins)
    assert [said(r) for r in source.records] == [QA, QA * 2] * 2
    assert [r.id for r in source.records] == [f"part-{n}.parquet:{row}" for n in range(2) for row in (1, 2)]
    assert source.records[0].weight == 0.5
    assert source.records[3].provenance == f"{tmp_path}/part-1.parquet, row 2"
