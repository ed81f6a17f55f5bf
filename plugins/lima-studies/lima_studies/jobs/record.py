"""What a study has done so far: which run, dialogue run or number is that of an arm, a seed, an evaluation and an epoch.

Rows are only added, and the newest counts, as where a model that was lost is trained again. Knows nothing of how a job is done.
"""

from typing import Any

from lima import Store, now

_NEWEST = "select max(id) from study_jobs where study = :study group by arm, seed, evaluation, epoch"


class Ledger:
    """The rows of one study"""

    def __init__(self, store: Store, study: str) -> None:
        self.store, self.study = store, study

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
        """Record what became of one part of a job, unless that is what is recorded; without an evaluation it is the fine-tune"""
        key: dict[str, Any] = {"study": self.study, "arm": arm, "seed": seed, "evaluation": evaluation, "epoch": epoch}
        found = {"run": run, "dialogue_run": dialogue_run, "value": value}
        where = " and ".join(f"{column} = :{column}" for column in key)
        with self.store.write() as db:
            newest = next(db.query(f"select * from study_jobs where {where} order by id desc limit 1", key), None)
            if newest is None or any(newest[column] != value for column, value in found.items()):
                db.table("study_jobs").insert({**key, **found, "created": now()})

    def results(self) -> list[dict[str, Any]]:
        """A row for each fine-tune, evaluation and number that is done"""
        sql = f"select * from study_jobs where id in ({_NEWEST}) order by arm, seed, evaluation, epoch"
        return self.store.rows(sql, {"study": self.study})

    def noted(self, arm: str, seed: int) -> dict[tuple[str, int], dict[str, Any]]:
        """The rows of one job, by evaluation and epoch"""
        rows = [row for row in self.results() if (row["arm"], row["seed"]) == (arm, seed)]
        return {(row["evaluation"], row["epoch"]): row for row in rows}

    def replies(self) -> list[dict[str, Any]]:
        """Every graded reply of its dialogue runs, by arm, evaluation, epoch, conversation, fine-tune, sample and turn"""
        sql = f"""select jobs.arm, jobs.seed, jobs.epoch, replies.evaluation, replies.conversation, replies.seed as sample,
              replies.turn, replies.kind, replies.grade
            from study_jobs jobs join dialogue_replies replies on replies.dialogue_run = jobs.dialogue_run
            where jobs.id in ({_NEWEST})
            order by jobs.arm, replies.evaluation, jobs.epoch, replies.conversation, jobs.seed, sample, replies.turn"""
        return self.store.rows(sql, {"study": self.study})
