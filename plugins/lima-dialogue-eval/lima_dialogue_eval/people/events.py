"""What a rater did to one conversation, event by event, and what stands after all of them. Knows no database and no page."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lima import GRADES, LimaError, storable

LEFT, RIGHT = "left", "right"
SIDES = (LEFT, RIGHT)
NEITHER = "neither"
CANNOT_JUDGE, WITHDRAWN = "cannot judge", "withdrawn"
NAMED = "named"
"The kind of the event that a rater was told which model spoke; no page sends it, and it is about no conversation: item 0"
GRADE, COMMENT, TICK, PREFER, UNDO = "grade", "comment", "tick", "prefer", "undo"
LONGEST = 10_000
"Characters of a comment"
_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
_VALUES = {
    GRADE: re.compile("|".join((*GRADES, CANNOT_JUDGE))),
    PREFER: re.compile("|".join((*SIDES, NEITHER))),
    TICK: re.compile(r"[0-9]{1,4}:(yes|no)"),
    UNDO: _ID,
    COMMENT: re.compile(rf"(?s).{{0,{LONGEST}}}"),
}
Cell = tuple[int, str]
"A turn, counted from 1, and a side: one reply"


@dataclass(frozen=True)
class Event:
    """One thing that a rater did"""

    id: str
    "Made where the key was pressed"
    item: int
    turn: int
    "0 where it is about the whole conversation"
    side: str
    kind: str
    value: str

    @property
    def cell(self) -> Cell:
        return self.turn, self.side


def read_event(raw: Any) -> Event:
    """An event as a page sent it; LimaError for anything else"""
    fields = {"id": str, "item": int, "turn": int, "side": str, "kind": str, "value": str}
    if not isinstance(raw, dict) or any(type(raw.get(name)) is not kind for name, kind in fields.items()):
        raise LimaError(f"Not an event of grading: expected an object with {', '.join(fields)}.")
    event = Event(**{name: storable(v) if isinstance(v := raw[name], str) else v for name in fields})
    if not _ID.fullmatch(event.id):
        raise LimaError("An event's id has 8 to 64 letters, digits, - and _.")
    if (
        event.kind not in _VALUES
        or event.side not in SIDES
        or not 0 <= event.turn <= 100_000
        or not 0 <= event.item < 2**31
    ):
        raise LimaError(
            f"No such event: {event.kind!r} on turn {event.turn}, side {event.side!r}, of item {event.item}."
        )
    if not _VALUES[event.kind].fullmatch(event.value):
        long = f"A comment may have {LONGEST:,} characters; this one has {len(event.value):,}."
        raise LimaError(long if event.kind == COMMENT else f"No such {event.kind}: {event.value[:80]!r}.")
    return event


@dataclass(frozen=True)
class CellState:
    """What stands of one reply"""

    grade: str | None = None
    "One of GRADES, 'cannot judge', or None"
    comment: str = ""
    ticks: Mapping[int, bool] = field(default_factory=dict)
    "Which requirements were ticked or unticked, by number from 0"


@dataclass(frozen=True)
class State:
    """What stands of one conversation"""

    cells: Mapping[Cell, CellState]
    preferred: str | None
    "left, right, neither, or None"
    graded_once: frozenset[Cell]
    "Replies that had a grade at some time: what came after them has been seen"
    kept: tuple[Event, ...]
    "What was not undone, and can be; the newest last"

    def of(self, cell: Cell) -> CellState:
        return self.cells.get(cell, CellState())

    def reached(self, cells: Sequence[Cell]) -> int:
        """The turn up to which the conversation is shown; 0 where nothing is to be graded"""
        for turn, side in cells:
            if (turn, side) not in self.graded_once:
                return turn
        return max((turn for turn, _ in cells), default=0)

    def open(self, cells: Sequence[Cell]) -> Cell | None:
        """The first reply without a grade; None where all have one"""
        return next((cell for cell in cells if self.of(cell).grade is None), None)

    @property
    def graded(self) -> int:
        """How many replies have a grade, or cannot be judged"""
        return sum(cell.grade is not None for cell in self.cells.values())

    def done(self, cells: Sequence[Cell], asks_preference: bool) -> bool:
        return self.open(cells) is None and (self.preferred is not None or not asks_preference)


def fold(events: Iterable[Event]) -> State:
    """What stands after events in their order; an undone one counts as if it had not been"""
    events = list(events)
    undone = {e.value for e in events if e.kind == UNDO}
    kept = [e for e in events if e.kind != UNDO and e.id not in undone]
    cells: dict[Cell, CellState] = {}
    preferred = None
    for event in kept:
        old = cells.get(event.cell, CellState())
        if event.kind == GRADE:
            cells[event.cell] = CellState(event.value, old.comment, old.ticks)
        elif event.kind == COMMENT:
            cells[event.cell] = CellState(old.grade, event.value, old.ticks)
        elif event.kind == TICK:
            number, _, met = event.value.partition(":")
            cells[event.cell] = CellState(old.grade, old.comment, {**old.ticks, int(number): met == "yes"})
        else:
            preferred = event.value
    once = frozenset(e.cell for e in events if e.kind == GRADE)
    return State(cells, preferred, once, tuple(kept))
