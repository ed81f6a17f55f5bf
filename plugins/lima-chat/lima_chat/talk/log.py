"""Talks in the database, where that was asked for: every reply when it is there; what was taken back is marked, not deleted.

Knows nothing of terminals.
"""

import json
from dataclasses import asdict
from typing import Protocol

from lima import Store, now
from lima_chat.talk.talk import Exchange, Talk


class Log(Protocol):
    """What hears of a talk"""

    def said(self, talk: Talk, exchange: Exchange) -> None:
        """An exchange that stays"""

    def undone(self, talk: Talk) -> None:
        """The last exchange was taken back"""


class Nothing:
    """Keeps nothing"""

    def said(self, talk: Talk, exchange: Exchange) -> None: ...
    def undone(self, talk: Talk) -> None: ...


class StoreLog:
    """Keeps a talk in the database"""

    def __init__(self, store: Store) -> None:
        self.store, self.rows = store, dict[str, list[int]]()
        "The rows of each talk's exchanges"

    def _begin(self, talk: Talk) -> None:
        with self.store.write() as db:
            db.table("talks").insert(
                {
                    "id": talk.id,
                    "created": now(),
                    "model": str(talk.model.name),
                    "system": talk.system,
                    "sampling": json.dumps(asdict(talk.sampling)),
                    "seed": talk.seed,
                }
            )
        self.rows[talk.id] = []

    def said(self, talk: Talk, exchange: Exchange) -> None:
        """An exchange that stays"""
        if talk.id not in self.rows:
            self._begin(talk)
        reply = exchange.reply
        with self.store.write() as db:
            row = db.table("talk_replies").insert(
                {
                    "talk": talk.id,
                    "exchange": len(talk.exchanges),
                    "attempt": exchange.attempt,
                    "created": now(),
                    "user": exchange.user,
                    "reply": reply.text,
                    "thoughts": reply.thoughts,
                    "stop": reply.stop,
                    "seconds": reply.seconds,
                }
            )
        self.rows[talk.id].append(int(row.last_pk))

    def undone(self, talk: Talk) -> None:
        """The last exchange was taken back"""
        if self.rows.get(talk.id):
            with self.store.write() as db:
                db.table("talk_undone").insert({"reply": self.rows[talk.id].pop(), "created": now()})
