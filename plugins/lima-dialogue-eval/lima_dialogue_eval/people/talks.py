"""The conversation of an item as a rater reads it, turn by turn and side by side; without anything that says which model spoke.

Knows nothing of who reads it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lima import Store, visible
from lima_dialogue_eval.conversation.grade import ENDED
from lima_dialogue_eval.people.events import LEFT, RIGHT, SIDES

Item = Mapping[str, Any]
"A row of `grading_items` with `cells` and `known` decoded"


@dataclass(frozen=True)
class Side:
    """A turn on one side; all texts are as they may be shown, hidden characters written out"""

    user: str
    reply: str | None
    "None: the model gave none"
    note: str
    "Why the reply is missing, or that it was cut off; else empty"
    requirements: tuple[str, ...]
    kind: str


@dataclass(frozen=True)
class TalkTurn:
    """One exchange"""

    number: int
    sides: Mapping[str, Side]

    @property
    def shared_user(self) -> str | None:
        """What the user says on all sides; None where that differs"""
        said = {side.user for side in self.sides.values()}
        return said.pop() if len(said) == 1 else None


@dataclass(frozen=True)
class Talk:
    """A conversation, on one side or two"""

    topic: str
    system: str
    "What the model was told before the user spoke; empty: nothing, or not known"
    turns: tuple[TalkTurn, ...]


def read_talk(store: Store, item: Item) -> Talk:
    """The conversation of an item"""
    if item["known"]:
        head = next(iter(item["known"].values()))
        sides = {side: {n: _side(row) for n, row in enumerate(of["turns"], 1)} for side, of in item["known"].items()}
    else:
        runs = {side: run for side, run in zip(SIDES, (item["left_run"], item["right_run"]), strict=True) if run}
        sides = {side: _turns(store, run, item) for side, run in runs.items()}
        head = _head(store, runs[LEFT], item)
    numbers = sorted({n for of in sides.values() for n in of})
    # A side that ended early has no turn here: what stands on the other side is shown alone.
    turns = tuple(TalkTurn(n, {side: of[n] for side, of in sides.items() if n in of}) for n in numbers)
    return Talk(visible(head["topic"] or item["conversation"]), visible(head["system"] or ""), turns)


def two_sided(item: Item) -> bool:
    """Whether two dialogues stand side by side"""
    return item["right_run"] is not None or RIGHT in (item["known"] or {})


def _turns(store: Store, run: str, item: Item) -> dict[int, Side]:
    rows = store.rows(
        "select turn, kind, user, requirements, reply, stop, status from dialogue_turns "
        "where dialogue_run = ? and conversation = ? and seed = ? order by turn",
        [run, item["conversation"], item["seed"]],
    )
    return {row["turn"]: _side({**row, "requirements": json.loads(row["requirements"] or "[]")}) for row in rows}


def _side(row: Mapping[str, Any]) -> Side:
    if row["reply"] is None:
        note = f"No reply: {visible(row['status'])}."
    elif row["stop"] is None or row["stop"] in ENDED:
        note = ""
    else:
        note = "The reply was cut off: the model did not end it."
    texts = [f"{one['text']}{'' if one.get('must', True) else ' (optional)'}" for one in row["requirements"]]
    reply = None if row["reply"] is None else visible(row["reply"])
    return Side(visible(row["user"] or ""), reply, note, tuple(map(visible, texts)), visible(row["kind"] or ""))


def _head(store: Store, run: str, item: Item) -> Mapping[str, Any]:
    """Topic and system turn"""
    return store.rows(
        "select topic, system from dialogue_conversations where dialogue_run = ? and conversation = ? and seed = ?",
        [run, item["conversation"], item["seed"]],
    )[0]
