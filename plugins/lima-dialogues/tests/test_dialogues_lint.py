"""The linter: one planted defect each, and the whole of what it says about it."""

import copy
import json

import pytest
from click.testing import CliRunner

from lima.errors import LimaError
from lima_dialogue_eval.checks import CHECKS
from lima_dialogues.command import dialogues_lint
from lima_dialogues.files import File, read_folder
from lima_dialogues.lint import lint
from lima_dialogues.schema import Problem

CLEAN = {
    "id": "tea",
    "topic": "tea",
    "origin": "free",
    "author": "me",
    "licence": "CC0-1.0",
    "tags": ["ellipsis"],
    "turns": [
        {"role": "user", "content": "How do I make a good pot of black tea for four people?"},
        {
            "role": "assistant",
            "content": "Warm the pot, put in five teaspoons, pour boiling water over and wait four minutes.",
        },
        {"role": "user", "content": "And iced?"},
        {
            "role": "assistant",
            "content": "Double the leaves, halve the water, strain it, and pour it over a jug of ice.",
        },
        {"role": "user", "content": "Why double?"},
        {"role": "assistant", "content": "Because the ice melts into it and makes up the other half."},
    ],
}
SCRIPT = {
    "id": "cats",
    "topic": "cats",
    "author": "me",
    "licence": "CC0-1.0",
    "turns": [
        {
            "user": "How long does an average cat sleep in one day?",
            "kind": "opening",
            "requirements": [{"text": "Gives hours", "must": True, "check": {"contains_any": ["hours"]}}],
        },
        {
            "user": "And kittens?",
            "kind": "ellipsis",
            "requirements": [{"text": "Is brief", "must": True, "check": {"max_words": 30}}, {"text": "Is kind"}],
        },
        {
            "user": "Shorter, please.",
            "kind": "shorter",
            "requirements": [{"text": "Is shorter", "must": True, "check": {"max_words": 10}}],
        },
    ],
}
ALTERNATE = "User and assistant alternate, the user begins; only a system turn may come before."
NO_MUST = "has no requirement that must hold and carries a check, or is for a reader"
ADD_MUST = (
    'Add {"text": …, "must": true, "check": {…}}, or "reader": true in place of the check: it decides about a fail.'
)


def train(**changes):
    return File(f"train/{changes.get('id', 'tea')}.json", copy.deepcopy(CLEAN) | changes)


def script(**changes):
    return File(f"eval/{changes.get('id', 'cats')}.json", copy.deepcopy(SCRIPT) | changes)


def turns(**contents):
    """The turns of the clean dialogue, with others' text at t1 … t6"""
    changed = copy.deepcopy(CLEAN["turns"])
    for key, text in contents.items():
        changed[int(key[1:]) - 1]["content"] = text
    return changed


def found(*files):
    return list(lint(files).problems)


def test_nothing_is_wrong_with_the_clean_ones():
    report = lint([train(), script()]).as_dict()
    assert report.pop("figures")["answers"] == 3
    all_lean = {
        "later_turns": 2,
        "leaning": 2,
        "share": 1.0,
        "elsewhere": None,
        "alone": [],
        "undecided": [],
        "set_aside": [],
    }
    assert report == {
        "train": {"files": 1, "exchanges": 3, "words": 60},
        "eval": {"files": 1, "exchanges": 3, "words": 14},
        "known": {"files": 0, "replies": 0, "good": 0},
        "dependence": {"train": all_lean, "eval": all_lean},
        "problems": [],
    }


@pytest.mark.parametrize(
    ("changes", "what", "fix"),
    [
        ({"topic": ""}, "'topic' is ''", "Put a text."),
        ({"id": "Tea"}, "has the id 'Tea'", "Make it 'tea', the name of the file."),
        ({"origin": "forum"}, "'origin' is 'forum'", "Put one of: free, thread."),
        ({"tags": "ellipsis"}, "'tags' is 'ellipsis'", 'Put a list of words, such as ["ellipsis"].'),
        ({"turns": []}, "'turns' is an empty list", "Put a list with the turns in their order."),
        (
            {"license": "MIT"},
            "has an unknown key 'license'",
            "Remove or rename it. Did you mean 'licence'? Known: author, id, licence, origin, tags, topic, turns.",
        ),
    ],
)
def test_fields(changes, what, fix):
    file = File("train/tea.json", copy.deepcopy(CLEAN) | changes)
    assert found(file) == [Problem("train/tea.json", None, what, fix)]


def test_a_missing_field():
    file = train()
    del file.data["licence"]
    fix = "Add it; a file has id, topic, origin, author, licence, tags, turns."
    assert found(file) == [Problem("train/tea.json", None, "has no 'licence'", fix)]


def test_roles_that_do_not_alternate():
    said = copy.deepcopy(CLEAN["turns"])
    said[2]["role"] = "assistant"
    what = "has the role 'assistant', expected 'user'"
    assert found(train(turns=said)) == [
        Problem("train/tea.json", None, "has 2 exchanges", "Make it 3 to 6."),
        Problem("train/tea.json", 3, what, ALTERNATE),
    ]


def test_a_dialogue_without_its_last_answer():
    assert found(train(turns=CLEAN["turns"][:5])) == [
        Problem("train/tea.json", 5, "has no answer", "End with the assistant's turn.")
    ]


def test_turns_that_are_no_turns():
    said = turns(t4="  ", t6=" Because the ice melts into it. ")
    said[1] = {"from": "gpt", "value": "Warm the pot."}
    said[4] = "Why double?"
    assert found(train(turns=said)) == [
        Problem("train/tea.json", None, "has 2 exchanges", "Make it 3 to 6."),
        Problem("train/tea.json", 2, "has the keys 'from', 'value'", "A turn has 'role' and 'content', nothing else."),
        Problem("train/tea.json", 4, "'content' is '  '", "Write what is said."),
        Problem("train/tea.json", 5, "is 'Why double?'", "A turn has 'role' and 'content', nothing else."),
        Problem("train/tea.json", 6, "begins or ends with white space", "Remove it; the template puts what is needed."),
    ]


def test_too_short_and_too_long():
    long = " ".join(f"word{i}" for i in range(1001))
    assert found(train(turns=turns(t2=long)[:2])) == [
        Problem("train/tea.json", None, "has 1 exchange", "Make it 3 to 6."),
        Problem("train/tea.json", 2, "has 1001 words", "Cut it to 750."),
    ]
    said = turns(t1=" ".join(f"a{i}" for i in range(401)), t2=long, t4=long.replace("word", "w"))
    assert [(p.turn, p.what) for p in found(train(turns=said))] == [
        (None, "has 2,419 words"),
        (1, "has 401 words"),
        (2, "has 1001 words"),
        (4, "has 1001 words"),
    ]


def test_near_duplicate_turns_across_the_two_sets_and_within_one_file():
    opening = "How long does an average cat sleep in one whole day?"
    answer = CLEAN["turns"][1]["content"]
    assert found(script(), train(turns=turns(t1=opening, t6=answer))) == [
        Problem(
            "train/tea.json", 1, "is 62% the same as turn 1 of eval/cats.json", "Say it differently, or leave it out."
        ),
        Problem("train/tea.json", 6, "is 100% the same as turn 2", "Say it differently, or leave it out."),
    ]


def test_the_same_dialogue_twice():
    problems = found(train(), train(id="green", topic="green leaves"))
    assert problems[0] == Problem(
        "train/green.json", None, "is 100% the same as train/tea.json", "Keep one of the two."
    )
    assert [p.turn for p in problems[1:]] == [1, 2, 4, 6]


def test_one_id_and_one_topic_for_two_files():
    other = copy.deepcopy(SCRIPT) | {"topic": "Tea"}
    first = File("train/cats.json", copy.deepcopy(CLEAN) | {"id": "cats"})
    assert found(first, File("eval/cats.json", other)) == [
        Problem(
            "eval/cats.json", None, "has the id 'cats' of train/cats.json", "Give it an id and file name of its own."
        ),
        Problem("eval/cats.json", None, "has the topic 'Tea' of train/cats.json", "Choose another topic."),
    ]


def test_a_word_of_a_topic_in_both_sets():
    fix = "No topic may be in two sets: replace one, or name them apart."
    assert found(train(topic="tea and cats"), script(topic="the health of cats")) == [
        Problem("eval/cats.json", None, "shares 'cats' in its topic with train/tea.json", fix)
    ]


def test_a_follow_up_that_stands_alone_is_reported_and_no_problem():
    report = lint([train(turns=turns(t3="Please explain how a steam engine turns heat into motion."))])
    assert report.problems == ()
    assert report.turns["train"].alone == (("train/tea.json", 3),)
    assert (report.turns["train"].leaning, report.turns["train"].later) == (1, 2)


@pytest.mark.parametrize(
    ("answer", "phrase"),
    [
        ("As an AI, I never drink tea.", "As an AI"),
        ("Great question! Double the leaves.", "Great question"),
        ("Double the leaves. I hope this helps!", "I hope this helps"),
        ("Double them. Let me know if you need more.", "Let me know if you"),
        ("Certainly! Double the leaves.", "Certainly"),
        ("Double them. It’s important to note that ice melts.", "It's important to note"),
    ],
)
def test_stock_phrases_in_answers_only(answer, phrase):
    expected = [Problem("train/tea.json", 4, f"has the stock phrase {phrase!r}", "Cut it, or say what is meant.")]
    assert found(train(turns=turns(t4=answer))) == expected
    assert found(train(turns=turns(t3=f"And? {answer}"))) == []


def test_who_it_is_may_be_said():
    assert found(train(turns=turns(t4="I'm a language model, so I have no hands, but double the leaves."))) == []
    assert len(found(train(turns=turns(t4="I'm just a language model. Double the leaves.")))) == 1


def test_requirements_of_a_script():
    file = script()
    file.data["turns"][0]["requirements"] = [{"text": "Gives hours", "check": {"contain_any": ["hours"]}, "weight": 2}]
    file.data["turns"][1]["requirements"] = [{"text": "Is kind", "must": "yes"}, "short"]
    known = f"Known: {', '.join(sorted(CHECKS))}."
    assert found(file) == [
        Problem("eval/cats.json", 1, "a requirement has an unknown key 'weight'",
                "Remove or rename it. Known: check, must, reader, text."),
        Problem("eval/cats.json", 1, "'contain_any' is not a check", f"Rename it. Did you mean 'contains_any'? {known}"),
        Problem("eval/cats.json", 2, "'must' is 'yes'", "Put true or false."),
        Problem("eval/cats.json", 2, "has 'short' for a requirement", 'Put {"text": …, "must": …, "check": {…}}.'),
        Problem("eval/cats.json", 2, NO_MUST, ADD_MUST),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("check", "what", "fix"),
    [
        (None, "a check is None", 'Put an object such as {"max_words": 50}.'),
        ({"max_words": "30"}, "check 'max_words' is '30'", "Put a whole number."),
        ({"contains_any": [], "table": 1}, "check 'contains_any' is []", "Put a text or a list of texts."),
        ({"regex": "(purr"}, "check 'regex': '(purr' is not a regular expression: missing ) at position 5",
         "Fix it, or put a plain text."),
        ({"shorter_than": 2}, "check 'shorter_than' names 2, and there is 1 reply before this reply",
         "Put a number from 1 to 1, or -1 for the last."),
        ({"repeats": {"reply": -1, "with": {}}}, "check 'repeats' has an unknown key 'with'",
         "Rename it. Known: exact, replacing, reply, share."),
    ],
    ids=str,
)  # fmt: skip
def test_a_check_with_a_wrong_value(check, what, fix):
    """As `lima dialogues run` refuses it, for every file of the folder"""
    file = script()
    file.data["turns"][1]["requirements"][0] = {"text": "Is brief", "check": check}
    problems = [p for p in found(file) if "no requirement that must hold" not in p.what]
    assert problems[0] == Problem("eval/cats.json", 2, what, fix)
    assert len(problems) == len(check or [0])


def test_a_file_in_the_folder_of_the_other_set():
    assert found(File("eval/tea.json", CLEAN), File("train/cats.json", SCRIPT)) == [
        Problem("eval/tea.json", None, "is a dialogue to train on", "Move it to train/."),
        Problem("train/cats.json", None, "is a conversation to evaluate with", "Move it to eval/."),
    ]


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "a.json").write_text('{"id": "a",\n "topic": }')
    (tmp_path / "b.json").write_bytes(b'{"id": "\xff"}')
    (tmp_path / "c.json").write_text('{"id": "c", "id": "d"}')
    (tmp_path / "d.json").write_text("[1]")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "tea.json").write_text(json.dumps(CLEAN))
    mend = "Fix it; the rest of the file was not checked."
    assert found(*read_folder(tmp_path)) == [
        Problem("a.json", None, "is not JSON (Expecting value, line 2, column 11)", mend),
        Problem("b.json", None, "is not UTF-8 text (invalid start byte at byte 8): convert it to UTF-8", mend),
        Problem("c.json", None, "is not JSON as expected (the key 'id' occurs twice in one object)", mend),
        Problem("d.json", None, "holds a list, not an object", 'Put {"id": …, "topic": …, "turns": […]}.'),
    ]


def test_the_command_on_a_folder(tmp_path):
    (tmp_path / "tea.json").write_text(json.dumps(CLEAN | {"origin": "forum\x1b[31m"}))
    done = CliRunner().invoke(dialogues_lint, [str(tmp_path)])
    assert done.exit_code == 1
    assert done.output.startswith(
        "tea.json: 'origin' is 'forum\\x1b[31m'. Put one of: free, thread.\n"
        "1 dialogue to train on: 3 exchanges, 3.0 on average, 60 words\n"
        "train: 2 of 2 later user turns lean on what was said, 100%\n"
        "  dialogues: 1\n"
    )
    assert done.output.endswith(
        "  dialogues by spelling: neither 1\n  answers with a name that occurs nowhere before: 0\n1 problem\n"
    )
    done = CliRunner().invoke(dialogues_lint, [str(tmp_path), "--json"])
    assert done.exit_code == 1
    assert json.loads(done.output)["problems"] == [
        {"file": "tea.json", "turn": None, "what": "'origin' is 'forum\\x1b[31m'", "fix": "Put one of: free, thread."}
    ]


def test_the_command_on_ours():
    done = CliRunner().invoke(dialogues_lint, [])
    assert done.exit_code == 0
    assert done.output.endswith("No problems\n")


def test_a_folder_that_is_none(tmp_path):
    with pytest.raises(LimaError, match="is not there; expected a folder of dialogues"):
        read_folder(tmp_path / "nowhere")
    with pytest.raises(LimaError, match="No .json file in"):
        read_folder(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(LimaError, match="is a file; expected a folder"):
        read_folder(tmp_path / "file")
