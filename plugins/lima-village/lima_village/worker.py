"""One arm of the demo in a process of its own: fine-tune and evaluate, a seed after the other, telling the parent how far it is.

Run as `python -m lima_village.worker`, with the job as JSON on standard input; each line on standard output is a JSON event.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

# Two workers on two cores: more threads each would only get in each other's way. Read when torch is loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")

GREEDY = {"temperature": 0.0, "top_p": 1.0, "repetition_penalty": 1.0, "max_new_tokens": 64}


@dataclass(frozen=True)
class Job:
    """What one worker does."""

    arm: str
    database: str
    folder: str
    recipe: dict[str, Any]
    seeds: list[int]
    evaluations: list[str]


def work(job: Job, tell: Callable[..., None]) -> None:
    """Fine-tune and evaluate for every seed; events say what is under way and what is done"""
    import torch

    from lima.generate import CheckpointModel, Sampling
    from lima.plugins import load_plugins
    from lima.recipe import Recipe
    from lima.store import Store
    from lima.train import fine_tune
    from lima_dialogue_eval import run_evaluation
    from lima_village.progress import listeners

    torch.set_num_threads(1)
    listeners.append(
        lambda run, step, metrics: tell(
            "training", seed=run.seed, done=step, total=metrics["steps"], loss=metrics["loss"]
        )
    )
    with Store(job.database) as store:
        for seed in job.seeds:
            out = Path(job.folder) / f"{job.arm}-seed{seed}"
            recipe = Recipe().with_values({**job.recipe, "seed": seed, "out": str(out), "device": "cpu"})
            run = fine_tune(recipe, store)
            tell("trained", seed=seed, run=run.id, folder=str(out))
            model = CheckpointModel(out, load_plugins().registry("renderers").find(recipe.renderer), device="cpu")
            for evaluation in job.evaluations:
                held = run_evaluation(
                    store,
                    evaluation,
                    model,
                    arm=job.arm,
                    seeds=[seed],
                    sampling=Sampling(**GREEDY),
                    run_id=run.id,
                    on_progress=lambda done, total, seed=seed, name=evaluation: tell(
                        "talking", seed=seed, done=done, total=total, evaluation=name
                    ),
                )
                tell("held", seed=seed, evaluation=evaluation, dialogue_run=held)
    tell("finished")


def main() -> int:
    """Do the job on standard input; 0 done, 1 a sentence for the user, 130 interrupted"""
    from lima.errors import LimaError

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent in the background hands on that it is ignored
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints goes to standard error, and never between two events

    def tell(event: str, **details: Any) -> None:
        print(json.dumps({"event": event, **details}), file=events, flush=True)

    try:
        work(Job(**json.load(sys.stdin)), tell)
    except LimaError as e:
        tell("failed", message=str(e))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def as_json(job: Job) -> str:
    """A job as `main` reads it"""
    return json.dumps(asdict(job))


if __name__ == "__main__":
    sys.exit(main())
