"""The tables of the experiments, called studies here: their settings, and which runs belong to which arm and seed.

This module does not know who writes the rows or what the numbers mean.
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
