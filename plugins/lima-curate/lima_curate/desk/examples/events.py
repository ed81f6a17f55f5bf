"""What a person did to one candidate, event by event, and what stands after all of them. Knows no database and no page."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lima import LimaError, storable
from lima_curate.desk.examples.editing import EDITS, SPLIT, TEXT, Turns, edited

ACCEPT, REJECT, UNDO, SETTLE = "accept", "reject", "undo", "settle"
UNDECIDED, ACCEPTED, EDITED, REJECTED = "undecided", "accepted", "edited", "rejected"
STATUSES = (UNDECIDED, ACCEPTED, EDITED, REJECTED)
LONGEST, LONGEST_REASON = 400_000, 2_000
"Characters of a turn's text, and of the reason of a rejection"
_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
_KINDS: Mapping[str, Mapping[str, type]] = {
    **{kind: {"turn": int} for kind in EDITS},
    TEXT: {"turn": int, "text": str},
    SPLIT: {"turn": int, "at": int},
    ACCEPT: {},
    REJECT: {"reason": str},
    UNDO: {"event": str},
    SETTLE: {"by": str},
}
"What the value of each kind has"
_DONE = {
    TEXT: ("text rewritten", "texts rewritten"), SPLIT: ("turn split", "turns split"),
    "merge": ("pair of turns merged", "pairs of turns merged"), "delete": ("turn left out", "turns left out"),
    "speaker": ("speaker changed", "speakers changed"), "add": ("turn added", "turns added"),
}  # fmt: skip
"What each edit did, of one and of several"
_NAMES = {ACCEPT: "accepted", REJECT: "rejected", SETTLE: "settled"} | {kind: one for kind, (one, _) in _DONE.items()}


@dataclass(frozen=True)
class Event:
    """One thing that a person did"""

    id: str
    "Made where the key was pressed"
    candidate: int
    kind: str
    value: Mapping[str, Any]
    seen: int = 0
    "How many of the person's events on this candidate its page knew"
    created: str = ""
    "When it was written, ISO 8601"

    def __str__(self) -> str:
        turn = self.value.get("turn")
        return f"{_NAMES[self.kind]}{f' (turn {turn})' if turn else ''}"

    @property
    def json(self) -> str:
        return json.dumps(self.value, ensure_ascii=False)


def read_event(raw: Any) -> Event:
    """An event as a page sent it; LimaError for anything else"""
    fields = {"id": str, "candidate": int, "kind": str, "value": dict, "seen": int}
    if not isinstance(raw, dict) or any(type(raw.get(name)) is not kind for name, kind in fields.items()):
        raise LimaError(f"Not an event of curation: expected an object with {', '.join(fields)}.")
    event, wanted = Event(**{name: raw[name] for name in fields}), _KINDS.get(raw["kind"])
    if not _ID.fullmatch(event.id):
        raise LimaError("An event's id has 8 to 64 letters, digits, - and _.")
    if wanted is None or not 0 < event.candidate < 2**31 or not 0 <= event.seen < 2**31:
        raise LimaError(f"No such event: {event.kind[:40]!r} on candidate {event.candidate}.")
    if event.value.keys() != wanted.keys() or any(type(event.value[name]) is not kind for name, kind in wanted.items()):
        raise LimaError(f"Not an event of the kind {event.kind!r}: expected {', '.join(wanted) or 'nothing'} in it.")
    value = {name: storable(one) if isinstance(one, str) else one for name, one in event.value.items()}
    for name, one in value.items():
        if isinstance(one, int) and not 0 <= one < 2**31:
            raise LimaError(f"{name} is {one}; expected a number of 0 or more.")
        most = LONGEST if name == "text" else LONGEST_REASON
        if isinstance(one, str) and len(one) > most:
            raise LimaError(f"A {name} may have {most:,} characters; this one has {len(one):,}.")
    return Event(event.id, event.candidate, event.kind, value, event.seen)


@dataclass(frozen=True)
class State:
    """What stands of one candidate for one person"""

    kept: tuple[Event, ...] = ()
    "What was done and not undone, in order"
    count: int = 0
    "Of all events"
    touched: str = field(default="", compare=False)
    "When the last event was written"

    @property
    def edits(self) -> tuple[Event, ...]:
        return tuple(event for event in self.kept if event.kind in EDITS)

    @property
    def decision(self) -> Event | None:
        """The last acceptance or rejection, which an edit after it takes back"""
        return self.kept[-1] if self.kept and self.kept[-1].kind in (ACCEPT, REJECT) else None

    @property
    def status(self) -> str:
        """One of STATUSES; edited is accepted after edits"""
        if self.decision is None:
            return UNDECIDED
        return REJECTED if self.decision.kind == REJECT else EDITED if self.edits else ACCEPTED

    @property
    def reason(self) -> str:
        """Why it was rejected, where that was said"""
        return str(self.decision.value.get("reason", "")) if self.decision else ""

    def turns(self, original: Turns) -> Turns:
        """The turns after all edits that stand"""
        for event in self.edits:
            original = edited(original, event.kind, event.value)
        return original

    @property
    def changes(self) -> str:
        """What was changed, in words; empty without an edit"""
        counts = Counter(event.kind for event in self.edits)
        return ", ".join(f"{count} {_DONE[kind][count > 1]}" for kind, count in counts.items())


def fold(events: Iterable[Event]) -> State:
    """What stands after these events, in their order"""
    kept, count, touched = list[Event](), 0, ""
    for event in events:
        count, touched = count + 1, event.created
        if event.kind == UNDO:
            kept = [one for one in kept if one.id != event.value["event"]]
        else:
            kept.append(event)
    return State(tuple(kept), count, touched)
