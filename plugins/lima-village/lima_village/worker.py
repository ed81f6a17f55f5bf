"""A process that fine-tunes and evaluates one job after another and reports its progress to its parent.

Run as `python -m lima_village.worker`: each line on standard input is a job, each line on standard output an event, both JSON.
What a job has already done is not repeated. This module knows nothing of arms, of their order or of other workers.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pkgutil import resolve_name
from typing import Any

from lima import LimaError, Store
from lima_village.ledger import Ledger

# One worker per core: more threads would only compete. Read when torch is loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@dataclass(frozen=True)
class Holding:
    """One evaluation in a job."""

    evaluation: str
    seeds: list[int]
    sampling: dict[str, Any]
    every_epoch: bool = False
    """with the checkpoint of every epoch instead of the finished model"""
    measure: str = ""
    """package.module:function of (model, evaluation, store, run) that gives one number, instead of an evaluation of `lima`"""


@dataclass(frozen=True)
class Job:
    """One arm with one seed."""

    experiment: str
    arm: str
    seed: int
    database: str
    folder: str
    """of the checkpoint; if it is complete, nothing is trained"""
    recipe: dict[str, Any]
    """empty if nothing is trained and `model` answers"""
    model: str = ""
    holdings: list[Holding] = field(default_factory=list)

    @classmethod
    def from_json(cls, text: str) -> Job:
        """A job from `as_json`"""
        values = json.loads(text)
        return cls(**{**values, "holdings": [Holding(**holding) for holding in values["holdings"]]})

    def as_json(self) -> str:
        """The job in one line"""
        return json.dumps(asdict(self))


def work(job: Job, tell: Callable[..., None]) -> None:
    """Fine-tune and evaluate; events report what is running and what is done"""
    with Store(job.database) as store:
        task = _Task(job, store, tell)
        if job.recipe:
            task.train()
        for holding in job.holdings:
            for epoch, folder in task.checkpoints(holding):
                (task.measure if holding.measure else task.hold)(holding, epoch, folder)
    tell("finished")


class _Task:
    """A job in progress"""

    def __init__(self, job: Job, store: Store, tell: Callable[..., None]) -> None:
        self.job, self.store, self.tell = job, store, tell
        self.ledger = Ledger(store, job.experiment)
        self.run: str | None = None

    def train(self) -> None:
        """Train the job's run unless it is done; resume an interrupted one"""
        from lima import Recipe, fine_tune, resume

        def on_step(step: int, steps: int, metrics: dict[str, Any]) -> None:
            self.tell("training", done=step, total=steps, loss=metrics["loss"])

        job, known = self.job, self.ledger.run_of(self.job.folder)
        if known is None:
            recipe = Recipe().with_values({**job.recipe, "seed": job.seed, "out": job.folder, "device": "cpu"})
            self.run = fine_tune(recipe, self.store, on_step=on_step).id
        else:
            self.run = known["id"]
            if known["status"] != "done":
                resume(known["id"], self.store, on_step=on_step)
        self.ledger.note(job.arm, job.seed, run=self.run)
        self.tell("trained", run=self.run, folder=job.folder)

    def checkpoints(self, holding: Holding) -> list[tuple[int, str]]:
        """(epoch, folder) of the checkpoints to evaluate; epoch 0 is the finished model, or the one that is not trained"""
        if not holding.every_epoch:
            return [(0, self.job.folder)]
        kept = self.store.checkpoints(run=self.run)
        return sorted((row["epoch"], row["folder"]) for row in kept if row["folder"] != self.job.folder)

    def hold(self, holding: Holding, epoch: int, folder: str) -> None:
        """Run an evaluation unless it is done; resume an interrupted one"""
        from lima import Sampling
        from lima_dialogue_eval import resume_evaluation, run_evaluation

        def on_progress(done: int, total: int) -> None:
            self.tell("talking", done=done, total=total, evaluation=holding.evaluation, epoch=epoch)

        job, model, name, seeds = self.job, self.opened(folder), holding.evaluation, holding.seeds
        known = self.ledger.dialogue_run_of(name, model.name, job.arm, self.run, seeds)
        if known is None:
            how: dict[str, Any] = {"arm": job.arm, "seeds": seeds, "sampling": Sampling(**holding.sampling)}
            held = run_evaluation(self.store, name, model, run_id=self.run, on_progress=on_progress, **how)
        else:
            held = known["id"]
            if known["status"] != "done":
                resume_evaluation(self.store, held, model, on_progress)
        self.ledger.note(job.arm, job.seed, name, epoch, self.run, held)
        self.tell("held", evaluation=name, epoch=epoch, dialogue_run=held)

    def measure(self, holding: Holding, epoch: int, folder: str) -> None:
        """Record one number unless it is recorded"""
        job = self.job
        if not self.ledger.is_noted(job.arm, job.seed, holding.evaluation, epoch):
            found = resolve_name(holding.measure)(self.opened(folder), holding.evaluation, self.store, self.run)
            self.ledger.note(job.arm, job.seed, holding.evaluation, epoch, self.run, value=found)

    def opened(self, folder: str) -> Any:
        """The model that answers: the checkpoint in a folder, or the one that is not trained"""
        from lima import CheckpointModel, load_plugins, open_model

        if not self.run:
            return open_model(self.job.model, self.store)
        renderer = load_plugins().registry("renderers").find(self.job.recipe["renderer"])
        return CheckpointModel(folder, renderer, device="cpu")


def main() -> int:
    """Do the jobs on standard input; returns 0 when done, 1 after a LimaError, 130 when interrupted"""
    import torch

    from lima import contained

    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent in the background passes on that it is ignored
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print goes to standard error, never between two events

    def tell(event: str, **details: Any) -> None:
        print(json.dumps({"event": event, **details}), file=events, flush=True)

    try:
        for line in sys.stdin:
            with contained("an experiment"):
                work(Job.from_json(line), tell)
    except LimaError as e:
        tell("failed", message=str(e))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
