"""A source that reads Open Assistant's message trees: the best-ranked path of each tree is a conversation.

Reads flat messages with the ids of their parents, under the names of the seed files or of the published tables, and whole trees
with nested replies. Knows nothing of languages, labels or emoji.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from lima import Ignored, LimaError, Record, Refused, Row, kind_of, read_rows
from lima_chat.conversation import EvalConversation, Turn
from lima_chat.formats.reading import Left, Options, Reading, licence_of
from lima_chat.formats.recognise import PARENTS, format_of
from lima_chat.formats.scripts import script
from lima_chat.formats.values import text_of, whole_text

IDS = ("message_id", "user_message_id")
_STATES = ("tree_state", "tree_id", "message_tree_id")
_NAMES = "role text replies rank deleted review_result review_count emojis labels synthetic created_date detoxify"
_KEYS = frozenset((*_NAMES.split(), *IDS, *PARENTS, *_STATES))
"What a message has; of these only role, text, rank, deleted, review_result and the ids decide anything"
ROLES = {"prompter": "user", "user": "user", "assistant": "assistant"}
NO = (False, 0, "False", "false", "0")
"How files spell it"
Made = TypeVar("Made", Record, EvalConversation)


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
        "role, text and parent_id (or prompt with replies), Open Assistant's: the best-ranked path of each tree"
    )
    licence = "the file's own (Open Assistant: Apache-2.0)"
    shape = '{"message_id": "…", "parent_id": null, "role": "prompter", "text": "…"}'
    options = Options.NAMES

    def __init__(self, settings: Options | None = None) -> None:
        self.settings = settings or Options()

    def recognises(self, row: Any) -> bool:
        return format_of(row) == self.name

    def with_options(self, values: dict[str, Any]) -> "Oasst":
        return Oasst(Options.of(values))

    def examples(self, argument: str | None) -> Iterator[Record | Refused]:
        """A record for each tree that has an answer, in the order of the file; what is wrong with messages comes first"""

        def make(path: list[Message], reading: Reading) -> Record:
            root, turns = path[0], [m.turn for m in path]
            if not any(t.role == "assistant" for t in turns):
                raise Left("a tree without an answer.")
            origin = f"to {path[-1].id}"
            return reading.record(root.row, turns, name=root.id, licence=licence_of(root.row), origin=origin)

        return self._each(argument, make)

    def scripts(self, argument: str | None) -> Iterator[EvalConversation | Refused]:
        """What the user says on each tree's path, as a conversation to hold with a model"""

        def make(path: list[Message], reading: Reading) -> EvalConversation:
            return script(path[0].row, [m.turn for m in path], reading, path[0].id)

        return self._each(argument, make)

    def _each(self, argument: str | None, make: Callable[[list[Message], Reading], Made]) -> Iterator[Made | Refused]:
        """What is made of the best path of each tree"""
        if not argument:
            raise LimaError("The source 'oasst' reads a file: write it as oasst:FILE.")
        reading, ignored = Reading(argument, self.settings), self.settings.ignored
        messages = list[Message]()
        for row in read_rows(argument):
            try:
                if row.problem:
                    raise LimaError(row.problem)
                messages += list(_messages(replace(row, value=ignored.taken_from(row.value)), ignored))
            except LimaError as e:
                yield Refused(row.where, str(e))
        trees = Trees(messages, reading)
        yield from trees.refused.values()
        for root in trees.roots:
            try:
                yield make(_best_path(root), reading)
            except LimaError as e:
                yield Refused(root.row.where, str(e), fault=not isinstance(e, Left))
        reading.say()


def _messages(row: Row, ignored: Ignored) -> Iterator[Message]:
    """The messages of one row, which is a message or a whole tree"""
    if not isinstance(row.value, dict):
        raise LimaError(f"expected a message of Open Assistant, found {kind_of(row.value)}.")
    if not isinstance(row.value.get("prompt"), dict):
        yield _message(
            row, row.value, next((row.value[p] for p in PARENTS if row.value.get(p) is not None), None), ignored
        )
        return
    ignored.check(row.value, frozenset(("prompt", *_STATES)), "the tree")
    waiting: list[tuple[dict[str, Any], str | None]] = [(row.value["prompt"], None)]
    while waiting:
        value, parent = waiting.pop(0)
        message = _message(row, value, parent, ignored)
        yield message
        replies = value.get("replies") or []
        if not isinstance(replies, list) or not all(isinstance(r, dict) for r in replies):
            raise LimaError(f"the replies to message {message.id!r} are not a list of objects.")
        waiting += [(reply, message.id) for reply in replies]


def _message(row: Row, value: dict[str, Any], parent: Any, ignored: Ignored) -> Message:
    own = next((value[k] for k in IDS if value.get(k) is not None), None)
    if not isinstance(own, str | int):
        raise LimaError(
            f"expected a message with {' or '.join(map(repr, IDS))}; its keys are {', '.join(map(repr, value)) or 'none'}."
        )
    what = f"message {own!r}"
    role = text_of(value, "role", what)
    if role not in ROLES:
        raise LimaError(f"{what} has role {role!r}; expected 'prompter' or 'assistant'.")
    ignored.check(value, _KEYS, what)
    rank = value.get("rank")
    return Message(
        row=row,
        id=whole_text(str(own), "its id"),
        parent=None if parent is None else str(parent),
        turn=Turn(ROLES[role], text_of(value, "text", what)),
        rank=rank if isinstance(rank, int | float) and not isinstance(rank, bool) else float("inf"),
        usable=value.get("deleted") in (None, "", *NO) and value.get("review_result") not in NO,
    )


class Trees:
    """Messages with their replies below them"""

    def __init__(self, messages: list[Message], reading: Reading) -> None:
        self.refused = dict[str, Refused]()
        "By their place: rows with an earlier message's id, a missing parent, and messages below such or in a circle"
        self._by_id: dict[str, Message] = {}
        for message in messages:
            if message.id in self._by_id:
                first = self._by_id[message.id].row.where
                self._refuse(message, f"message {message.id!r} is there already, in {first}.")
            else:
                self._by_id[message.id] = message
        for message in self._by_id.values():
            self._attach(message, reading)
        roots = [m for m in self._by_id.values() if m.parent is None]
        order = list(roots)
        for message in order:  # grows while it is walked: parents before children
            order += message.replies
        reached = {m.id for m in order}
        for message in self._by_id.values():
            if message.id not in reached:
                self._refuse(
                    message, f"message {message.id!r} leads to no first message by its parents. Correct their ids."
                )
        for message in reversed(order):
            message.depth = 1 + max((r.depth for r in message.replies if r.usable), default=0)
        for root in roots:
            if not root.usable:
                self._refuse(root, "a first message that was deleted or rejected.", fault=False)
        self.roots = [r for r in roots if r.row.where not in self.refused]

    def _attach(self, message: Message, reading: Reading) -> None:
        """Put a message below its parent"""
        if message.parent is None:
            return
        if message.parent not in self._by_id:
            why = f"message {message.id!r} answers {message.parent!r}, which is not in the file. Add it, or leave both out."
            self._refuse(message, why)
            return
        parent = self._by_id[message.parent]
        parent.replies.append(message)
        if parent.turn.role == message.turn.role:
            message.usable = False
            reading.note(message.row, f"a reply of the {message.turn.role} to the {parent.turn.role} was left out")

    def _refuse(self, message: Message, reason: str, fault: bool = True) -> None:
        """Once for a row, which may be a whole tree"""
        self.refused.setdefault(message.row.where, Refused(message.row.where, reason, fault))


def _best_path(root: Message) -> list[Message]:
    """Follow the best-ranked usable reply each time; among equals the one with most below it, then the first"""
    path = [root]
    while usable := [r for r in path[-1].replies if r.usable]:
        path.append(min(usable, key=lambda r: (r.rank, -r.depth)))
    return path
