"""The table of grids: which run, dialogue run or number is a study's job. It continues the plugin's own set of migrations.

Append-only, like all that studies record. Knows nothing of who writes it.
"""

from sqlite_utils import Database

from lima import append_only
from lima_studies.record.tables import migrations as migrations


@migrations()
def g001_jobs(db: Database) -> None:
    """What was trained and evaluated for a study"""
    db.table("study_jobs").create(
        {
            "study": str,
            "system": str,  # as the study calls the job
            "evaluation": str,  # empty: of the fine-tune
            "run": str,  # of the core's table runs; empty where nothing was trained
            "dialogue_run": str,  # of lima-dialogue-eval; empty for the fine-tune
            "created": str,
        },
        pk=("study", "system", "evaluation"),
        foreign_keys=[("study", "studies", "id")],
    )
    append_only(db, "study_jobs")


@migrations()
def g002_arms_seeds_and_epochs(db: Database) -> None:
    """A row for each arm, seed, evaluation and epoch, of which the newest counts, also where it is a number"""
    old = list(db.query("select * from study_jobs order by rowid"))
    db.table("study_jobs").drop()
    db.table("study_jobs").create(
        {
            "id": int,
            "study": str,
            "arm": str,
            "seed": int,  # of the fine-tune; 0 where nothing was trained
            "evaluation": str,  # empty: of the fine-tune; of a measure, what its number is called
            "epoch": int,  # of the checkpoint; 0: the finished model
            "run": str,  # of the core's table runs; null where nothing was trained
            "dialogue_run": str,  # of lima-dialogue-eval
            "value": float,  # of a measure
            "created": str,
        },
        pk="id",
        foreign_keys=[("study", "studies", "id")],
    )
    db.table("study_jobs").create_index(("study", "arm", "seed", "evaluation", "epoch"))
    for row in old:
        arm, comma, seed = row.pop("system").rpartition(", seed ")
        row |= {"arm": arm if comma else seed, "seed": int(seed) if comma else 0, "epoch": 0}
        row |= {key: row[key] or None for key in ("run", "dialogue_run")}
        db.table("study_jobs").insert(row)
    append_only(db, "study_jobs")
