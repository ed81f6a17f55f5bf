"""What lima-chat keeps in the store: how many turns each conversation of a run has and how many are trained, and recorded talks.

Knows nothing of the core's tables but the run's id.
"""

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING

from sqlite_utils import Database, Migrations

from lima import Store, append_only
from lima_chat.conversation import Conversation

if TYPE_CHECKING:
    from lima import Record, Run

migrations = Migrations("lima-chat")


@migrations()
def m001_conversations(db: Database) -> None:
    db.table("conversations_trained").create(
        {
            "run": str,
            "position": int,
            "source": str,
            "example": str,
            "hash": str,
            "turns": int,
            "trained_turns": int,
        },
        pk=("run", "position"),
        foreign_keys=[("run", "runs", "id")],
    )


@migrations()
def m002_talks(db: Database) -> None:
    db.table("talks").create(
        {"id": str, "created": str, "model": str, "system": str, "sampling": str, "seed": int},
        pk="id",
    )
    db.table("talk_replies").create(
        {
            "id": int,
            "talk": str,
            "exchange": int,  # counted from 1
            "attempt": int,  # how often it was asked for again
            "created": str,
            "user": str,
            "reply": str,
            "thoughts": str,
            "stop": str,  # as the model says it, or 'stopped' by the person
            "seconds": float,
        },
        pk="id",
        foreign_keys=[("talk", "talks", "id")],
    )
    db.table("talk_undone").create(
        {"reply": int, "created": str}, pk="reply", foreign_keys=[("reply", "talk_replies", "id")]
    )
    for table in ("talks", "talk_replies", "talk_undone"):
        append_only(db, table)
    db.create_view(
        "talk_exchanges",
        """
        select talks.model, said.talk, said.exchange, said.user, said.reply, said.stop, said.created
        from talk_replies said join talks on talks.id = said.talk
        where said.id not in (select reply from talk_undone) order by said.talk, said.exchange
        """,
    )


def note_conversations(run: "Run", examples: "Sequence[Record]") -> None:
    """A row for each conversation that a run trains on, as it came from its source (the core says what was cut)"""
    rows = (
        {
            "run": run.id,
            "position": position,
            "source": example.source,
            "example": example.id,
            "hash": example.content_hash,
            "turns": len(example.turns),
            "trained_turns": len(example.trained_turns),
        }
        for position, example in enumerate(examples)
        if isinstance(example, Conversation)
    )
    while some := list(islice(rows, AT_ONCE)):
        with Store(run.database) as store, store.write() as db:
            # A resumed run begins with the same conversations again.
            db.table("conversations_trained").insert_all(some, replace=True)


AT_ONCE = 10_000
"Conversations that are written in one transaction"
