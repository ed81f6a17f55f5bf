"""What an experiment has done so far, in the store: its settings, and the run and the measurement of each job.

A model is known by its folder and a measurement by an id that is chosen before it is written, so that a process that is killed
between doing something and noting it loses nothing. Knows nothing of what a job does.
"""

import json
from pathlib import Path
from typing import Any

from lima import Store, new_run_id, now
from lima_effect.experiment import Experiment, Job


class Ledger:
    """The rows of one experiment"""

    def __init__(self, store: Store, experiment: Experiment) -> None:
        self.store, self.experiment = store, experiment

    def begin(self) -> None:
        """Record a new experiment, or that it is continued"""
        asked = self.experiment.asked
        with self.store.write() as db:
            db.execute(
                "insert into effect_experiments (id, created, status, seconds, processor, seeds, settings) "
                "values (?, ?, 'running', 0, 0, ?, ?) "
                "on conflict (id) do update set status = 'running', seeds = max(seeds, excluded.seeds)",
                [self.experiment.id, now(), asked.seeds, json.dumps(self.experiment.settings)],
            )

    def mark(self, status: str) -> None:
        """Record how it ended: done, interrupted, failed"""
        with self.store.write() as db:
            db.execute("update effect_experiments set status = ? where id = ?", [status, self.experiment.id])

    def spend(self, seconds: float, processor: float) -> None:
        """Add the time that a job took, on the clock and of the processor"""
        sql = "update effect_experiments set seconds = seconds + ?, processor = processor + ? where id = ?"
        with self.store.write() as db:
            db.execute(sql, [seconds, processor, self.experiment.id])

    def row(self) -> dict[str, Any]:
        """The experiment's row"""
        return self.store.rows("select * from effect_experiments where id = ?", [self.experiment.id])[0]

    def measured(self) -> dict[Job, dict[str, Any]]:
        """The jobs that are done, in the order of `Experiment.jobs`, each with its row"""
        sql = "select jobs.* from effect_jobs jobs join gain_runs on gain_runs.id = jobs.gain_run where jobs.experiment = ?"
        rows = {Job(r["arm"], r["fold"], r["seed"]): r for r in self.store.rows(sql, [self.experiment.id])}
        return {job: rows[job] for job in self.experiment.jobs() if job in rows}

    def measurement(self, job: Job, run: str | None) -> str:
        """The id under which a job's gain is to be written: the noted one, or a new one, which is noted"""
        where = "experiment = ? and arm = ? and fold = ? and seed = ?"
        key = [self.experiment.id, job.arm, job.fold, job.seed]
        with self.store.write() as db:
            db.execute(
                "insert into effect_jobs (experiment, arm, fold, seed, gain_run, created) values (?, ?, ?, ?, ?, ?) "
                "on conflict do nothing",
                [*key, new_run_id(), now()],
            )
            db.execute(f"update effect_jobs set run = ? where {where}", [run, *key])
        return str(self.store.rows(f"select gain_run from effect_jobs where {where}", key)[0]["gain_run"])

    def run_of(self, folder: Path) -> dict[str, Any] | None:
        """The newest run that trains into a folder, one that is done first; None for a finished one whose model is missing"""
        runs = self.store.runs(folder=str(folder))
        newest = max(runs, key=lambda row: (row["status"] == "done", row["created"]), default=None)
        missing = newest and newest["status"] == "done" and not (folder / "config.json").is_file()
        return None if missing else newest
