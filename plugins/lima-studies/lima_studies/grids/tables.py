"""The table of grids: which run, and which dialogue run, is a study's job. It continues the plugin's own set of migrations.

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
