import json

import pytest

from lima import LimaError
from lima.contract.examples import Example
from lima.data.sources import open_source
from lima.plugins import load_plugins
from lima.testing import only_plugins
from lima_chat import Conversation, Turn

QA = [("user", "Why?"), ("assistant", "So.")]


@pytest.fixture
def plugins():
    import lima_chat

    with only_plugins(lima_chat=lima_chat) as loaded:
        yield loaded


@pytest.fixture
def read(tmp_path, plugins):
    """read(text or rows, name): the records of a file with that content"""

    def reader(content, name="talks.jsonl", source=None):
        file = tmp_path / name
        file.write_text(content if isinstance(content, str) else "".join(json.dumps(r) + "\n" for r in content))
        return list(open_source(f"{source}:{file}" if source else str(file), plugins).records)

    return reader


def said(record):
    if isinstance(record, Example):
        return [("user", record.prompt), ("assistant", record.response)]
    return [(t.role, t.content) for t in record.turns]


OPENAI = {"messages": [{"role": r, "content": c} for r, c in QA]}
SHAREGPT = {"conversations": [{"from": "human", "value": "Why?"}, {"from": "gpt", "value": "So."}]}
ALPACA = {"instruction": "Why?", "input": "", "output": "So."}
LIMA = {"conversations": ["Why?", "So."], "source": "stackexchange"}
OASST = {"message_id": "a", "parent_id": None, "text": "Why?", "role": "prompter"}
TREE = {"message_tree_id": "a", "prompt": {**OASST, "replies": []}}
PAIRS = {"prompt": "Why?", "response": "So."}


@pytest.mark.parametrize(
    ("row", "name"),
    [
        (OPENAI, "openai"),
        ({"conversations": OPENAI["messages"]}, "openai"),
        (SHAREGPT, "sharegpt"),
        ({**SHAREGPT, "source": "x"}, "sharegpt"),
        (ALPACA, "alpaca"),
        ({**ALPACA, "prompt": "Below …"}, "alpaca"),
        (LIMA, "lima"),
        ({"conversations": ["Why?"]}, "lima"),
        (OASST, "oasst"),
        ({"user_message_id": "a", "parent_message_id": None, "text": "Why?", "role": "prompter"}, "oasst"),
        (TREE, "oasst"),
        (PAIRS, "pairs"),
        ({**PAIRS, "instruction": "x", "output": "y"}, "pairs"),
        ({"conversations": []}, None),
        ({"turns": ["Why?"]}, None),
        ([OPENAI], None),
        ("Why?", None),
        (None, None),
    ],
)
def test_a_row_is_recognised_by_one_source_or_none(row, name, plugins):
    found = [n for n, s in sorted(plugins.registry("sources").items()) if s.recognises(row)]
    assert found == ([name] if name else [])


def test_a_single_exchange_is_an_example_and_more_a_conversation(read, tmp_path):
    four = {"id": "four", "licence": "MIT", "messages": [{"role": r, "content": c} for r, c in QA * 2]}
    one, two = read([OPENAI, four])
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


def test_openai_parts_roles_and_weights(read):
    parts = [{"type": "text", "text": "Wh"}, {"type": "text", "text": "y?"}]
    rows = [
        {
            "messages": [
                {"role": "developer", "content": "Be kind."},
                {"role": "user", "content": parts, "name": "Ann"},
                {"role": "assistant", "content": "a", "weight": 0},
                {"role": "user", "content": ""},
                {"role": "assistant", "content": "b", "weight": 1},
                {"role": "user", "content": "x"},
                {"role": "assistant", "content": "c", "train": False, "weight": 0.5},
                {"role": "user", "content": "x"},
                {"role": "assistant", "content": "d", "train": 1, "weight": 0.25},
            ]
        },
        {"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y", "train": False}]},
    ]
    one, two = read(rows)
    assert one.turns[:2] == (Turn("system", "Be kind."), Turn("user", "Why?"))
    assert [(t.train, t.weight) for t in one.turns if t.role == "assistant"] == [
        (True, 0.0),
        (True, 1.0),
        (False, 0.5),
        (True, 0.25),
    ]
    assert one.trained_turns == (4, 8)
    assert two.weight == 0.0


def test_sharegpt_in_an_array_over_many_lines(read, tmp_path):
    rows = [{"id": "a", "system": "Be kind.", **SHAREGPT}, SHAREGPT]
    first, second = read(json.dumps(rows, indent=1), "share.json")
    assert said(first) == [("system", "Be kind."), *QA]
    assert (first.id, first.provenance) == ("a", f"{tmp_path / 'share.json'}, line 2")
    assert (second.id, second.provenance) == ("share.json:2", f"{tmp_path / 'share.json'}, line 16")
    assert said(second) == QA


def test_alpaca_with_input_system_and_history(read):
    rows = [
        ALPACA,
        {**ALPACA, "input": "Who?"},
        {**ALPACA, "system": "Be kind.", "history": [["Hi", "Hello"]]},
        {"instruction": "Why?", "output": "So.", "input": None, "weight": 0.5},
    ]
    found = read(rows)
    assert [said(r) for r in found] == [
        QA,
        [("user", "Why?\n\nWho?"), QA[1]],
        [("system", "Be kind."), ("user", "Hi"), ("assistant", "Hello"), *QA],
        QA,
    ]
    assert [type(r).__name__ for r in found] == ["Example", "Example", "Conversation", "Example"]
    assert found[3].weight == 0.5


def test_limas_strings_and_their_odd_rows(read, tmp_path, capsys):
    rows = [LIMA, {**LIMA, "conversations": ["a", "b", "c", "d"]}, {**LIMA, "conversations": ["a", "b", "c"]}]
    rows += [{"conversations": ["a", "b", "c", "d", "e"], "source": "multi_turn"}]
    found = read(rows)
    assert [len(said(r)) for r in found] == [2, 4, 2, 4]
    file = tmp_path / "talks.jsonl"
    assert [r.provenance for r in found] == [
        f"{file}, line 1; from stackexchange",
        f"{file}, line 2; from stackexchange",
        f"{file}, line 3; from stackexchange; left off: a last question without an answer",
        f"{file}, line 4; from multi_turn; left off: a last question without an answer",
    ]
    assert capsys.readouterr().err == f"{file}: a last question without an answer (2 times, first in line 3).\n"


def test_ends_of_a_shared_conversation_and_double_ids_are_said(read, tmp_path, capsys):
    turns = [("gpt", "Hi!"), ("human", "Why?"), ("gpt", "So."), ("human", "Bye")]
    row = {"id": "x", "conversations": [{"from": r, "value": c} for r, c in turns]}
    one, two = read([row, row])
    assert said(one) == said(two) == QA
    assert (one.id, two.id) == ("x", "x (talks.jsonl:2)")
    assert one.provenance.endswith(
        "line 1; left off: a last question without an answer; left off: a first answer without a question"
    )
    file = tmp_path / "talks.jsonl"
    assert capsys.readouterr().err == (
        f"{file}: a last question without an answer (2 times, first in line 1).\n"
        f"{file}: a first answer without a question (2 times, first in line 1).\n"
        f"{file}: an id that an earlier row has; its number was added to it (line 2).\n"
    )


def oasst(name, parent, role, text, **more):
    return {"message_id": name, "parent_id": parent, "role": role, "text": text, **more}


def test_oasst_takes_the_best_ranked_path(read, tmp_path, capsys):
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
    ]
    (record,) = read(rows)
    assert said(record) == [QA[0], ("assistant", "Better."), ("user", "But?"), ("assistant", "Hm.")]
    file = tmp_path / "talks.jsonl"
    assert record.provenance == f"{file}, line 1; to last; left off: a last question without an answer"
    assert capsys.readouterr().err == (
        f"{file}: a reply of the assistant to the assistant was left out (line 9).\n"
        f"{file}: a last question without an answer (line 1).\n"
        f"{file}: a tree without an answer was left out (line 11).\n"
    )


def test_oasst_whole_trees(read):
    answer = {"message_id": "b", "role": "assistant", "text": "So.", "replies": [], "rank": 0}
    row = {"message_tree_id": "a", "prompt": {**OASST, "replies": [{**answer, "message_id": "c", "rank": 1}, answer]}}
    (record,) = read([row])
    assert (record.id, said(record), record.provenance[-4:]) == ("a", QA, "to b")


U, A = {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}
SHAPE = '{"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}'
WRONG = [
    ("openai", ["x"], f"expected an object such as {SHAPE}, found a list."),
    ("openai", {"message": []}, f"expected 'messages', as in {SHAPE}; its keys are 'message'."),
    ("openai", {"messages": "hi"}, f"'messages' is text; expected a list such as {SHAPE}."),
    ("openai", {"messages": []}, f"'messages' is an empty list; expected a list such as {SHAPE}."),
    ("openai", {"messages": [U, "b"]}, f"turn 2 in 'messages' is text; expected an object, as in {SHAPE}."),
    ("openai", {"messages": [{"content": "a"}]}, "expected text in 'role' of turn 1, but its keys are 'content'."),
    (
        "openai",
        {"messages": [U, {"role": "bot", "content": "b"}]},
        "turn 2 has role 'bot'. Known: assistant, developer, system, user.",
    ),
    (
        "openai",
        {"messages": [U, {"role": "assistant", "content": None}]},
        "expected text in 'content' of turn 2, but 'content' is null.",
    ),
    (
        "openai",
        {"messages": [U, {"role": "assistant", "content": None, "tool_calls": [{}]}]},
        "turn 2 calls or answers a tool: lima trains on text. Leave the row out, or rewrite it as text.",
    ),
    (
        "openai",
        {"messages": [{"role": "user", "content": [{"type": "image_url"}]}, A]},
        "turn 1 has a part 'image_url'; only text can be trained on. Leave the row out, or the part.",
    ),
    (
        "openai",
        {"messages": [U, A], "tools": [{}]},
        "it offers tools, which would be lost: lima trains on text. Leave the row out, or remove them.",
    ),
    ("openai", {"messages": [U, {**A, "train": "no"}]}, "turn 2 has train 'no'; expected true or false."),
    ("openai", {"messages": [U, {**A, "weight": "1"}]}, "turn 2 has weight '1'; expected a number of 0 or more."),
    (
        "openai",
        {"messages": [U, {**A, "weight": -1}]},
        "turn 2 (assistant) has weight -1.0; expected a number of 0 or more.",
    ),
    (
        "openai",
        {"messages": [U, U, A]},
        "turn 2 is the user's where the assistant's was expected; user and assistant alternate.",
    ),
    (
        "openai",
        {"messages": [U, {**A, "content": " "}]},
        "turn 2 is an empty answer. Write it, or leave the conversation out.",
    ),
    ("openai", {"messages": [U]}, "it ends with turn 1, the user's; expected an answer. Add it, or drop that turn."),
    (
        "openai",
        {"messages": [A]},
        "turn 1 is the assistant's where the system or user's was expected; user and assistant alternate.",
    ),
    *(
        (
            "openai",
            {"messages": [*messages[: number - 1], {"role": "system", "content": "Hm."}, *messages[number - 1 :]]},
            f"turn {number} is the system's where the {expected}'s was expected; a system turn comes first or not at all.",
        )
        for messages, number, expected in (
            ([{"role": "system", "content": "Be kind."}, U, A], 2, "user"),
            ([U, A, U, A], 3, "user"),
            ([U, A], 2, "assistant"),
            ([U, A], 3, "user"),
            ([U, A, U], 4, "assistant"),
        )
    ),
    (
        "openai",
        {"messages": [A, {"role": "system", "content": "Hm."}, U, A]},
        "turn 1 is the assistant's where the system or user's was expected; user and assistant alternate.",
    ),
    (
        "sharegpt",
        {"system": "Be kind.", "conversations": [{"from": "system", "value": "Hm."}, *SHAREGPT["conversations"]]},
        "turn 2 is the system's where the user's was expected; a system turn comes first or not at all.",
    ),
    (
        "sharegpt",
        {"conversations": [{"from": "humn", "value": "a"}]},
        "turn 1 is from 'humn'. Did you mean 'human'? Known: assistant, bard, bing, chatgpt, gpt, human, model, system, user.",
    ),
    (
        "sharegpt",
        {"conversations": [{"from": "human", "value": 3}]},
        "expected text in 'value' of turn 1, but 'value' is a number.",
    ),
    ("alpaca", {"instruction": "a", "output": None}, "expected text in 'output' of the row, but 'output' is null."),
    ("alpaca", {"output": "b"}, "expected text in 'instruction' of the row, but its keys are 'output'."),
    ("alpaca", {**ALPACA, "history": ["a"]}, "'history' must be a list of pairs of text: [[question, answer], …]."),
    ("alpaca", 3, 'expected an object such as {"instruction": "…", "input": "", "output": "…"}, found a number.'),
    (
        "lima",
        {"conversations": ["a"]},
        "one question and no answer, as in LIMA's test prompts. Leave the row out, or add the answer.",
    ),
    (
        "lima",
        {"conversations": ["a", 1]},
        'turn 2 is a number; expected text, as in {"conversations": ["question", "answer"], "source": "stackexchange"}.',
    ),
    (
        "lima",
        {"source": "x"},
        "expected a list of strings in 'conversations', as in "
        '{"conversations": ["question", "answer"], "source": "stackexchange"}.',
    ),
    (
        "oasst",
        {"text": "a", "role": "prompter"},
        "expected a message with 'message_id' or 'user_message_id'; its keys are 'text', 'role'.",
    ),
    ("oasst", oasst("b", None, "bot", "x"), "message 'b' has role 'bot'; expected 'prompter' or 'assistant'."),
    (
        "oasst",
        oasst("b", "zz", "assistant", "x"),
        "message 'b' answers 'zz', which is not in the file. Add it, or leave both out.",
    ),
    (
        "oasst",
        oasst("b", "b", "assistant", "x"),
        "message 'b' answers itself by way of its parents. Correct their ids.",
    ),
    ("oasst", oasst("good", None, "assistant", "x"), "message 'good' is there already, in {file}, line 1."),
    ("oasst", [], "expected a message of Open Assistant, found a list."),
]
GOOD = {
    "openai": OPENAI,
    "sharegpt": SHAREGPT,
    "alpaca": ALPACA,
    "lima": LIMA,
    "oasst": oasst("good", None, "prompter", "Why?"),
}


@pytest.mark.parametrize(("source", "row", "problem"), WRONG, ids=range(len(WRONG)))
def test_a_malformed_row_is_an_error_with_file_and_line(source, row, problem, read, tmp_path):
    file = tmp_path / "talks.jsonl"
    with pytest.raises(LimaError) as e:
        read([GOOD[source], row], source=source)
    assert str(e.value) == f"{file}, line 2: {problem.replace('{file}', str(file))}"
    with pytest.raises(LimaError) as e:
        read(json.dumps([GOOD[source], row], indent=0), source=source)
    start = json.dumps([GOOD[source]], indent=0).count("\n") + 1
    assert str(e.value).startswith(f"{file}, line {start}: ")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (
            '{"messages": 1}\n{"a"\n',
            ", line 2: not JSON (Expecting ':' delimiter at column 5). One object a line",
        ),
        ("[\n{}\n{}]", ", line 3: expected ',' or ']' after row 1, found '{'."),
        ('[\n{"messages": 1},\n\n{"a": }]', ", line 4: not JSON (Expecting value: line 4 column 7"),
        ("[{}", ", line 1: expected ',' or ']' after row 1, found 'the end'."),
        *(
            (
                f"{array}\n\n {more}\n",
                f", line 3: expected the end of the file after its array, found {more[:40]!r}. "
                "Remove it, or write all rows into one array.",
            )
            for array in ("[{}]", "[]")
            for more in ("]", "[{}]", "x" * 41)
        ),
        ("[]\n \n", " has no examples."),
        ("[]", " has no examples."),
        ("\ufeff[]", " has no examples."),
    ],
)
def test_a_file_that_is_not_json_is_an_error_with_its_line(content, problem, tmp_path, plugins):
    from lima_chat.rows import rows

    file = tmp_path / "bad.json"
    file.write_text(content)
    if problem == " has no examples.":
        assert list(rows(str(file))) == []
        return
    with pytest.raises(LimaError) as e:
        list(rows(str(file)))
    assert str(e.value).startswith(f"{file}{problem}")


@pytest.mark.parametrize(
    ("source", "row", "problem"),
    [
        (
            "openai",
            {"messages": [OPENAI["messages"][0], {"role": "assistant", "content": "b", "weight": 10**400}]},
            "turn 2 has a weight of 401 digits; expected a number such as 1 or 0.5.",
        ),
        ("alpaca", {**ALPACA, "history": 3}, "'history' must be a list of pairs of text: [[question, answer], …]."),
        *(
            (
                "openai" if key != "source" else "lima",
                {**(OPENAI if key != "source" else LIMA), key: "\ud800"},
                f"its {what} has half a character, '\\ud800', which is not text. Correct its encoding.",
            )
            for key, what in (
                ("id", "id"),
                ("conversation_id", "id"),
                ("licence", "licence"),
                ("license", "licence"),
                ("source", "origin"),
            )
        ),
    ],
)
def test_a_hostile_row_of_an_array_is_an_error_with_file_and_line(source, row, problem, read, tmp_path):
    with pytest.raises(LimaError) as e:
        read(f"[\n{json.dumps(row)}]", source=source)
    assert str(e.value) == f"{tmp_path / 'talks.jsonl'}, line 2: {problem}"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"[\n" + b"[" * 100_000, ", line 2: row 1 is nested too deeply to be read. Correct it, or leave it out."),
        (
            b"[\n" + b" " * 100_000 + b'"\xe9"]',
            " is not UTF-8 text (invalid continuation byte at byte 100003). Convert it, then try again.",
        ),
    ],
)
def test_a_hostile_array_is_an_error_with_its_file(content, problem, tmp_path):
    from lima_chat.rows import rows

    file = tmp_path / "bad.json"
    file.write_bytes(content)
    with pytest.raises(LimaError) as e:
        list(rows(str(file)))
    assert str(e.value) == f"{file}{problem}"


def test_a_source_without_a_file(plugins, tmp_path):
    for name in ("openai", "sharegpt", "alpaca", "lima", "oasst"):
        with pytest.raises(LimaError, match=f"^The source '{name}' reads a file: write it as {name}:FILE.$"):
            open_source(name, plugins)
        with pytest.raises(LimaError, match="^Cannot read .*gone.json: No such file or directory.$"):
            open_source(f"{name}:{tmp_path / 'gone.json'}", plugins)
    file = tmp_path / "latin.jsonl"
    file.write_bytes(b'{"messages": "\xe9"}')
    with pytest.raises(LimaError, match="is not UTF-8 text"):
        open_source(f"openai:{file}", plugins)


def test_the_plugin_that_is_installed_registers_all_of_it():
    loaded = load_plugins()
    assert [p.error for p in loaded.all if p.name == "lima-chat"] == [""]
    mine = {
        k: sorted(n for n, o in loaded.registry(k).owners.items() if o == "lima-chat") for k in ("sources", "renderers")
    }
    assert mine == {
        "sources": ["alpaca", "lima", "oasst", "openai", "sharegpt"],
        "renderers": ["alpaca", "chatml", "gemma", "lima", "llama3", "template", "zephyr"],
    }
    for kind, names in mine.items():
        assert all(loaded.registry(kind)[n].description for n in names)
