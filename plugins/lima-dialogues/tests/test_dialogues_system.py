"""What the linter says of system turns, and of what a turn of a script may have besides its text."""

import copy

from lima_dialogues.files import File
from lima_dialogues.lint import lint
from lima_dialogues.schema import Problem

TOLD = "You sell tea in a small shop, and answer in one or two sentences at most, always kindly."
"18 words"
SAID = (
    "Does mint grow in shade?",
    "It does, if you water it well.",
    "And in pots?",
    "Very well.",
    "Why pots?",
    "It spreads.",
)
"21 words"
DIALOGUE = {
    "id": "mint",
    "topic": "mint",
    "author": "me",
    "licence": "CC0-1.0",
    "turns": [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(SAID)],
}
MET = [{"text": "Gives hours", "check": {"contains_any": ["hours"]}}]
SCRIPT = {
    "id": "cats",
    "topic": "cats",
    "author": "me",
    "licence": "CC0-1.0",
    "turns": [
        {"user": text, "kind": "follow-up", "requirements": MET} for text in ("Cats?", "And kittens?", "Shorter.")
    ],
}
ALTERNATE = "User and assistant alternate, the user begins; only a system turn may come before."


def dialogue(*turns, id="mint"):
    return File(f"train/{id}.json", DIALOGUE | {"id": id, "topic": id, "turns": list(turns)})


def script(**changes):
    return File("eval/cats.json", copy.deepcopy(SCRIPT) | changes)


def found(*files):
    return list(lint(files).problems)


def test_a_system_turn_before_a_dialogue_and_beside_a_script():
    first = {"role": "system", "content": TOLD}
    other = [{**turn, "content": f"{turn['content']} {n}"} for n, turn in enumerate(DIALOGUE["turns"])]
    files = [dialogue(first, *DIALOGUE["turns"]), dialogue(first, *other, id="sage"), script(system=TOLD)]
    report = lint(files)
    assert report.problems == ()  # three files that are told the same are no near-duplicates
    assert report.counts["train"] == {"files": 2, "exchanges": 6, "words": 2 * (18 + 21) + 6}
    assert report.counts["eval"] == {"files": 1, "exchanges": 3, "words": 4 + 18}


def test_a_system_turn_counts_as_what_was_said_before():
    told = {
        "role": "system",
        "content": "Speak of the umbrella in the window whenever somebody asks about the weather.",
    }
    asked = {"role": "user", "content": "Please tell everybody here in town who made the umbrella"}
    turns = [*DIALOGUE["turns"][:2], asked, *DIALOGUE["turns"][3:]]
    assert lint([dialogue(told, *turns)]).turns["train"].alone == ()
    assert lint([dialogue(*turns)]).turns["train"].alone == (("train/mint.json", 3),)


def test_system_turns_that_are_wrong():
    first, long = {"role": "system", "content": TOLD}, " ".join(f"w{i}" for i in range(151))
    turns = DIALOGUE["turns"]
    assert found(dialogue(first, *turns[1:]))[0] == Problem(
        "train/mint.json", None, "has 2 exchanges", "Make it 3 to 6."
    )
    assert [p.what for p in found(dialogue(first, *turns[1:]))[1:]] == [
        *(
            f"has the role '{have}', expected '{want}'"
            for have, want in (
                ("assistant", "user"),
                ("user", "assistant"),
                ("assistant", "user"),
                ("user", "assistant"),
            )
        ),
        "has the role 'assistant', expected 'user'",
        "has no answer",
    ]
    assert found(dialogue(*turns[:2], first, *turns[2:]))[0] == Problem(
        "train/mint.json", 3, "has the role 'system', expected 'user'", ALTERNATE
    )
    assert found(dialogue(first)) == [
        Problem("train/mint.json", None, "has 0 exchanges", "Make it 3 to 6."),
        Problem("train/mint.json", 1, "has no answer", "End with the assistant's turn."),
    ]
    assert found(dialogue({**first, "content": long}, *turns)) == [
        Problem("train/mint.json", 1, "has 151 words", "Cut it to 150.")
    ]
    assert found(script(system=long)) == [Problem("eval/cats.json", None, "'system' has 151 words", "Cut it to 150.")]
    assert found(script(system="")) == [Problem("eval/cats.json", None, "'system' is ''", "Put a text.")]
    assert found(File("train/mint.json", DIALOGUE | {"system": TOLD}))[0].what == "has an unknown key 'system'"


def test_requirements_that_only_a_reader_sees():
    file = script()
    turns = file.data["turns"]
    turns[0]["requirements"] = [{"text": "Is kind", "reader": True}]
    turns[1]["requirements"] = [{"text": "Is kind", "reader": True, "check": {"max_words": 9}}]
    turns[2]["requirements"] = [{"text": "Is kind", "reader": 1}]
    assert found(file) == [
        Problem("eval/cats.json", 2, "'Is kind' is for a reader and has a check",
                "Leave out one: what a program can decide needs no reader."),
        Problem("eval/cats.json", 3, "'reader' is 1", "Put true or false."),
    ]  # fmt: skip
    turns[1]["requirements"] = turns[0]["requirements"]
    turns[2]["requirements"] = [{"text": "Is nice", "must": False, "reader": True}]
    assert found(file) == [
        Problem("eval/cats.json", 3, "has no requirement that must hold and carries a check, or is for a reader",
                'Add {"text": …, "must": true, "check": {…}}, or "reader": true in place of the check: it decides about a fail.')
    ]  # fmt: skip


def test_what_a_turn_of_a_script_may_have():
    file = script()
    file.data["turns"][0] |= {"facts": "A cat sleeps 12 to 16 hours.", "null": {"echo": "nobody needs more"}}
    assert found(file) == []
    file.data["turns"][0] |= {"facts": ["12"], "null": {"echo": ""}}
    file.data["turns"][1] |= {"fact": "x"}
    assert found(file) == [
        Problem("eval/cats.json", 1, "'facts' is ['12']", "Write what is said."),
        Problem("eval/cats.json", 1, "'null' has '' for 'echo'", "Say why such a reply is right here."),
        Problem("eval/cats.json", 2, "has the keys 'user', 'kind', 'requirements', 'fact'",
                "A turn has 'user' and 'requirements', and may have 'kind', 'facts' and 'null'."),
    ]  # fmt: skip
