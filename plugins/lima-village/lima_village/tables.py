"""The tables of the studies that earlier versions ran: their settings, and which runs belong to which arm and seed.

They are only read, where a database has them. This module does not know what the numbers mean.
"""

from sqlite_utils import Database, Migrations

migrations = Migrations("lima-village")


@migrations()
def m001_studies(db: Database) -> None:
    db.table("village_studies").create(
        {"id": str, "created": str, "status": str, "seconds": float, "folder": str, "settings": str}, pk="id"
    )
    db.table("village_study_results").create(
        {
            "study": str,
            "arm": str,
            "seed": int,
            "evaluation": str,  # empty for the fine-tune itself
            "epoch": int,  # of the checkpoint that was evaluated; 0 for the finished model
            "run": str,  # not a foreign key: an arm that is not trained has no run
            "dialogue_run": str,
            "value": float,  # of an evaluation that is one number, such as a perplexity
            "created": str,
        },
        pk=("study", "arm", "seed", "evaluation", "epoch"),
        foreign_keys=[("study", "village_studies", "id")],
    )
    db.create_view(
        "village_study_replies",
        """
        select results.study, results.arm, results.seed, results.epoch, replies.evaluation, replies.conversation,
          replies.seed as sample, replies.turn, replies.kind, replies.grade
        from village_study_results results join dialogue_replies replies on replies.dialogue_run = results.dialogue_run
        """,
    )


@migrations()
def m002_begun_by_lima_studies(db: Database) -> None:
    """New studies are in the tables of lima-studies; those that are here stay, to be reported again"""
    if not db.table("village_studies").count:
        db.view("village_study_replies").drop()
        db.table("village_study_results").drop()
        db.table("village_studies").drop()
