"""What an experiment has done so far, in the store: its settings, and the run and dialogue run of each arm and seed.

A fine-tune is identified by its output folder and an evaluation by its run, so a process that is killed between doing something
and noting it loses nothing. This module does not know what the arms are.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lima import Store, now
from lima_dialogue_eval.record.log import begun_since


class Ledger:
    """The rows of one experiment, which the tables call a study"""

    def __init__(self, store: Store, study: str) -> None:
        self.store, self.study = store, study

    def begin(self, folder: Path, settings: dict[str, Any]) -> None:
        """Record a new experiment, or one that is resumed"""
        with self.store.write() as db:
            db.execute(
                "insert into village_studies (id, created, status, seconds, folder, settings) values (?, ?, 'running', 0, ?, ?) "
                "on conflict (id) do update set status = excluded.status, settings = excluded.settings",
                [self.study, now(), str(folder), json.dumps(settings)],
            )

    def mark(self, status: str, seconds: float) -> None:
        """Record how it ended (done, interrupted, failed), and add the time it took"""
        sql = "update village_studies set status = ?, seconds = seconds + ? where id = ?"
        with self.store.write() as db:
            db.execute(sql, [status, seconds, self.study])

    def note(
        self,
        arm: str,
        seed: int,
        evaluation: str = "",
        epoch: int = 0,
        run: str | None = None,
        dialogue_run: str | None = None,
        value: float | None = None,
    ) -> None:
        """Record the result of one part of a job"""
        row: dict[str, Any] = {
            "study": self.study,
            "arm": arm,
            "seed": seed,
            "evaluation": evaluation,
            "epoch": epoch,
            "run": run,
        }
        row |= {"dialogue_run": dialogue_run, "value": value, "created": now()}
        with self.store.write() as db:
            db.table("village_study_results").insert(row, replace=True)

    def run_of(self, folder: str) -> dict[str, Any] | None:
        """The newest run that trains into a folder, one that is done first; None for a finished run whose model is missing"""
        runs = self.store.runs(folder=folder)
        newest = max(runs, key=lambda row: (row["status"] == "done", row["created"]), default=None)
        missing = newest and newest["status"] == "done" and not (Path(folder) / "config.json").is_file()
        return None if missing else newest

    def dialogue_run_of(
        self, evaluation: str, model: str, arm: str, run: str | None, seeds: Sequence[int]
    ) -> dict[str, Any] | None:
        """Id and status of this evaluation's dialogue run, unfinished or done, since the experiment began"""
        began = self.store.rows("select created from village_studies where id = ?", [self.study])[0]["created"]
        known = {"evaluation": evaluation, "model": model, "arm": arm, "run": run, "seeds": json.dumps(list(seeds))}
        return begun_since(self.store, began, **known)

    def is_noted(self, arm: str, seed: int, evaluation: str, epoch: int) -> bool:
        """Whether this part has a result"""
        sql = "select 1 from village_study_results where study = ? and arm = ? and seed = ? and evaluation = ? and epoch = ?"
        return bool(self.store.rows(sql, [self.study, arm, seed, evaluation, epoch]))

    def results(self) -> list[dict[str, Any]]:
        """A row for each fine-tune and each evaluation that is done"""
        sql = "select * from village_study_results where study = ? order by arm, seed, evaluation, epoch"
        return self.store.rows(sql, [self.study])
