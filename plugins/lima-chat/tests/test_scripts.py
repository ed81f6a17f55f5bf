"""What a file asks, for an evaluation: the user's turns of every format, with answers or without."""

import json
from pathlib import Path

import pytest

from lima import Example, LimaError, Refused, find_source
from lima_chat import Conversation, EvalConversation, EvalTurn, Turn

SHAPES = json.loads(Path(__file__).with_name("shapes.json").read_text(encoding="utf-8"))
U, A = {"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}
TOOLS = "it has tools, for which a script cannot answer."


@pytest.fixture
def asked(tmp_path, plugins):
    """asked(rows, name, **options): the scripts of a file, and the rows that were refused"""

    def read(rows, name="talks.jsonl", **options):
        file = tmp_path / name
        file.write_text(rows if isinstance(rows, str) else "".join(json.dumps(r) + "\n" for r in rows))
        found = find_source(str(file), plugins, {"lima-chat": options} if options else {})
        return found.read(lambda source, argument: source.scripts(argument), EvalConversation, "scripts", "a script")

    return read


def opening(user, reference=""):
    return EvalTurn(user, (), "opening", {"reference": reference} if reference else {})


def later(user, reference=""):
    return EvalTurn(user, (), "follow-up", {"reference": reference} if reference else {})


ROWS = [row for name, rows in SHAPES.items() for row in (rows[:1] if name == "oasst" else rows) if name != "pairs"]


@pytest.mark.parametrize(
    "row", [row for row in ROWS if "tool" not in json.dumps(row) and row.get("label") is not False]
)
def test_every_format_can_be_asked(row, asked):
    ((script,), refused) = asked([row])
    assert refused == ()
    whys = [turn for turn in script.turns if turn.user.startswith("Why?")]
    assert whys
    assert all(turn.facts == {"reference": "So."} for turn in whys)
    assert script.system in ("", "Be kind.")


@pytest.mark.parametrize("row", [row for row in ROWS if "tool" in json.dumps(row)])
def test_a_row_with_tools_is_left_out(row, asked):
    with pytest.raises(LimaError, match=TOOLS):
        asked([row])


def test_questions_of_mt_bench(asked):
    rows = [
        {"question_id": 81, "category": "writing", "turns": ["Write a poem.", "Now without the letter e."]},
        {"question_id": 95, "category": "maths", "turns": ["2 + 2?", "And + 3?"], "reference": ["4", "7"]},
        {"question_id": 96, "category": "maths", "turns": ["3 + 3?", "And + 1?"], "reference": ["6"]},
    ]
    scripts, _ = asked(rows)
    assert scripts == (
        EvalConversation("81", "writing", (opening("Write a poem."), later("Now without the letter e."))),
        EvalConversation("95", "maths", (opening("2 + 2?", "4"), later("And + 3?", "7"))),
        EvalConversation("96", "maths", (opening("3 + 3?", "6"), later("And + 1?"))),
    )


def test_questions_in_a_table(asked):
    text = (
        'question_id,category,turns,reference\n1,maths,"[""2 + 2?"", ""And + 3?""]","[""4""]"\n2,maths,"[""Why?""]",\n'
    )
    scripts, _ = asked(text, "asks.csv")
    assert scripts == (
        EvalConversation("1", "maths", (opening("2 + 2?", "4"), later("And + 3?"))),
        EvalConversation("2", "maths", (opening("Why?"),)),
    )


@pytest.mark.parametrize("reference", [["4", "7", "9"], [4], {"1": "4"}, 4])
def test_references_that_fit_no_question(reference, asked):
    with pytest.raises(
        LimaError, match=r"line 1: 'reference' is not a list of texts, one a question at most; expected"
    ):
        asked([{"turns": ["2 + 2?", "And + 3?"], "reference": reference}])


def test_histories_of_user_and_bot(asked):
    history = [{"user": "Why?", "bot": "So."}, {"user": "And?", "bot": "But."}]
    scripts, _ = asked([{"task": "GR", "id": 7, "history": history}])
    assert scripts == (EvalConversation("7", "GR", (opening("Why?", "So."), later("And?", "But."))),)


@pytest.mark.parametrize(
    ("messages", "script"),
    [
        ([U], (opening("Why?"),)),
        ([U, A, U], (opening("Why?", "So."), later("Why?"))),
        ([A, U], (opening("Why?"),)),
        ([U, {**A, "content": ""}, U, A], (opening("Why?"), later("Why?", "So."))),
        ([U, {**A, "weight": 0}, U, {**A, "train": False}], (opening("Why?", "So."), later("Why?", "So."))),
    ],
)
def test_a_question_needs_no_answer(messages, script, asked):
    (found,), _ = asked([{"messages": [{"role": "system", "content": "Be kind."}, *messages]}])
    assert found == EvalConversation("talks.jsonl:1", "", script, "Be kind.")


def test_two_questions_in_a_row(asked):
    row = {"messages": [U, {"role": "user", "content": "And?"}, A]}
    with pytest.raises(LimaError, match=r"turn 2 is the user's where .* in a row: --merge-turns joins them."):
        asked([row])
    (found,), _ = asked([row], merge_turns=True)
    assert found.turns == (opening("Why?\n\nAnd?", "So."),)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"messages": [A]}, "no user says anything in it."),
        ({"messages": [{"role": "system", "content": "Be kind."}]}, "no user says anything in it."),
        ({"messages": [{**U, "content": " "}]}, "turn 1 is an empty question."),
        ({"messages": [U, A], "strange": 1}, "the row has a key that is not understood: 'strange'."),
        ({"turns": ["Why?", " "]}, "question 2 is empty."),
    ],
)
def test_what_cannot_be_asked(row, problem, asked):
    with pytest.raises(LimaError, match=f"talks.jsonl, line 1: {problem}"):
        asked([row])


def test_a_question_of_limas_test(asked):
    (found,), _ = asked([{"conversations": ["Why?"]}])
    assert found.turns == (opening("Why?"),)


def test_what_says_itself_that_it_is_left_out(asked, tmp_path):
    tools = {"messages": [U, A], "tools": [{"type": "function", "function": {"name": "sun"}}]}
    scripts, refused = asked([{"messages": [U, A]}, tools])
    assert len(scripts) == 1
    assert refused == (Refused(f"{tmp_path / 'talks.jsonl'}, line 2", TOOLS, fault=False),)


def test_the_same_id_twice(asked):
    rows = [{"question_id": 1, "turns": ["Why?"]}, {"question_id": 1, "turns": ["And?"]}]
    with pytest.raises(
        LimaError, match=r"its id '1' is that of .*line 1 already. .*--set lima-chat.ignore=question_id"
    ):
        asked(rows)
    scripts, _ = asked(rows, ignore="question_id")
    assert [s.id for s in scripts] == ["talks.jsonl:1", "talks.jsonl:2"]


def message(name, parent, role, text, **more):
    return {"message_id": name, "parent_id": parent, "role": role, "text": text, **more}


def test_the_best_path_of_a_tree(asked, capsys):
    scripts, refused = asked(
        [
            message("q", None, "prompter", "Why?"),
            message("a1", "q", "assistant", "Worse.", rank=1),
            message("a0", "q", "assistant", "Better.", rank=0),
            message("q2", "a0", "prompter", "And?"),
            message("alone", None, "prompter", "Anyone?"),
            message("gone", None, "prompter", "Spam", deleted=True),
        ]
    )
    assert scripts == (
        EvalConversation("q", "", (opening("Why?", "Better."), later("And?"))),
        EvalConversation("alone", "", (opening("Anyone?"),)),
    )
    assert [one.reason for one in refused] == ["a first message that was deleted or rejected."]


def test_a_record_as_a_script():
    example = Example(id="e", prompt="Why?", response="So.")
    assert EvalConversation.of(example, "reasons") == EvalConversation("e", "reasons", (opening("Why?", "So."),))
    turns = (Turn("system", "Be kind."), Turn("user", "Why?"), Turn("assistant", "So."))
    talk = Conversation(id="t", turns=turns)
    assert EvalConversation.of(talk) == EvalConversation("t", "", (opening("Why?", "So."),), "Be kind.")
    with pytest.raises(LimaError, match=TOOLS):
        EvalConversation.of(Conversation(id="t", turns=turns, tools=({"name": "sun"},)))
    called = (
        Turn("assistant", "", tool_calls=({"function": {"name": "sun"}},)),
        Turn("tool", "x"),
        Turn("assistant", "y"),
    )
    with pytest.raises(LimaError, match=TOOLS):
        EvalConversation.of(Conversation(id="t", turns=(*turns[:2], *called)))


def test_rows_that_only_ask(asked, plugins, tmp_path):
    rows = [
        {"prompt": "Why?", "topic": "sky", "id": "one"},
        {"question": "Why?", "context": "It is blue.", "reference": "So."},
        {"instruction": "Say why.", "input": "", "system": "Be kind."},
        {"prompt": [{"role": "system", "content": "Be kind."}, U, A, {"role": "user", "content": "And then?"}]},
    ]
    one, two, three, four = asked(rows)[0]
    assert (one.id, one.topic, one.turns) == ("one", "sky", (opening("Why?"),))
    assert two.turns == (opening("Why?\n\nIt is blue.", "So."),)
    assert (three.system, three.turns) == ("Be kind.", (opening("Say why."),))
    assert (four.system, four.turns) == ("Be kind.", (opening("Why?", "So."), later("And then?")))
    assert [s.turns for s in asked("prompt,reference\nWhy?,So.\n", "a.csv")[0]] == [(opening("Why?", "So."),)]
    found = find_source(str(tmp_path / "talks.jsonl"), plugins)
    with pytest.raises(
        LimaError, match=r"the row asks, and has no answer. To ask a model: lima dialogues run .*talks.jsonl"
    ):
        found.read(lambda source, argument: source.examples(argument), Conversation, "examples", "an example")


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([{"prompt": "Why?"}, {"prompt": ""}], "question 1 is empty"),
        ([{"prompt": "Why?"}, {"prompt": "Why?", "question": "Why?"}], "the row has 'prompt' and 'question'; expected one"),
        ([{"prompt": "Why?"}, {"reference": "So."}], "the row has none of 'prompt', 'question', 'query', 'instruction'"),
        ([{"prompt": "Why?"}, {"prompt": "Why?", "answer": "So."}], "a key that is not understood: 'answer'"),
        ([{"prompt": "Why?", "answer": "So."}], "no source recognises its rows"),
        ([{"prompt": "Why?"}, {"prompt": 3}], "'prompt'"),
        ([{"prompt": "Why?"}, {"prompt": [A]}], "no user says anything"),
    ],
)  # fmt: skip
def test_what_does_not_only_ask_is_said(asked, rows, sentence):
    with pytest.raises(LimaError, match=sentence):
        asked(rows)
