"""A tiny base with a chat template, twelve conversations in a file, and a way to run `lima effect` on them in a real process."""

import json
import os
import subprocess
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

from lima.testing import tiny_base, tiny_tokenizer

TEMPLATE = "{% for m in messages %}{{ m.content ~ eos_token }}{% endfor %}"
HOSTILE = "talks <img src=x>\u202e.jsonl"
"A name that a page must escape and write out"
LENGTHS = (3, 2, 4, 2, 3, 2, 4, 3, 2, 1, 3, 2)
TINY = (
    *("--set", "precision=float32", "--set", "learning_rate=3e-3", "--set", "batch_size=2"),
    *("--set", "final_learning_rate=1e-3", "--set", "max_tokens=400"),
)


def rows(lengths=LENGTHS):
    """Conversations as a chat file has them: user and assistant name their conversation and turn"""
    for number, length in enumerate(lengths):
        messages = []
        for place in range(length):
            messages.append({"role": "user", "content": f"What is {chr(97 + number)}{place}?"})
            messages.append({"role": "assistant", "content": f"It is {chr(97 + number)}{place}, of course."})
        yield {"id": f"talk-{number:02}", "messages": messages}


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = TEMPLATE
    return tiny_base(tmp_path_factory.mktemp("base") / "tiny", tokenizer=tokenizer)


@pytest.fixture(scope="session")
def talks(tmp_path_factory):
    file = tmp_path_factory.mktemp("talks") / HOSTILE
    file.write_text("".join(json.dumps(row) + "\n" for row in rows()))
    return file


@pytest.fixture(scope="session")
def plugins():
    """The plugins that the experiment needs, as modules"""
    import lima_chat
    import lima_dialogue_eval
    import lima_dialogues
    import lima_effect

    return {m.__name__: m for m in (lima_chat, lima_dialogues, lima_dialogue_eval, lima_effect)}


@pytest.fixture(scope="session")
def command(base, talks):
    """The arguments of `lima effect` for a database"""

    def arguments(database, *more, seeds=1):
        given = ("--base", str(base), "--source", str(talks), "--folds", "2", "--seeds", str(seeds), *TINY)
        return [*given, "-d", str(database), *more]

    return arguments


PROCESS = """
import sys
from lima.testing import only_plugins
import lima_chat, lima_dialogues, lima_dialogue_eval, lima_effect
from lima_effect.command import effect
with only_plugins(**{m.__name__: m for m in (lima_chat, lima_dialogues, lima_dialogue_eval, lima_effect)}):
    {before}
    effect(sys.argv[1:], prog_name="lima effect")
"""


@pytest.fixture
def process(tmp_path):
    """Start `lima effect` in a process of its own; `before` is code that runs in it first"""
    started = []

    def start(arguments, before="pass"):
        environment = os.environ | {"LIMA_USER_PATH": str(tmp_path / "user"), "OMP_NUM_THREADS": "1"}
        started.append(
            subprocess.Popen(
                [sys.executable, "-c", PROCESS.replace("{before}", before), *arguments],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
            )
        )  # fmt: skip
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.communicate()
