"""Trains what a grid lacks: each job is an ordinary run of lima, known by the folder of its model beside the database.

A run that was stopped is resumed, one that is done is not repeated. Knows nothing of evaluations.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lima import CheckpointModel, Recipe, TakesVariables, fine_tune, load_plugins, now, open_model, resume
from lima_studies.grids.grid import Grid, Job
from lima_studies.record.study import Study

OnProgress = Callable[[str, int, int], None]


class Trainer:
    """The runs of one grid"""

    def __init__(self, study: Study, grid: Grid, trust_remote_code: bool, on_progress: OnProgress) -> None:
        self.study, self.grid, self.store = study, grid, study.store
        self.trust_remote_code, self.on_progress = trust_remote_code, on_progress

    def folder(self, job: Job) -> Path:
        """Where a job's model is: beside the database, whatever a row may say"""
        return self.store.path.resolve().parent / f"{self.study.id}-models" / job.folder

    def known(self, job: Job) -> Mapping[str, Any] | None:
        """The newest run that trains into the job's folder, one that is done first; None for one whose model is missing"""
        folder = self.folder(job)
        runs = self.store.runs(folder=str(folder))
        newest = max(runs, key=lambda row: (row["status"] == "done", row["created"]), default=None)
        missing = newest and newest["status"] == "done" and not (folder / "config.json").is_file()
        return None if missing else newest

    def left(self) -> list[Job]:
        """The jobs that are to be trained yet"""
        return [
            job
            for job in self.grid.jobs()
            if not job.arm.model and (self.known(job) or {"status": ""})["status"] != "done"
        ]

    def run(self, job: Job) -> str:
        """The id of the job's run, trained or resumed if it is not done"""

        def on_step(step: int, steps: int, metrics: Mapping[str, Any]) -> None:
            self.on_progress(f"training {job.system}", step, steps)

        known = self.known(job)
        if known is None:
            run = fine_tune(self.recipe(job), self.store, on_step=on_step).id
        else:
            run = str(known["id"])
            if known["status"] != "done":
                changes = {"trust_remote_code": True} if self.trust_remote_code else {}
                resume(run, self.store, on_step=on_step, changes=changes)
        self.note(job, run=run)
        return run

    def recipe(self, job: Job) -> Recipe:
        """What trains a job"""
        own = {"out": str(self.folder(job)), "trust_remote_code": self.trust_remote_code}
        return self.grid.recipe_for(job).with_values(own)

    def opened(self, job: Job) -> Any:
        """The job's model, trained if it is not"""
        if job.arm.model:
            return open_model(job.arm.model, self.store, self.trust_remote_code)
        row = self.store.run(self.run(job))
        renderer = load_plugins().registry("renderers").find(row["renderer"])
        if isinstance(renderer, TakesVariables):
            renderer = renderer.with_variables(row["recipe"].get("template", {}), "")
        device = row["recipe"].get("device", "auto")
        return CheckpointModel(self.folder(job), renderer, device, trust_remote_code=self.trust_remote_code)

    def note(self, job: Job, evaluation: str = "", run: str = "", dialogue_run: str = "") -> None:
        """Record which run, or dialogue run, is a job's, once"""
        row = [self.study.id, job.system, evaluation, run, dialogue_run, now()]
        with self.store.write() as db:
            db.execute(
                "insert into study_jobs (study, system, evaluation, run, dialogue_run, created) values (?, ?, ?, ?, ?, ?) "
                "on conflict do nothing",
                row,
            )


def jobs_of(study: Study) -> list[dict[str, Any]]:
    """The rows of a study's jobs: what was trained and evaluated"""
    return study.store.rows("select * from study_jobs where study = ? order by created, system", [study.id])
