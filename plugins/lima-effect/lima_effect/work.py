"""Does the jobs of an experiment one after another: fine-tune, measure the gain, delete the model.

What is done is not repeated. Only one process at a time works on an experiment. Knows nothing of what the numbers say.
"""

import gc
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lima import (
    CheckpointModel,
    LimaError,
    Store,
    TakesVariables,
    exclusive,
    fine_tune,
    load_plugins,
    open_source,
    resume,
)
from lima_dialogue_eval import gains, write_gain
from lima_effect.arms import BASE
from lima_effect.experiment import Experiment, Job
from lima_effect.ledger import Ledger

OnProgress = Callable[[str, float, int], None]
"Gets what is going on, how many jobs are done (with a fraction of the one at work), and of how many"

TRAINING = 0.7
"Of a job's time, roughly"


def folder_of(database: Path, experiment: Experiment) -> Path:
    """Where the models of an experiment are while they are needed: beside its database, whatever a row may say"""
    return database.resolve().parent / experiment.id


def work(store: Store, experiment: Experiment, on_progress: OnProgress) -> None:
    """Do what is left of the experiment; on any error, Ctrl-C included, the database says how it ended

    LimaError if another process is working on it."""
    folder = folder_of(store.path, experiment)
    with _alone(folder, experiment):
        status, ledger = "failed", Ledger(store, experiment)
        ledger.begin()
        try:
            _Work(ledger, folder, on_progress).all()
            status = "done"
        except KeyboardInterrupt:
            status = "interrupted"
            raise
        finally:
            ledger.mark(status)
    with suppress(OSError):
        folder.rmdir()


@contextmanager
def _alone(folder: Path, experiment: Experiment) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise LimaError(f"Cannot create {folder}: {e.strerror}. Choose another --database.") from None
    with exclusive(folder / ".lock", f"working on {experiment.id}"):
        yield


class _Work:
    """The jobs of one experiment"""

    def __init__(self, ledger: Ledger, folder: Path, on_progress: OnProgress) -> None:
        self.ledger, self.experiment, self.store = ledger, ledger.experiment, ledger.store
        self.folder, self.on_progress = folder, on_progress

    def all(self) -> None:
        """All that is left, one job after another"""
        jobs = self.experiment.jobs()
        measured = self.ledger.measured()
        for job in measured:  # of a process that was killed before it could delete the model
            self.forget(job)
        done = len(measured)
        for job in jobs:
            if job in measured:
                continue

            def at(what: str, share: float, job: Job = job, done: int = done) -> None:
                seed = "" if job.arm == BASE else f", seed {job.seed}"
                self.on_progress(f"{job.arm}, fold {job.fold}{seed}: {what}", done + share, len(jobs))

            self.one(job, at)
            done += 1

    def one(self, job: Job, at: Callable[[str, float], None]) -> None:
        """Train unless it is trained, measure, and delete the model"""
        started, used = time.monotonic(), time.process_time()
        run = None if job.arm == BASE else self.train(job, at)
        self.measure(job, run, at)
        self.ledger.spend(time.monotonic() - started, time.process_time() - used)
        self.forget(job)
        gc.collect()

    def place(self, job: Job) -> Path:
        """The folder of a job's model"""
        return self.folder / job.name

    def train(self, job: Job, at: Callable[[str, float], None]) -> str:
        """The job's run, done; one that was stopped starts again under its id"""

        def on_step(step: int, steps: int, metrics: dict[str, Any]) -> None:
            at(f"training, loss {metrics['loss']:.2f}", TRAINING * step / steps)

        at("training", 0.0)
        known = self.ledger.run_of(self.place(job))
        if known is None:
            return fine_tune(self.experiment.recipe_of(job, self.place(job)), self.store, on_step=on_step).id
        if known["status"] != "done":
            changes = {"trust_remote_code": True} if self.experiment.asked.trust_remote_code else {}
            resume(known["id"], self.store, on_step=on_step, changes=changes)
        return str(known["id"])

    def measure(self, job: Job, run: str | None, at: Callable[[str, float], None]) -> None:
        """Write the gain of the job's model on the fold's test conversations"""
        before = TRAINING if run else 0.0
        at("measuring", before)
        started, asked = time.monotonic(), self.experiment.asked
        model = self.opened(self.place(job) if run else self.experiment.base)
        tested = open_source(self.experiment.test_spec(job.fold), load_plugins())

        def on_progress(read: int, total: int) -> None:
            at("measuring", before + (1 - before) * read / total)

        answers = gains(model, tested.records, asked.others, on_progress=on_progress)
        about = {
            "id": self.ledger.measurement(job, run),
            "model": model.name,
            "run": run,
            "renderer": model.renderer.name,
            "source": tested.name,
            "source_hash": tested.hash,
            "others": asked.others,
            "seed": 0,
        }
        write_gain(self.store, about, answers, time.monotonic() - started)

    def opened(self, folder: Path) -> CheckpointModel:
        """A model of the experiment, the base too, through the renderer that the arms are trained with"""
        recipe = self.experiment.recipe
        renderer = load_plugins().registry("renderers").find(recipe.renderer)
        if isinstance(renderer, TakesVariables):
            renderer = renderer.with_variables(recipe.template, "")
        return CheckpointModel(folder, renderer, recipe.device, trust_remote_code=recipe.trust_remote_code)

    def forget(self, job: Job) -> None:
        """Delete the model of a job that is measured: a gigabyte or more, and the same command would train it again"""
        shutil.rmtree(self.place(job), ignore_errors=True)
