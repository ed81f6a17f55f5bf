"""What an experiment has done so far, in the store: its settings, and the run and dialogue run of each arm and seed.

A fine-tune is known by the folder that it trains into and an evaluation by its run, so a process that was killed between doing
something and noting it loses nothing. Knows nothing of what the arms are.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lima.run import now

if TYPE_CHECKING:
    from lima.store import Store


class Ledger:
    """The rows of one experiment, a study as the tables call it"""

    def __init__(self, store: Store, study: str) -> None:
        self.store, self.study = store, study

    def begin(self, folder: Path, settings: dict[str, Any]) -> None:
        """A new experiment, or an old one that goes on"""
        with self.store.write() as db:
            db.execute(
                "insert into village_studies (id, created, status, seconds, folder, settings) values (?, ?, 'running', 0, ?, ?) "
                "on conflict (id) do update set status = excluded.status, settings = excluded.settings",
                [self.study, now(), str(folder), json.dumps(settings)],
            )

    def mark(self, status: str, seconds: float) -> None:
        """How it ended (done, interrupted, failed), and after how long"""
        with self.store.write() as db:
            db.execute(
                "update village_studies set status = ?, seconds = seconds + ? where id = ?",
                [status, seconds, self.study],
            )

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
        """What came of one part of a job"""
        with self.store.write() as db:
            db["village_study_results"].insert(
                {
                    "study": self.study,
                    "arm": arm,
                    "seed": seed,
                    "evaluation": evaluation,
                    "epoch": epoch,
                    "run": run,
                    "dialogue_run": dialogue_run,
                    "value": value,
                    "created": now(),
                },
                replace=True,
            )

    def run_of(self, folder: str) -> dict[str, Any] | None:
        """The newest run that trains into a folder; None without one, and for a finished one whose folder is gone"""
        rows = self.store.rows(
            "select id, status from runs where folder = ? order by status = 'done' desc, created desc limit 1",
            [folder],
        )
        gone = rows and rows[0]["status"] == "done" and not (Path(folder) / "config.json").is_file()
        return None if not rows or gone else rows[0]

    def dialogue_run_of(
        self, evaluation: str, model: str, arm: str, run: str | None, seeds: Sequence[int]
    ) -> dict[str, Any] | None:
        """Id and status of the dialogue run of an evaluation, begun or done, by the run that it is of, since the study began"""
        from lima_dialogue_eval.log import begun_since

        began = self.store.rows("select created from village_studies where id = ?", [self.study])[0]["created"]
        return begun_since(
            self.store, began, evaluation=evaluation, model=model, arm=arm, run=run, seeds=json.dumps(list(seeds))
        )

    def is_noted(self, arm: str, seed: int, evaluation: str, epoch: int) -> bool:
        """Whether something came of this part already"""
        sql = "select 1 from village_study_results where study = ? and arm = ? and seed = ? and evaluation = ? and epoch = ?"
        return bool(self.store.rows(sql, [self.study, arm, seed, evaluation, epoch]))

    def results(self) -> list[dict[str, Any]]:
        """What is noted, a row for each fine-tune and each evaluation"""
        return self.store.rows(
            "select * from village_study_results where study = ? order by arm, seed, evaluation, epoch", [self.study]
        )
