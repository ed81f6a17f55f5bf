"""Trains what a grid lacks: each job is an ordinary run of lima, known by the folder of its model beside the database.

A run that was stopped is resumed, one that is done is not repeated. Knows nothing of evaluations. What trains loads when
something is trained: a parent of workers does without.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lima import LimaError, Recipe
from lima_studies.jobs.grid import Grid, Job
from lima_studies.jobs.record import Ledger
from lima_studies.record.study import Study


@dataclass(frozen=True)
class Event:
    """How far a job is"""

    what: str
    "begun (of all jobs), training, trained, holding, held, finished"
    job: Job | None = None
    done: int = 0
    total: int = 0
    loss: float = 0.0
    evaluation: str = ""
    epoch: int = 0
    worker: int = 0
    left: tuple[Job, ...] = ()
    "When all begin, the jobs that are not done"

    @property
    def text(self) -> str:
        """What is being done, in words"""
        of = self.job.system if self.job else ""
        return f"{self.evaluation} with {of}" if self.evaluation else f"training {of}"


OnEvent = Callable[[Event], None]


class Trainer:
    """The runs of one grid"""

    def __init__(self, study: Study, grid: Grid, trust_remote_code: bool, on_event: OnEvent) -> None:
        self.study, self.grid, self.store = study, grid, study.store
        self.trust_remote_code, self.on_event = trust_remote_code, on_event
        self.ledger = Ledger(study.store, study.id)

    def folder(self, job: Job) -> Path:
        """Where a job's model is: beside the database, whatever a row may say"""
        return models_of(self.study) / job.folder

    def known(self, job: Job) -> Mapping[str, Any] | None:
        """The newest run that trains into the job's folder, one that is done first; None for one whose model is missing"""
        folder = self.folder(job)
        runs = self.store.runs(folder=str(folder))
        newest = max(runs, key=lambda row: (row["status"] == "done", row["created"]), default=None)
        missing = newest and newest["status"] == "done" and not (folder / "config.json").is_file()
        return None if missing else newest

    def is_trained(self, job: Job) -> bool:
        """Whether nothing is to be trained"""
        return bool(job.arm.model) or (self.known(job) or {"status": ""})["status"] == "done"

    def run(self, job: Job) -> str:
        """The id of the job's run, trained or resumed if it is not done; LimaError where it was begun in another folder"""
        from lima import fine_tune, resume

        def on_step(step: int, steps: int, metrics: Mapping[str, Any]) -> None:
            self.on_event(Event("training", job, step, steps, loss=metrics["loss"]))

        known = self.known(job)
        if known is None:
            self._check_place(job)
            run = fine_tune(self.recipe(job), self.store, on_step=on_step).id
        else:
            run = str(known["id"])
            if known["status"] != "done":
                changes = {"trust_remote_code": True} if self.trust_remote_code else {}
                resume(run, self.store, on_step=on_step, changes=changes)
        self.ledger.note(job.arm.name, job.seed, run=run)
        return run

    def _check_place(self, job: Job) -> None:
        noted = self.ledger.noted(job.arm.name, job.seed).get(("", 0))
        folders = [row["folder"] for row in self.store.runs(id=noted["run"])] if noted else []
        if folders and folders[0] != str(self.folder(job)):
            raise LimaError(
                f"Study {self.study.id} was begun in {Path(folders[0]).parent}, which does not lie beside the database "
                f"{self.store.path}. Move the database back to it, or begin a new study."
            )

    def recipe(self, job: Job) -> Recipe:
        """What trains a job"""
        own = {"out": str(self.folder(job)), "trust_remote_code": self.trust_remote_code}
        return self.grid.recipe_for(job).with_values(own)

    def checkpoints(self, job: Job, every_epoch: bool) -> list[tuple[int, Path]]:
        """(epoch, folder) of a trained job's models; epoch 0 is the finished one, or the one that is not trained"""
        folder = self.folder(job)
        if not every_epoch:
            return [(0, folder)]
        known = self.known(job)
        kept = self.store.checkpoints(run=known["id"]) if known else []
        return sorted((row["epoch"], Path(row["folder"])) for row in kept if row["folder"] != str(folder))

    def opened(self, job: Job, folder: Path | None = None) -> Any:
        """The job's model, trained if it is not, or its checkpoint in a folder"""
        from lima import CheckpointModel, TakesVariables, load_plugins, open_model

        if job.arm.model:
            return open_model(job.arm.model, self.store, self.trust_remote_code)
        row = self.store.run(self.run(job))
        renderer = load_plugins().registry("renderers").find(row["renderer"])
        if isinstance(renderer, TakesVariables):
            renderer = renderer.with_variables(row["recipe"].get("template", {}), "")
        device = row["recipe"].get("device", "auto")
        return CheckpointModel(folder or self.folder(job), renderer, device, trust_remote_code=self.trust_remote_code)


def models_of(study: Study) -> Path:
    """The folder of a study's models"""
    return study.store.path.resolve().parent / f"{study.id}-models"
