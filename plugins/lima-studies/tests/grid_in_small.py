"""A grid of two arms on a tiny random base, as a TOML file, and a way to run `lima` in a process that a test can kill."""

import json
import os
import subprocess
import sys

NAMES = ("lima_chat", "lima_dialogue_eval", "lima_judges", "lima_studies")
PROMPTS = 4
GRID = """
title = "Long and short <b>\u202e"
seeds = 2
[recipe]
base = {base}
renderer = "plain"
epochs = 1
batch_size = 4
learning_rate = 3e-3
max_tokens = 128
precision = "float32"
device = "cpu"
save_every = -1
[arms.short]
paper = "wikiHow"
sources = [{short}]
[arms.long]
sources = [{long}]
[arms.untrained]
model = {model}
[evaluate]
prompts = {prompts}
samples = 2
max_new_tokens = 6
"""
PROCESS = """
import sys
from importlib import import_module
from lima.cli import main
from lima.testing import only_plugins
with only_plugins(**{name: import_module(name) for name in __NAMES__}):
    __BEFORE__
    main(sys.argv[1:])
"""


def rows(file, *some):
    file.write_text("".join(json.dumps(row) + "\n" for row in some))
    return file


def pairs(file, words, number=12):
    """Prompts with responses of so many words"""
    return rows(file, *({"prompt": f"Say {n}.", "response": " ".join(["word"] * words)} for n in range(number)))


def written(folder, base, **changes):
    """The grid's file, with its data beside it"""
    prompts = rows(folder / "prompts.jsonl", *({"id": f"p{n}", "prompt": f"Question {n}?"} for n in range(PROMPTS)))
    files = {"short": pairs(folder / "short.jsonl", 2), "long": pairs(folder / "long.jsonl", 6), "prompts": prompts}
    values = {"base": base, "model": base, **files, **changes}
    grid = folder / "grid.toml"
    grid.write_text(GRID.format(**{key: json.dumps(str(value)) for key, value in values.items()}), encoding="utf-8")
    return grid


def start(arguments, before="pass"):
    """`lima` in a process of its own, with these plugins alone; `before` is code that runs in it first"""
    code = PROCESS.replace("__NAMES__", repr(NAMES)).replace("__BEFORE__", before)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
