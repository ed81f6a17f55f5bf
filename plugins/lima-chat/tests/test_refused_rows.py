"""Rows that a format refuses: each with file, line and a sentence that helps, in JSONL and inside an array."""

import json
from pathlib import Path

import pytest

from lima import LimaError
from lima.data.sources import open_source

SHAPES = json.loads(Path(__file__).with_name("shapes.json").read_text(encoding="utf-8"))
GOOD = {name: rows[0] for name, rows in SHAPES.items()}
U, A = GOOD["openai"]["messages"]
ALPACA, SHAREGPT = GOOD["alpaca"], GOOD["sharegpt"]
SHAPE = '{"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}'
LIMAS = '{"conversations": ["question", "answer"], "source": "stackexchange"}'
ROLES = (
    "Known: ai, assistant, bard, bing, bot, chatbot, chatgpt, developer, function, function_call, function_response, gpt, human, "
    "ipython, model, observation, prompter, system, tool, tool_call, tool_response, user."
)
MERGE = " Turns of the same role in a row: --merge-turns joins them."


def talk(*messages, **more):
    return {"messages": list(messages), **more}


TO_ASK = "To ask a model: lima dialogues run FILE (plugin lima-dialogue-eval)."
WRONG = [
    ("openai", ["x"], f"expected an object such as {SHAPE}, found a list."),
    ("openai", {"message": []}, f"expected 'messages', as in {SHAPE}; its keys are 'message'."),
    ("openai", {"messages": "hi"}, f"'messages' is text; expected a list such as {SHAPE}."),
    ("openai", {"messages": "[hi"}, "the text in 'messages' is not JSON (Expecting value, line 1, column 2)."),
    ("openai", {"messages": []}, f"'messages' is an empty list; expected a list such as {SHAPE}."),
    ("openai", talk(U, "b"), f"turn 2 is text; expected an object, as in {SHAPE}."),
    ("openai", talk({"content": "a"}), "expected text in 'role' of turn 1, but its keys are 'content'."),
    ("openai", talk(U, {"role": "boss", "content": "b"}), f"turn 2 has role 'boss'. {ROLES}"),
    ("openai", talk(U, {**A, "content": None}), "expected text in 'content' of turn 2, but 'content' is null."),
    (
        "openai",
        talk(U, {**A, "tool_calls": [{}]}),
        'turn 2 has a call that is not in the shape {"type": "function", "function": {"name": "…", "arguments": {…}}}.',
    ),
    (
        "openai",
        talk(U, {**A, "function_call": {"name": "f", "arguments": "[1]"}}),
        "turn 2 calls 'f' with arguments that are a list; expected an object.",
    ),
    (
        "openai",
        talk(
            U,
            {**A, "tool_calls": [{"id": "x", "function": {"name": "f"}}]},
            {"role": "tool", "tool_call_id": "y", "content": "1"},
            A,
        ),
        "turn 3 answers the call 'y', which the turn before does not make. Correct its id.",
    ),
    (
        "openai",
        talk({**U, "tool_call_id": "y"}, A),
        "turn 1 is the user's, and has 'tool_call_id', which only a tool's answer has. Leave it out.",
    ),
    ("openai", talk(U, A, tools="f"), "'tools' is text; expected a list of objects that describe functions."),
    (
        "openai",
        talk({**U, "content": [{"type": "image_url", "image_url": {}}]}, A),
        "turn 1 has a part 'image_url'; only text can be trained on. Leave the row out, or the part.",
    ),
    ("openai", talk(U, A, images=["a.png"]), "the row has 'images'; only text can be trained on. Leave the row out."),
    ("openai", talk({**U, "audio": {"id": 1}}, A), "turn 1 has 'audio'; only text can be trained on. Leave the row out."),
    (
        "openai",
        talk(U, {**A, "prefix": True}),
        "turn 2 is a prefix that is to be continued, not an answer. Write the whole answer, or leave it out.",
    ),
    (
        "openai",
        talk({**U, "thinking": "Hm."}, A),
        "turn 1 is the user's, and has thoughts, which only an answer may have.",
    ),
    (
        "openai",
        talk(U, {**A, "thinking": "Hm.", "reasoning_content": "Hum."}),
        "turn 2 has 'reasoning_content' and 'thinking' with different texts. Leave one.",
    ),
    (
        "openai",
        talk(U, A, prompt="Who?"),
        "the row has a 'prompt' that is not the first question of its messages. Leave one of them.",
    ),
    (
        "openai",
        talk(U, A, conversations=["a"]),
        "the row has a key that is not understood: 'conversations'. To read the row without it: "
        "--set lima-chat.ignore=conversations",
    ),
    (
        "openai",
        talk(U, {**A, "wieght": 1}),
        "turn 2 has a key that is not understood: 'wieght'. Did you mean 'weight'? To read turn 2 without it: "
        "--set lima-chat.ignore=wieght",
    ),
    (
        "openai",
        talk(U, A, **{"a b": 1, "rejected_responses": ["x"]}),
        "the row has keys that are not understood: 'a b', 'rejected_responses'. To read the row without them: --set "
        "'lima-chat.ignore=[\"a b\", \"rejected_responses\"]'",
    ),
    (
        "openai",
        talk(U, U, A),
        f"turn 2 is the user's where the assistant's was expected; user and assistant alternate.{MERGE}",
    ),
    ("openai", talk(U, {**A, "content": " "}), "turn 2 is an empty answer. Write it, or leave the conversation out."),
    ("openai", talk({**U, "content": ""}, A), "turn 1 is an empty question. Write it, or leave the conversation out."),
    ("openai", talk(U), "it ends with turn 1, the user's; expected an answer. Add it, or drop that turn."),
    (
        "openai",
        talk(A),
        "turn 1 is the assistant's where the system or user's was expected; user and assistant alternate.",
    ),
    *(
        (
            "openai",
            talk(*messages[: number - 1], {"role": "system", "content": "Hm."}, *messages[number - 1 :]),
            f"turn {number} is the system's where the {expected}'s was expected; a system turn comes first or not at all.",
        )
        for messages, number, expected in (
            ([{"role": "system", "content": "Be kind."}, U, A], 3, "assistant"),
            ([U, A, U, A], 3, "user"),
            ([U, A], 2, "assistant"),
            ([U, A], 3, "user"),
            ([U, A, U], 4, "assistant"),
        )
    ),
    (
        "sharegpt",
        {"conversations": [{"from": "humn", "value": "a"}]},
        f"turn 1 has from 'humn'. Did you mean 'human'? {ROLES}",
    ),
    (
        "sharegpt",
        {"conversations": [{"from": "human", "value": 3}]},
        "expected text in 'value' of turn 1, but 'value' is a number.",
    ),
    (
        "sharegpt",
        {"conversations": [{"from": "human", "value": "a"}, {"from": "function_call", "value": "sun()"}]},
        'turn 2 calls a tool, but its text is not JSON such as {"name": …, "arguments": {…}}.',
    ),
    ("alpaca", {"instruction": "a", "output": None}, "expected text in 'output' of the row, but 'output' is null."),
    ("alpaca", {"output": "b"}, "expected text in 'instruction' of the row, but its keys are 'output'."),
    ("alpaca", {**ALPACA, "history": ["a"]}, "'history' must be a list of pairs of text: [[question, answer], …]."),
    ("alpaca", {**ALPACA, "history": 3}, "'history' must be a list of pairs of text: [[question, answer], …]."),
    (
        "alpaca",
        {**ALPACA, "text": "Something else."},
        "the row has a key that is not understood: 'text'. To read the row without it: --set lima-chat.ignore=text",
    ),
    ("alpaca", 3, 'expected an object such as {"instruction": "…", "input": "", "output": "…"}, found a number.'),
    (
        "lima",
        {"conversations": ["a"]},
        f"one question and no answer, as in LIMA's test prompts. {TO_ASK} To train, add the answer.",
    ),
    ("lima", {"conversations": ["a", 1]}, f"turn 2 is a number; expected text, as in {LIMAS}."),
    ("lima", {"source": "x"}, f"expected a list of strings in 'conversations', as in {LIMAS}."),
    (
        "exchanges",
        {"turns": ["a", "b"]},
        f"'turns' has 2 questions and no answers, as MT-Bench has. {TO_ASK} To train, write the answers, as in "
        '{"history": [{"user": "…", "bot": "…"}]}.',
    ),
    (
        "exchanges",
        {"history": [{"user": "a", "bot": "b"}, {"user": "a"}]},
        "exchange 2 is an object with 'user'; expected question and answer, as in "
        '{"history": [{"user": "…", "bot": "…"}]}.',
    ),
    (
        "preference",
        {"prompt": "a", "rejected": "b"},
        "'chosen' is not there; expected what is to be learnt, as in "
        '{"prompt": "…", "chosen": "…", "rejected": "…"}.',
    ),
    (
        "preference",
        {"prompt": "Who?", "chosen": "\n\nHuman: Why?\n\nAssistant: So."},
        "the transcript in 'chosen' does not have the 'prompt'. Leave one of them.",
    ),
    (
        "completion",
        {"prompt": "a", "completion": "b", "label": "spam"},
        "the row has label 'spam'; expected true (a good answer) or false. If it means something else: "
        "--set lima-chat.ignore=label",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("source", "row", "problem"), WRONG, ids=range(len(WRONG)))
def test_a_malformed_row_is_an_error_with_file_and_line(source, row, problem, read, tmp_path):
    file, way = tmp_path / "talks.jsonl", "--skip-bad, or in the recipe plugins.lima-chat.skip_bad = true"
    skipping = f"\nTo leave out this row: {way}"
    problem = problem.replace("FILE", str(file))
    with pytest.raises(LimaError) as e:
        read([GOOD[source], row], source=source)
    assert str(e.value) == f"{file}, line 2: {problem}{skipping}"
    with pytest.raises(LimaError) as e:
        read(json.dumps([GOOD[source], row], indent=0), source=source)
    start = json.dumps([GOOD[source]], indent=0).count("\n") + 1
    assert str(e.value) == f"{file}, line {start}: {problem}{skipping}"


@pytest.mark.parametrize(
    ("more", "what"),
    [({"id": "\ud800"}, "id"), ({"conversation_id": "\ud800"}, "id"), ({"licence": "\ud800"}, "licence")],
)
def test_half_a_character_is_refused_wherever_it_is(more, what, plugins):
    from lima.data.files import Row

    source = plugins.registry("sources")["openai"]
    from lima_chat.formats.reading import Options, Reading

    row = Row("x.parquet", 1, 1, {**GOOD["openai"], **more}, unit="row", label="x")  # JSON's are refused by its reader
    from lima_chat.formats import reading

    names = {"name": reading.identity_of(row), "licence": reading.licence_of(row)}
    with pytest.raises(LimaError, match=f"^its {what} has half a character"):
        Reading("x", Options()).record(row, source.turns(row, lambda what: None), **names)


def test_a_source_without_a_file(plugins, tmp_path):
    for name in SHAPES:
        with pytest.raises(LimaError, match=f"^The source '{name}' reads a file: write it as {name}:FILE"):
            open_source(name, plugins)
        with pytest.raises(LimaError, match=r"^Cannot read .*gone.json: No such file or directory.$"):
            open_source(f"{name}:{tmp_path / 'gone.json'}", plugins)
