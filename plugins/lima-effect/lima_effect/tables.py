"""The tables of `lima effect`: experiments, and which run and measurement belong to which arm, fold and seed.

Knows nothing of who writes the rows or what the numbers mean.
"""

from sqlite_utils import Database, Migrations

migrations = Migrations("lima-effect")


@migrations()
def m001_experiments(db: Database) -> None:
    db.table("effect_experiments").create(
        {
            "id": str,
            "created": str,
            "status": str,  # running, done, interrupted, failed
            "seconds": float,  # that its jobs took; of one that was killed only what was done in the end
            "processor": float,  # seconds of processor time, all cores
            "seeds": int,
            "settings": str,
        },
        pk="id",
    )
    db.table("effect_jobs").create(
        {
            "experiment": str,
            "arm": str,
            "fold": int,  # from 1
            "seed": int,
            "run": str,  # of the core's table runs; empty for the base
            "gain_run": str,  # not a foreign key: it is named before it is measured, and there when it is done
            "created": str,
        },
        pk=("experiment", "arm", "fold", "seed"),
        foreign_keys=[("experiment", "effect_experiments", "id")],
    )
    db.create_view(
        "effect_summary",
        """
        select experiment, arm, count(*) as conversations, avg(true_history) as true_history, avg(over_none) as over_none,
          avg(over_other) as over_other
        from (
          select jobs.experiment, jobs.arm, answers.conversation, avg(answers."true") as true_history,
            avg(answers."true" - answers.none) as over_none, avg(answers."true" - answers.other) as over_other
          from effect_jobs jobs join gain_answers answers on answers.gain_run = jobs.gain_run
          group by jobs.experiment, jobs.arm, answers.conversation)
        group by experiment, arm
        """,
    )
