"""Recorded talks as conversations: what a person and a model said to each other, with the model's name.

Knows nothing of what they are used for.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from lima import Credit, LimaError, Record, Refused, Store
from lima_chat.conversation import Conversation, Turn
from lima_chat.talk.talk import STOPPED

SOURCE = "lima chat"
_CUT = ("length", "context", STOPPED)
"The `stop` of replies that did not end by themselves"


def recorded_talks(store: Store, ids: Sequence[str] = ()) -> Iterator[Record | Refused]:
    """The talks of `lima chat --record`, oldest first, or those of these ids; LimaError for an id that is none

    What was taken back and the model's thoughts are left out. A talk with nothing to learn from is refused."""
    rows = store.rows("select * from talks order by created, id")
    if ids:
        wanted = {store.find("talks", one, "talk", "`lima chat MODEL --record` makes them.")["id"] for one in ids}
        rows = [row for row in rows if row["id"] in wanted]
    said = store.rows(
        "select talk, user, reply, stop from talk_replies where id not in (select reply from talk_undone) "
        "order by talk, exchange, id"
    )
    exchanges = {talk: list(of_one) for talk, of_one in groupby(said, lambda row: row["talk"])}
    for row in rows:
        try:
            yield _conversation(row, exchanges.get(row["id"], []))
        except LimaError as e:
            yield Refused(f"talk {row['id']}", f"there is nothing to learn from: {e}", fault=False)


def _conversation(talk: dict[str, Any], exchanges: list[dict[str, Any]]) -> Conversation:
    turns = [Turn("system", talk["system"])] if talk["system"] else []
    for one in exchanges:
        turns += [Turn("user", one["user"]), Turn("assistant", one["reply"])]
    cut = [str(number) for number, one in enumerate(exchanges, 1) if one["stop"] in _CUT]
    remark = f"; cut off: repl{'ies' if cut[1:] else 'y'} {', '.join(cut)}" if cut else ""
    date = str(talk["created"])[:10]
    return Conversation(
        id=talk["id"], source=SOURCE, licence=f"not stated: the replies are by {talk['model']}",
        provenance=f"lima chat {talk['id']}, {date}, with {talk['model']}{remark}",
        credits=(Credit(author=talk["model"], part="replies of the model", written=date),), turns=tuple(turns),
    )  # fmt: skip
