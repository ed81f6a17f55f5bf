"""What an evaluation asks is found in what is trained on, however it is written; what is only alike is not."""

import json
import re

import pytest

import lima_chat
import lima_curate
import lima_dialogue_eval
import lima_dialogues
import lima_stackexchange
from lima import Example, hookimpl, open_source
from lima.testing import only_plugins
from lima_chat import Conversation, EvalConversation, EvalTurn, Turn
from lima_curate import contamination
from lima_curate.words import shared_in_order

LONG = (
    "I'm moving out of a two-room flat on Saturday, with my cat Polly and without a car. Give me a checklist for the last two "
    "weeks: exactly eight points, numbered, one line each."
)
SHORT = "Why don't they just print more money for everybody?"
ZH = "我星期六要从两居室的公寓搬出去，带着我的猫波莉，没有汽车，请给我一份清单。"


class Moving:
    description, licence, grader = "asks about moving", "CC0-1.0", "requirements"

    def conversations(self):
        said = {
            "moving": [LONG, "Shorter, please.", SHORT],
            "zh": [ZH],
            "what": ["What is inflation?", "And deflation then?"],
        }
        return [EvalConversation(id=id, topic=id, turns=tuple(map(EvalTurn, turns))) for id, turns in said.items()]


class Registers:
    @hookimpl
    def register_evaluations(self, register):
        register("moving", Moving())


@pytest.fixture(scope="module")
def plugins():
    with only_plugins(
        lima_chat=lima_chat,
        lima_dialogue_eval=lima_dialogue_eval,
        lima_stackexchange=lima_stackexchange,
        lima_curate=lima_curate,
        moving=Registers(),
    ) as found:
        yield found


def found_in(plugins, prompt, response="Yes.", **more):
    return contamination([Example(id="1", source="s", prompt=prompt, response=response)], plugins, **more)


words = LONG.split()
CHANGED = [*words[:3], "from", *words[3:9], "Friday,", *words[10:20], "nice", *words[20:]]
WRITTEN = {
    "as it is": LONG,
    "in capitals": LONG.upper(),
    "with other quotation marks": LONG.replace("'", "’").replace("two-room", "“two–room”"),
    "without punctuation": re.sub(r"[^\w\s]", "", LONG),
    "over lines, quoted": "> " + LONG.replace(". ", ".\n> "),
    "with spaces": LONG.replace(" ", " \u00a0\n\t"),
    "with characters that nobody sees": LONG.replace("o", "o\u200b").replace("a", "\u00ada"),
    "in wide letters": "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in LONG),
    "within a longer prompt": f"You are a test. Answer this one: «{LONG}» Thank you, and be quick about it, will you?",
    "with a few words changed": " ".join(CHANGED),
    "cut at the end": " ".join(words[:-5]),
    "in Markdown": " ".join(f"**{word}**" for word in words),
    "a later turn": SHORT.lower(),
    "a later turn within others": f"Economics again: {SHORT} I never understood it.",
    "a short first turn": "what is Inflation",
    "Chinese": f"你好！{ZH}谢谢。",
}


@pytest.mark.parametrize("how", WRITTEN)
def test_a_prompt_is_found_however_it_is_written(plugins, how):
    (found,) = found_in(plugins, WRITTEN[how])
    assert re.match(r"It has \d+ of the \d+ words that 'moving' asks in conversation '\w+', turn \d: \"", found.reason)


ALIKE = {
    "half of it": " ".join(words[: len(words) // 2]),
    "its words in another order": " ".join(words[::-1]),
    "its words in threes, far apart": " and then ".join(" ".join(words[n : n + 2]) for n in range(0, len(words), 2)),
    "a short later turn": "Shorter, please.",
    "a later turn of few words": "And deflation then?",
    "the same begin": "Give me a checklist for the last two weeks before a wedding: dress, rings, cake, guests, all of it.",
    "a short one with a word changed": "Why don't they just print more stamps for everybody?",
    "a short first turn within another": "What is inflation? And what is deflation?",
    "nothing": "",
    "signs": "?!…",
}


@pytest.mark.parametrize("how", ALIKE)
def test_what_is_only_alike_is_not_found(plugins, how):
    assert found_in(plugins, ALIKE[how]) == []


def test_the_answer_and_every_turn_of_a_dialogue_are_looked_at(plugins):
    turns = (Turn("user", "Hi!"), Turn("assistant", "Hello."), Turn("user", LONG), Turn("assistant", "One moment."))
    talk = Conversation(id="talk", source="s", turns=turns)
    alone = Example(id="1", prompt="Write a hard question about moving.", response=f"How about: {LONG}")
    assert [one.place for one in contamination([Example(id="0", prompt="p", response="r"), talk, alone], plugins)] == [
        1,
        2,
    ]


def test_the_prompt_of_which_most_is_there_is_named(plugins):
    (found,) = found_in(plugins, f"{' '.join(CHANGED)}\n{SHORT}")
    assert found.reason == f"It has 9 of the 9 words that 'moving' asks in conversation 'moving', turn 3: \"{SHORT}\""


def test_the_share_of_a_long_prompt_can_be_chosen(plugins):
    assert found_in(plugins, " ".join(CHANGED), share=1.0) == []
    assert len(found_in(plugins, LONG, share=1.0)) == 1
    assert len(found_in(plugins, " ".join(words[: len(words) * 2 // 3]), share=0.6)) == 1


def test_a_long_prompt_that_stands_in_a_message_is_found_at_once():
    """Comparing 100,000 words of one kind with as many, each with each, would take many minutes"""
    assert shared_in_order(["word"] * 100_000, ["so", *["word"] * 100_000, "on"]) == 100_000


def test_a_file_or_a_source_can_be_what_is_compared_with(plugins, tmp_path):
    file = tmp_path / "dev.jsonl"
    file.write_text('{"prompt": "Name all the rivers that flow through the city of Basel today."}\n')
    asked = "Please name all the rivers that flow through the city of Basel today, in order."
    assert len(found_in(plugins, asked, against=[str(file)])) == 1
    assert found_in(plugins, LONG, against=[str(file)]) == []


def test_what_ships_for_training_asks_nothing_that_ships_for_evaluation(lima_plugins):
    plugins = lima_plugins(lima_chat=lima_chat, lima_dialogue_eval=lima_dialogue_eval, lima_dialogues=lima_dialogues)
    records = open_source("dialogues", plugins).records
    assert contamination(records, plugins, ["dialogues", "dialogues-b"]) == []
    both = [
        Conversation(
            id=one.id, turns=tuple(t for turn in one.turns for t in (Turn("user", turn.user), Turn("assistant", ".")))
        )
        for name in ("dialogues", "dialogues-b")
        for one in plugins.registry("evaluations")[name].conversations()
    ]
    assert [one.place for one in contamination([*records, *both], plugins)] == list(range(30, 50))


@pytest.mark.slow
def test_whoever_trains_on_what_an_evaluation_asks_is_told_and_may_go_on(plugins, tmp_path, lima_base, lima_command):
    file = tmp_path / "mine.jsonl"
    rows = [{"prompt": "Name a tree.", "response": "An oak."}, {"prompt": LONG, "response": "One: boxes."}]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = ("--source", file, "--renderer", "lima", "--set", "epochs=1", "--set", "residual_dropout=0")
    said = lima_command("train", "--base", lima_base, *options, "--out", tmp_path / "out").err
    assert "1 of 2 examples ask what an evaluation asks" in said
    assert "The first, 'mine.jsonl:2' of 'mine.jsonl': It has 34 of the 34 words that 'moving' asks" in said
    file.write_text(json.dumps(rows[0]) + "\n")
    again = lima_command("train", "--base", lima_base, *options, "--out", tmp_path / "clean").err
    assert "an evaluation asks" not in again
