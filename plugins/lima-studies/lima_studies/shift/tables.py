"""The table of token shifts: a row a token. It continues the plugin's own set of migrations; append-only. Knows nothing of who
writes it.
"""

from sqlite_utils import Database

from lima import append_only
from lima_studies.grids.tables import migrations as migrations


@migrations()
def t001_tokens(db: Database) -> None:
    """Where a base ranks each token of a fine-tune's reply"""
    db.table("study_tokens").create(
        {
            "study": str,
            "prompt": str,
            "position": int,  # in the reply, from 1
            "token": int,  # its id
            "text": str,  # what it adds to the reply
            "rank": int,  # by the base, 1 is the likeliest
            "nats": float,  # its log-likelihood by the base
            "first": str,  # the base's likeliest token
        },
        pk=("study", "prompt", "position"),
        foreign_keys=[("study", "studies", "id")],
    )
    append_only(db, "study_tokens")
