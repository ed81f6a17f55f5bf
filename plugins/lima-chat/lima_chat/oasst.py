"""A source that reads Open Assistant's message trees: the best-ranked path of each tree is a conversation.

Reads flat messages with the ids of their parents, under the names of the seed files or of the published tables, and whole trees
with nested replies. Knows nothing of languages, labels or emoji.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lima import LimaError, Record
from lima_chat.conversation import Turn
from lima_chat.rows import Reading, Row, kind_of, licence_of, rows, text_of

IDS = ("message_id", "user_message_id")
PARENTS = ("parent_id", "parent_message_id")
ROLES = {"prompter": "user", "user": "user", "assistant": "assistant"}


@dataclass
class Message:
    """One message of a tree"""

    row: Row
    id: str
    parent: str | None
    turn: Turn
    rank: float
    "0 is the best; unranked messages come last"
    usable: bool
    "Neither deleted nor rejected by reviewers"
    replies: list["Message"] = field(default_factory=list)
    depth: int = 1
    "Messages on the longest path down from here"


class Oasst:
    """Open Assistant's trees"""

    name = "oasst"
    description = (
        "JSON or JSONL, Open Assistant's messages with parent ids, or nested trees: the best-ranked path of each"
    )
    licence = "the file's own (Open Assistant: Apache-2.0)"

    def recognises(self, row: Any) -> bool:
        if not isinstance(row, dict):
            return False
        nested = isinstance(row.get("prompt"), dict) and "replies" in row["prompt"]
        return nested or (row.get("role") in ROLES and "text" in row and any(p in row for p in PARENTS))

    def examples(self, argument: str | None) -> Iterator[Record]:
        """A record for each tree that has an answer, in the order of the file"""
        if not argument:
            raise LimaError("The source 'oasst' reads a file: write it as oasst:FILE.")
        reading = Reading(argument)
        for root in _trees([m for row in rows(argument) for m in _messages(row)], reading):
            path = _best_path(root)
            if not any(m.turn.role == "assistant" for m in path):
                reading.note(root.row, "a tree without an answer was left out")
                continue
            turns = [m.turn for m in path]
            yield reading.record(
                root.row, turns, name=root.id, licence=licence_of(root.row), origin=f"to {path[-1].id}"
            )
        reading.say()


def _messages(row: Row) -> Iterator[Message]:
    """The messages of one row, which is a message or a whole tree"""
    if not isinstance(row.value, dict):
        raise row.wrong(f"expected a message of Open Assistant, found {kind_of(row.value)}.")
    if not isinstance(row.value.get("prompt"), dict):
        yield _message(row, row.value, next((row.value[p] for p in PARENTS if row.value.get(p) is not None), None))
        return
    waiting: list[tuple[dict[str, Any], str | None]] = [(row.value["prompt"], None)]
    while waiting:
        value, parent = waiting.pop(0)
        message = _message(row, value, parent)
        yield message
        replies = value.get("replies") or []
        if not isinstance(replies, list) or not all(isinstance(r, dict) for r in replies):
            raise row.wrong(f"the replies to message {message.id!r} are not a list of objects.")
        waiting += [(reply, message.id) for reply in replies]


def _message(row: Row, value: dict[str, Any], parent: Any) -> Message:
    own = next((value[k] for k in IDS if value.get(k) is not None), None)
    if own is None:
        raise row.wrong(
            f"expected a message with {' or '.join(map(repr, IDS))}; its keys are {', '.join(map(repr, value))}."
        )
    role = text_of(row, value, "role", f"message {own!r}")
    if role not in ROLES:
        raise row.wrong(f"message {own!r} has role {role!r}; expected 'prompter' or 'assistant'.")
    rank = value.get("rank")
    return Message(
        row=row,
        id=str(own),
        parent=None if parent is None else str(parent),
        turn=Turn(ROLES[role], text_of(row, value, "text", f"message {own!r}")),
        rank=rank if isinstance(rank, int | float) and not isinstance(rank, bool) else float("inf"),
        usable=not value.get("deleted") and value.get("review_result") is not False,
    )


def _trees(messages: list[Message], reading: Reading) -> list[Message]:
    """The usable roots with their replies below them; LimaError for a missing parent, an id given twice, or a circle"""
    by_id: dict[str, Message] = {}
    for message in messages:
        if message.id in by_id:
            raise message.row.wrong(f"message {message.id!r} is there already, in {by_id[message.id].row.where}.")
        by_id[message.id] = message
    for message in messages:
        if message.parent is not None:
            if message.parent not in by_id:
                raise message.row.wrong(
                    f"message {message.id!r} answers {message.parent!r}, which is not in the file. Add it, or leave both out."
                )
            parent = by_id[message.parent]
            parent.replies.append(message)
            if parent.turn.role == message.turn.role:
                message.usable = False
                reading.note(message.row, f"a reply of the {message.turn.role} to the {parent.turn.role} was left out")
    roots = [m for m in messages if m.parent is None]
    order = list(roots)
    for message in order:  # grows while it is walked: parents before children
        order += message.replies
    if len(order) < len(messages):
        reached = {m.id for m in order}
        lost = next(m for m in messages if m.id not in reached)
        raise lost.row.wrong(f"message {lost.id!r} answers itself by way of its parents. Correct their ids.")
    for message in reversed(order):
        message.depth = 1 + max((r.depth for r in message.replies if r.usable), default=0)
    return [r for r in roots if r.usable]


def _best_path(root: Message) -> list[Message]:
    """Follow the best-ranked usable reply each time; among equals the one with most below it, then the first"""
    path = [root]
    while usable := [r for r in path[-1].replies if r.usable]:
        path.append(min(usable, key=lambda r: (r.rank, -r.depth)))
    return path
