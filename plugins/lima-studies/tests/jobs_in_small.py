"""A grid on a tiny random base, whose epochs are held against an evaluation and measured, in two processes.

Run as a program by the tests, so that it can be killed: python jobs_in_small.py FOLDER
"""

import os
import sys
from pathlib import Path

from lima import Store, load_plugins
from lima_studies import Arm, Grid, GridRun, Holding, Study, System

RECIPE = {
    "renderer": "lima",
    "epochs": 2,
    "keep_epochs": True,
    "batch_size": 4,
    "learning_rate": 3e-3,
    "max_tokens": 128,
    "precision": "float32",
    "device": "cpu",
    "save_every": -1,
}
SAMPLING = {"temperature": 0.0, "top_p": 1.0, "repetition_penalty": 1.0, "max_new_tokens": 5}


def weight(model, name, store, run):
    """A number that is the model's own"""
    print(f"{name} of {run}")  # must not disturb the parent
    return sum(float(parameter.detach().double().abs().sum()) for parameter in model.model.parameters())


def grid(folder):
    """An arm with two fine-tunes, one with one, and one that is only trained"""
    recipe = {**RECIPE, "base": str(folder / "tiny")}
    talks = Holding("talks", str(folder / "talks.jsonl"), sampling=SAMPLING, grader="requirements", every_epoch=True)
    last = Holding("last", str(folder / "last.jsonl"), sampling=SAMPLING, grader="requirements")
    number = Holding("number", "weight", every_epoch=True, measure=weight)
    arms = (
        Arm("short", "", {"sources": [str(folder / "short.jsonl")]}, held=("talks", "number")),
        Arm("long", "", {"sources": [str(folder / "long.jsonl")]}, seeds=1, seconds=2.0, held=("talks", "last")),
        Arm("nothing", "", {"sources": [str(folder / "short.jsonl")], "epochs": 1}, seeds=1, held=()),
    )
    return Grid("small", recipe, arms, holdings=(talks, last, number))


def begun(store, folder):
    """The grid with its study"""
    made = grid(folder)
    made.check()
    systems = [System(job.system, "job") for job in made.jobs()]
    return GridRun(Study.begin(store, "small", {"grid": made.settings()}, (), systems, "g"), made)


if __name__ == "__main__":
    given = Path(sys.argv[1]).resolve()
    load_plugins()
    with Store(given / "l.db") as opened:
        begun(opened, given).run(lambda event: print(event.what, os.getpid(), flush=True), workers=2)
