"""Data sets of plain examples, and the plugins that mix them."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Annotated

import pytest

import lima_chat
import lima_curate
import lima_dialogue_eval
from lima import Between, Example, hookimpl, options_of
from lima.testing import only_plugins, run_command
from lima_chat import EvalConversation, EvalTurn
from lima_curate.dataset import write_dataset

ASKED = "Why does the quick brown fox jump over the lazy dog every single morning?"


class Numbers:
    """A source of 50 examples, or the best of them"""

    description, licence, options = "numbers", "CC0-1.0", ("limit",)

    def __init__(self, limit=50):
        self.limit = limit

    def with_options(self, values):
        return options_of(NumbersOptions, "tiny", values).source()

    def examples(self, argument):
        for n in range(self.limit):
            yield Example(id=str(n), source="numbers", prompt=f"What is {n}?", response=f"{n} " * (n + 1))


@dataclass(frozen=True)
class NumbersOptions:
    limit: Annotated[int, Between(1, 50)] = 50

    def source(self):
        return Numbers(self.limit)


class Tiny:
    """A plugin with one evaluation of one question, and a source with an option"""

    @hookimpl
    def register_sources(self, register):
        register("numbers", Numbers())

    @hookimpl
    def register_evaluations(self, register):
        talks = [EvalConversation("fox", "Foxes", (EvalTurn(ASKED, ({"text": "says why"},), "opening"),))]
        about = {
            "description": "one question",
            "licence": "Apache-2.0",
            "grader": "requirements",
            "checks_decide": False,
        }
        register("foxes", SimpleNamespace(**about, conversations=lambda: talks))


@pytest.fixture
def plugins():
    mine = {"lima_chat": lima_chat, "lima_dialogue_eval": lima_dialogue_eval, "lima_curate": lima_curate}
    with only_plugins(**mine, tiny=Tiny()) as found:
        yield found


@pytest.fixture
def examples(tmp_path):
    """Writes a data set of so many examples with texts of so many tokens, roughly counted; its path"""

    def write(name, count, asked=5, answered=20, **about):
        def text(number, tokens):
            return f"{name}{number} ".ljust(4 * tokens, "x")[: 4 * tokens]

        records = [
            Example(id=f"{name}-{n}", source=name, prompt=text(n, asked), response=text(n, answered), **about)
            for n in range(count)
        ]
        return str(write_dataset(tmp_path / f"{name}.jsonl", records).file)

    return write


@pytest.fixture
def lima(plugins, tmp_path, monkeypatch):
    """Runs a command with these plugins, in a folder and with a database of its own"""
    monkeypatch.setenv("LIMA_USER_PATH", str(tmp_path / "user"))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    return run_command
