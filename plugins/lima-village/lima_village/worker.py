"""A process that fine-tunes and evaluates one job after the other, telling its parent how far it is.

Run as `python -m lima_village.worker`: each line on standard input is a job, each line on standard output an event, both JSON.
What a job has done already is not done again. Knows nothing of arms, of their order or of other workers.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from lima_village.ledger import Ledger

if TYPE_CHECKING:
    from lima.store import Store

# A worker a core: more threads each would only get in each other's way. Read when torch is loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@dataclass(frozen=True)
class Holding:
    """One evaluation that a job holds."""

    evaluation: str
    seeds: list[int]
    sampling: dict[str, Any]
    every_epoch: bool = False
    """with the checkpoint of every epoch instead of the finished model"""
    measure: str = ""
    """it is no evaluation of `lima`, but what this function makes of a model: package.module:function"""


@dataclass(frozen=True)
class Job:
    """One arm with one seed."""

    experiment: str
    arm: str
    seed: int
    database: str
    folder: str
    """of the checkpoint; where it is whole, nothing is trained"""
    recipe: dict[str, Any]
    """empty where a model answers that is not trained"""
    model: str = ""
    """that one's name"""
    holdings: list[Holding] = field(default_factory=list)

    @classmethod
    def from_json(cls, text: str) -> Job:
        """A job as `as_json` writes it"""
        values = json.loads(text)
        return cls(**{**values, "holdings": [Holding(**holding) for holding in values["holdings"]]})

    def as_json(self) -> str:
        """One line"""
        return json.dumps(asdict(self))


def work(job: Job, tell: Callable[..., None]) -> None:
    """Fine-tune and evaluate; events say what is under way and what is done"""
    from lima.store import Store

    with Store(job.database) as store:
        task = _Task(job, store, tell)
        if job.recipe:
            task.train()
        for holding in job.holdings:
            for epoch, folder in task.checkpoints(holding):
                (task.measure if holding.measure else task.hold)(holding, epoch, folder)
    tell("finished")


class _Task:
    """A job under way"""

    def __init__(self, job: Job, store: Store, tell: Callable[..., None]) -> None:
        self.job, self.store, self.tell = job, store, tell
        self.ledger = Ledger(store, job.experiment)
        self.run: str | None = None

    def train(self) -> None:
        """Make the job's run, unless it is there; an interrupted one goes on"""
        from lima.recipe import Recipe
        from lima.train import fine_tune, resume

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
        """(epoch, folder) of what a holding is held with; epoch 0 is the finished model, or the one that is not trained"""
        if not holding.every_epoch:
            return [(0, self.job.folder)]
        sql = "select epoch, folder from checkpoints where run = ? and folder != ? order by epoch"
        return [(row["epoch"], row["folder"]) for row in self.store.rows(sql, [self.run, self.job.folder])]

    def hold(self, holding: Holding, epoch: int, folder: str) -> None:
        """Hold an evaluation unless it has been held; one that was begun goes on"""
        from lima.generate import Sampling
        from lima_dialogue_eval import resume_evaluation, run_evaluation

        def on_progress(done: int, total: int) -> None:
            self.tell("talking", done=done, total=total, evaluation=holding.evaluation, epoch=epoch)

        job, model = self.job, self.opened(folder)
        known = self.ledger.dialogue_run_of(holding.evaluation, model.name, job.arm, self.run, holding.seeds)
        if known is None:
            held = run_evaluation(
                self.store,
                holding.evaluation,
                model,
                arm=job.arm,
                seeds=holding.seeds,
                sampling=Sampling(**holding.sampling),
                run_id=self.run,
                on_progress=on_progress,
            )
        else:
            held = known["id"]
            if known["status"] != "done":
                resume_evaluation(self.store, held, model, on_progress)
        self.ledger.note(job.arm, job.seed, holding.evaluation, epoch, self.run, held)
        self.tell("held", evaluation=holding.evaluation, epoch=epoch, dialogue_run=held)

    def measure(self, holding: Holding, epoch: int, folder: str) -> None:
        """Note one number, unless it is noted"""
        job = self.job
        if not self.ledger.is_noted(job.arm, job.seed, holding.evaluation, epoch):
            found = resolve_name(holding.measure)(self.opened(folder), holding.evaluation)
            self.ledger.note(job.arm, job.seed, holding.evaluation, epoch, self.run, value=found)

    def opened(self, folder: str) -> Any:
        """What answers: the checkpoint in a folder, or the model that is not trained"""
        from lima.generate import CheckpointModel
        from lima.plugins import load_plugins
        from lima_dialogue_eval import open_model

        if not self.run:
            return open_model(self.job.model, self.store)
        return CheckpointModel(
            folder, load_plugins().registry("renderers").find(self.job.recipe["renderer"]), device="cpu"
        )


def main() -> int:
    """Do the jobs on standard input; 0 done, 1 a sentence for the user, 130 interrupted"""
    import torch

    from lima.errors import LimaError
    from lima.plugins import contained

    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent in the background hands on that it is ignored
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints goes to standard error, and never between two events

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
