"""A person at work on a curation: which candidates are theirs, what stands of each, and events as they come.

An event that comes again adds nothing, and one from a page that does not show what stands is refused. Knows nothing of pages.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from sqlite_utils import Database

from lima import LimaError, Store, now
from lima_curate.desk.examples.editing import TEXT, Turns, edited, problem
from lima_curate.desk.examples.events import (
    ACCEPT,
    EDITS,
    REJECT,
    SETTLE,
    STATUSES,
    UNDECIDED,
    UNDO,
    Event,
    State,
    fold,
)
from lima_curate.desk.record.curations import Candidate, Curation, add_blank, read_candidate

ALL = "all"
SHOWS = (ALL, "decided", *STATUSES)
"What can be asked to be shown"
_SAID = f"'{TEXT}', '{REJECT}'"
"The kinds of events in which a person wrote something"
_OTHER_PAGE = "This example was changed elsewhere, and is shown as it stands now. Do it again, if it is still right."


class Desk:
    """One person of one curation"""

    def __init__(self, store: Store, curation: Curation, person: str) -> None:
        self.store, self.curation, self.person = store, curation, person
        if person not in curation.people:
            raise LimaError(
                f"{person!r} is not one of the people of {curation.name}. They are: {', '.join(curation.people)}."
            )
        store.db.conn.create_function("lima_folded", 1, str.casefold, deterministic=True)

    def statuses(self) -> dict[int, str]:
        """The status of each of the person's candidates by its number, in order"""
        rows = self.store.rows(
            "select candidate, event, kind, case kind when :undo then value end as value from curation_events "
            "where curation = :curation and person = :person order by id",
            self._mine(undo=UNDO),
        )
        events: dict[int, list[Event]] = {}
        for row in rows:
            value = json.loads(row["value"]) if row["value"] else {}
            events.setdefault(row["candidate"], []).append(Event(row["event"], row["candidate"], row["kind"], value))
        return {number: fold(events.get(number, ())).status for number in self._numbers()}

    def listed(self, show: str = ALL, search: str = "") -> dict[int, str]:
        """Those whose status is asked for and whose text, source or id, as they were or were edited, has the words"""
        if show not in SHOWS:
            raise LimaError(f"There is nothing to show as {show!r}. Known: {', '.join(SHOWS)}.")
        return self.chosen(self.statuses(), show, search)

    def chosen(self, statuses: dict[int, str], show: str, search: str) -> dict[int, str]:
        """The same of statuses that were read before"""
        found = set(self._numbers(search)) if search else None
        return {
            number: status
            for number, status in statuses.items()
            if (show in (ALL, status) or (show == "decided" and status != UNDECIDED))
            and (found is None or number in found)
        }

    def progress(self) -> Counter[str]:
        """How many of the person's candidates have each status"""
        return Counter(self.statuses().values())

    def candidate(self, number: int) -> Candidate:
        """One of the person's candidates; LimaError for any other number"""
        rows = self.store.rows(
            "select candidates.* from curation_candidates candidates join curation_assigned mine "
            "on mine.curation = candidates.curation and mine.candidate = candidates.number "
            "where mine.curation = :curation and mine.person = :person and mine.candidate = :number",
            self._mine(number=min(number, 2**31)),
        )
        if not rows:
            raise LimaError(f"Candidate {number} of {self.curation.name} is not one of {self.person}'s.")
        return read_candidate(self.store, rows[0])

    def state(self, number: int) -> State:
        """What stands of a candidate for this person"""
        return states_of(self.store, self.curation.name, number).get(self.person, State())

    def turns(self, number: int) -> Turns:
        """A candidate's turns as this person has edited them"""
        return self.state(number).turns(self.candidate(number).turns)

    def next_open(self, number: int, among: Iterable[int] | None = None) -> int | None:
        """The next undecided candidate after this one, from the first again after the last; None where there is no other"""
        return next_undecided(self.statuses(), number, among)

    def last(self) -> int | None:
        """The candidate to which the person did something last"""
        rows = self.store.rows(
            "select candidate from curation_events where curation = :curation and person = :person order by id desc limit 1",
            self._mine(),
        )
        return rows[0]["candidate"] if rows else None

    def write_new(self, event: str) -> int:
        """Begin an example of the person's own; its number"""
        return add_blank(self.store, self.curation, self.person, event)

    def take(self, events: Sequence[Event]) -> dict[str, str]:
        """Write events in their order; for each that is refused, by its id, a sentence that says why

        One that is there already is passed over."""
        refused: dict[str, str] = {}
        with self.store.write() as db:
            for event in events:
                try:
                    self._take(db, event)
                except LimaError as e:
                    refused[event.id] = str(e)
        return refused

    def _take(self, db: Database, event: Event) -> None:
        if there(self.store, self.curation.name, event, self.person):
            return
        candidate, state = self.candidate(event.candidate), self.state(event.candidate)
        if event.seen != state.count:
            raise LimaError(_OTHER_PAGE)
        if event.kind == SETTLE:
            raise LimaError("Only the coordinator settles.")
        if event.kind == UNDO and (not state.kept or state.kept[-1].id != event.value["event"]):
            raise LimaError("What should be undone is not the last thing that was done here.")
        if event.kind in EDITS:
            edited(state.turns(candidate.turns), event.kind, event.value)
        if event.kind == ACCEPT and (wrong := problem(state.turns(candidate.turns))):
            raise LimaError(f"It cannot be accepted yet: {wrong[:1].lower()}{wrong[1:]}")
        write(db, self.curation.name, self.person, event)

    def _numbers(self, search: str = "") -> list[int]:
        """The person's candidates, or those that have the words"""
        has = "instr(lima_folded(atom), :search)"
        words = "" if not search else (
            f" and (instr(lima_folded(candidates.source), :search) "
            f"or exists (select 1 from json_tree(nullif(candidates.record, '')) where type = 'text' and {has}) "
            "or exists (select 1 from curation_events events, json_each(events.value) where events.curation = mine.curation "
            f"and events.person = mine.person and events.candidate = mine.candidate and kind in ({_SAID}) "
            f"and json_each.type = 'text' and {has}))"
        )  # fmt: skip
        rows = self.store.rows(
            "select mine.candidate from curation_assigned mine join curation_candidates candidates "
            "on candidates.curation = mine.curation and candidates.number = mine.candidate "
            f"where mine.curation = :curation and mine.person = :person{words} order by mine.candidate",
            self._mine(search=search.casefold()),
        )
        return [row["candidate"] for row in rows]

    def _mine(self, **more: Any) -> dict[str, Any]:
        return {"curation": self.curation.name, "person": self.person} | more


def next_undecided(statuses: dict[int, str], number: int, among: Iterable[int] | None = None) -> int | None:
    """The next undecided one of these statuses, or of some of them, after a number, from the first again after the last"""
    places = [n for n in (statuses if among is None else among) if statuses[n] == UNDECIDED and n != number]
    return min(places, key=lambda n: (n < number, n), default=None)


def states_of(store: Store, curation: str, number: int) -> dict[str, State]:
    """What stands of a candidate for each person who did something, the coordinator as ''"""
    rows = store.rows(
        "select person, event, candidate, kind, value, created from curation_events "
        "where curation = ? and candidate = ? order by id",
        [curation, min(number, 2**31)],
    )
    return folded(rows)


def folded(rows: Iterable[dict[str, Any]]) -> dict[str, State]:
    """What stands of the rows of one candidate's events, in order, for each person"""
    events: dict[str, list[Event]] = {}
    for row in rows:
        value = json.loads(row["value"])
        one = Event(row["event"], row["candidate"], row["kind"], value, created=row["created"])
        events.setdefault(row["person"], []).append(one)
    return {person: fold(own) for person, own in events.items()}


def there(store: Store, curation: str, event: Event, person: str) -> bool:
    """Whether an event is written already; LimaError where another person's has its id"""
    rows = store.rows("select person from curation_events where curation = ? and event = ?", [curation, event.id])
    if rows and rows[0]["person"] != person:
        raise LimaError("Another person's event has this id. Reload the page.")
    return bool(rows)


def write(db: Database, curation: str, person: str, event: Event) -> None:
    """Add an event that was checked"""
    row = {"curation": curation, "candidate": event.candidate, "person": person, "event": event.id}
    db.table("curation_events").insert(row | {"kind": event.kind, "value": event.json, "created": now()})
