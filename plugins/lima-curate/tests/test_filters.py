"""The filters keep the contract, and leave out what they should."""

from typing import ClassVar

import lima_chat
import lima_curate
import lima_dialogue_eval
import lima_judges
import lima_stackexchange
from lima import Example, FilterOptions, UsesStore, Verdict, hookimpl
from lima.testing import FilterContract

PROSE = (
    "Water just off the boil draws more out of the beans than water that has cooled for ten minutes, so a bitter cup "
    "often needs nothing but patience. Grind a little coarser if that is not enough, and change one thing at a time."
)
GERMAN = "Der Kaffee wird bitter, wenn das Wasser zu heiß ist oder die Bohnen zu fein gemahlen sind."


def example(response, id="1", prompt="How is coffee made at home?"):
    return Example(id=id, source="test", prompt=prompt, response=response)


class Lengths:
    """A grader that a test can predict"""

    description = "answers of ten characters or more pass"

    def grade_reply(self, example, reply, stop):
        return Verdict("pass" if len(reply) > 9 else "fail", f"{len(reply)} characters")


class OneConversation:
    description, licence, grader = "asks about coffee", "CC0-1.0", "requirements"

    def conversations(self):
        from lima_chat import EvalConversation, EvalTurn

        asked = "Why does my coffee taste bitter when I use water straight from the kettle in the morning?"
        return [EvalConversation(id="coffee", topic="coffee", turns=(EvalTurn(asked), EvalTurn("Shorter, please.")))]


class Needed:
    @hookimpl
    def register_graders(self, register):
        register("lengths", Lengths())

    @hookimpl
    def register_evaluations(self, register):
        register("one", OneConversation())


class OfCurate(FilterContract):
    plugin = lima_curate
    requires = (lima_chat, lima_dialogue_eval, lima_judges, lima_stackexchange, Needed())
    abilities: ClassVar = (FilterOptions,)


class TestLength(OfCurate):
    name = "length"
    stays = (example("a" * 1200), example("a" * 4096, "2"))
    goes = (example("a" * 1199), example("a" * 4097, "2"))


class TestFirstPerson(OfCurate):
    name, abilities = "first-person", ()
    stays = (example("World War I ended in 1918.\n\n> I said so\n\nThe pronoun `I` is short."),)
    goes = (example("In my view it is cold."),)


class TestReferences(OfCurate):
    name = "references"
    stays = (example("The answer is 42, and the image above the altar shows why."),)
    goes = (example("As the other answers say, it is cold."),)


class TestStandsAlone(OfCurate):
    name, abilities = "stands-alone", ()
    stays = (
        example("x", prompt="Why is coffee bitter in the morning?"),
        example("x", "2", "Hello! Is this right? It says that water boils at 90 degrees here."),
        example("x", "3", "A description.\nWith lines, and this one."),
    )
    goes = (example("x", prompt="What is this?"),)


class TestNearDuplicates(OfCurate):
    name = "near-duplicates"
    stays = (
        example(PROSE),
        example(PROSE.replace("coarser", "finer").replace("cooled", "boiled").replace("bitter", "sour"), "2"),
        example("7", "3", "3 + 4 = ?"),
        example("7", "4", "3 - 4 = ?"),
        example("", "5", ""),
        example("", "6", ""),
    )
    goes = (example(PROSE), example(f"**{PROSE.upper()}**", "2"))


class TestContamination(OfCurate):
    name = "contamination"
    stays = (
        example("x", prompt="Shorter, please."),
        example("x", "2", "Why does my coffee taste bitter when I make it?"),
    )
    goes = (
        example(
            "x", prompt="“WHY does my coffee taste so bitter, when I use water straight from the kettle each morning?”"
        ),
    )


class TestLanguage(OfCurate):
    name = "language"
    stays = (example(PROSE), example("Ja.", "2"), example(f"```\n{GERMAN}\n{GERMAN}\n```", "3"))
    goes = (example(GERMAN),)


class TestQuality(OfCurate):
    name = "quality"
    stays = (example(PROSE), example("Paris.", "2"), example('{"a": {"b": {"c": {}}}}', "3"))
    goes = (example("I like cats. " * 60),)


class TestLongest(OfCurate):
    name, settings = "longest", {"k": 2}
    stays = (example("a"), example("b", "2"))
    goes = (example("aa"), example("b", "2"), example("ccc", "3"))


class TestRandom(OfCurate):
    name, settings = "random", {"k": 2, "seed": 7}
    stays = (example("a"), example("b", "2"))
    goes = (example("a"), example("a", "2"), example("a", "3"))


class TestDiverse(OfCurate):
    name, settings = "diverse", {"k": 2, "n": 1}
    stays = (example("a"), example("b", "2"))
    goes = (example("one two three"), example("one two", "2"), example("four", "3"))


class TestJudged(OfCurate):
    name, abilities, settings = "judged", (FilterOptions, UsesStore), {"grader": "lengths"}
    stays = (example("a long answer"),)
    goes = (example("short"),)
