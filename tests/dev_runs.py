"""Imported by tests: a run whose epochs answer three dev prompts, and graders who say of a reply what it says itself."""

import json

from click.testing import CliRunner

from lima import GRADED, GRADER_FAILED, UNDECIDED, Verdict, hookimpl
from lima.cli import cli
from lima.recipe import Recipe

KEYS = {
    "epochs": 3,
    "batch_size": 8,
    "learning_rate": 1e-2,
    "final_learning_rate": 1e-3,
    "max_tokens": 32,
    "keep_epochs": True,
}


FEW = [(f"{i}", f"What is {i}?", f"It is {i}.") for i in range(16)]
ASKED = [("d1", "What is 91?", "It is 91."), ("d2", "What is 92?", "It is 92, a number."), ("d3", "Why?", "So.")]


def file_of(path, rows):
    path.write_text("".join(json.dumps({"id": i, "prompt": p, "response": r}) + "\n" for i, p, r in rows))
    return path


def recipe(base, few, dev, out, **changes):
    values = {"base": str(base), "sources": [str(few)], "dev": [str(dev)] if dev else [], "out": str(out)}
    return Recipe().with_values(values | KEYS | changes)


class Judge:
    """Grades by what the reply says; counts how often it is asked"""

    description = "the reply is the grade"

    def __init__(self):
        self.asked, self.broken = [], None

    def grade(self, turn):
        raise NotImplementedError

    def grade_reply(self, example, reply, stop):
        if reply == self.broken:
            raise ZeroDivisionError("of my own")
        self.asked.append((example.prompt, example.response, reply, stop))
        without = {"undecided": UNDECIDED, "error": GRADER_FAILED}
        return Verdict(None if reply in without else reply, "so it is", without.get(reply, GRADED))


class Speechless:
    description = "grades something else"

    def grade(self, turn):
        return Verdict("pass", "so it is")


class Judges:
    def __init__(self):
        self.judge = Judge()

    @hookimpl
    def register_graders(self, register):
        register("judge", self.judge)
        register("speechless", Speechless())


def run_lima(*arguments, code=0, **more):
    result = CliRunner().invoke(cli, [str(a) for a in arguments], **more)
    assert result.exit_code == code, (result.output, result.exception)
    return result


def weights(folder):
    return (folder / "model.safetensors").read_bytes()
