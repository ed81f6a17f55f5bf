"""A rater at work: which conversations are theirs, what stands of each, and events as they come, each written with its grade.

An event and the rows that follow from it are one transaction; an event that comes again adds nothing. Knows nothing of pages.
"""

import json
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from sqlite_utils import Database

from lima import GRADED, LimaError, Store, now
from lima_dialogue_eval.conversation.grade import PEOPLE
from lima_dialogue_eval.people.events import (
    CANNOT_JUDGE,
    COMMENT,
    GRADE,
    LEFT,
    NAMED,
    NEITHER,
    PREFER,
    TICK,
    UNDO,
    WITHDRAWN,
    Cell,
    CellState,
    Event,
    State,
    fold,
)
from lima_dialogue_eval.people.studies import Study
from lima_dialogue_eval.people.talks import Item, Talk, read_talk, two_sided
from lima_dialogue_eval.record.people import ADJUDICATED

LARGEST = 2**31
"Of numbers from a page: SQLite holds no more than eight bytes"


class Grading:
    """One rater of one study; the rater `adjudicated` settles what others disagree on"""

    def __init__(self, store: Store, study: Study, rater: str) -> None:
        self.store, self.study, self.rater = store, study, rater
        if rater != ADJUDICATED and rater not in study.plan.raters:
            raise LimaError(
                f"{rater!r} is not a rater of study {study.id}. Its raters: {', '.join(study.plan.raters)}."
            )

    def items(self) -> list[Item]:
        """The rater's conversations in their order; of `adjudicated` all, as the first rater of each saw them"""
        mine = "rater = :rater" if self.rater != ADJUDICATED else "true"
        rows = self.store.rows(
            f"select * from grading_items where study = :study and {mine} order by place, rowid",
            {"study": self.study.id, "rater": self.rater},
        )
        first = {row["item"]: row for row in reversed(rows)}
        return [_decoded(row) for row in rows if first[row["item"]] is row]

    def item(self, number: int) -> Item:
        """One conversation by its number in the study; LimaError for one that is not the rater's"""
        mine = "rater = :rater" if self.rater != ADJUDICATED else "true"
        rows = 0 <= number <= LARGEST and self.store.rows(
            f"select * from grading_items where study = :study and item = :item and {mine} order by rowid limit 1",
            {"study": self.study.id, "rater": self.rater, "item": number},
        )
        if not rows:
            raise LimaError(f"Conversation {number} is not one of {self.rater}'s in study {self.study.id}.")
        return _decoded(rows[0])

    def at(self, place: int) -> Item:
        """One conversation by its place in the rater's order"""
        found = 0 <= place <= LARGEST and self.store.rows(
            "select item from grading_items where study = ? and rater = ? and place = ?",
            [self.study.id, self.rater, place],
        )
        if not found:
            raise LimaError(f"Study {self.study.id} has no conversation {place} for {self.rater}.")
        return self.item(found[0]["item"])

    def states(self, item: int | None = None) -> dict[int, State]:
        """What stands of each conversation by its number, or of one; those without an event are left out"""
        rows = self.store.rows(
            "select event, item, turn, side, kind, value from grading_events "
            "where study = :study and rater = :rater and item = coalesce(:item, item) order by id",
            {"study": self.study.id, "rater": self.rater, "item": item},
        )
        events: dict[int, list[Event]] = {}
        for row in rows:
            events.setdefault(row["item"], []).append(Event(row.pop("event"), **row))
        return {number: fold(of_one) for number, of_one in events.items()}

    def state(self, item: Item) -> State:
        """What stands of a conversation"""
        return self.states(item["item"]).get(item["item"], fold(()))

    def talk(self, item: Item) -> Talk:
        """A conversation, as far as the rater may see it"""
        talk = read_talk(self.store, item)
        if self.rater == ADJUDICATED:
            return talk
        reached = self.state(item).reached(item["cells"])
        return replace(talk, turns=tuple(turn for turn in talk.turns if turn.number <= reached))

    def asks_preference(self, item: Item) -> bool:
        return self.study.asks_preference and two_sided(item)

    def done(self, item: Item) -> bool:
        return self.state(item).done(item["cells"], self.asks_preference(item))

    def standing(self) -> list[tuple[Item, State]]:
        """What stands of each of the rater's conversations, in their order"""
        states, none = self.states(), fold(())
        return [(item, states.get(item["item"], none)) for item in self.items()]

    def open_places(self, standing: Iterable[tuple[Item, State]] | None = None) -> list[int]:
        """The places of the conversations that are not done, in order"""
        return [
            item["place"]
            for item, state in (self.standing() if standing is None else standing)
            if not state.done(item["cells"], self.asks_preference(item))
        ]

    def first_open(self) -> int | None:
        """The place of the first conversation that is not done; None where all are"""
        return next(iter(self.open_places()), None)

    def next_open(self, place: int) -> int | None:
        """The place of the next conversation that is not done, from the beginning again after the last; None where all are"""
        return following(self.open_places(), place)

    @property
    def named(self) -> bool:
        """Whether the rater was told which model spoke"""
        where = "study = ? and rater = ? and item = 0 and kind = ?"
        return bool(
            self.store.rows(f"select 1 from grading_events where {where} limit 1", [self.study.id, self.rater, NAMED])
        )

    def name_models(self) -> None:
        """Note that the rater is told which model spoke: what they graded blind stays as it is from now on"""
        if not self.named:
            event = Event(secrets.token_hex(8), 0, 0, LEFT, NAMED, "")
            with self.store.write() as db:
                db.table("grading_events").insert(self._row(event))

    def _row(self, event: Event) -> dict[str, Any]:
        row = {"study": self.study.id, "rater": self.rater, "created": now(), **vars(event), "event": event.id}
        del row["id"]
        return row

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
        there = self.store.rows(
            "select rater from grading_events where study = ? and event = ?", [self.study.id, event.id]
        )
        if there:
            if there[0]["rater"] != self.rater:
                raise LimaError("Another rater's event has this id. Reload the page.")
            return
        item = self.item(event.item)
        before = self.state(item)
        self._check(item, before, event)
        db.table("grading_events").insert(self._row(event))
        self._follow(db, item, before, self.state(item))

    def _check(self, item: Item, state: State, event: Event) -> None:
        """LimaError for an event that cannot be here"""
        cells: list[Cell] = item["cells"]
        if self.rater != ADJUDICATED and self.named:
            raise LimaError("You have seen which model spoke, so what you graded before stays as it is.")
        if event.kind == UNDO:
            rows = self.store.rows(
                "select 1 from grading_events where study = ? and rater = ? and item = ? and event = ? and kind != ?",
                [self.study.id, self.rater, event.item, event.value, UNDO],
            )
            if not rows:
                raise LimaError("What should be undone is not there.")
        elif event.kind == PREFER:
            if not self.asks_preference(item):
                raise LimaError("No dialogue is to be preferred here.")
            if state.open(cells):
                raise LimaError("Grade every reply first; then say which dialogue is better.")
        elif event.kind in (GRADE, COMMENT, TICK):
            if event.cell not in cells:
                raise LimaError(f"Turn {event.turn}, {event.side}, is not to be graded in this conversation.")
            if event.kind == TICK and int(event.value.partition(":")[0]) >= len(self._requirements(item, event.cell)):
                raise LimaError(f"Turn {event.turn}, {event.side}, has no such requirement.")
            if event.turn > state.reached(cells) and self.rater != ADJUDICATED:
                raise LimaError(f"Turn {event.turn} is not shown yet. Grade the replies before it.")

    def _follow(self, db: Database, item: Item, before: State, after: State) -> None:
        """Write what an event changes: grades, grades of known replies, the preferred dialogue"""
        for cell in item["cells"]:
            old, new = before.of(cell), after.of(cell)
            if old == new or (old.grade is None and new.grade is None):
                continue
            if item["known"]:
                self._calibrated(db, item, cell, old, new)
            else:
                db.table("dialogue_grades").insert(self._grade(item, cell, new))
        if before.preferred != after.preferred and not item["known"]:
            db.table("dialogue_preferences").insert(self._preference(item, after.preferred))

    def _grade(self, item: Item, cell: Cell, state: CellState) -> dict[str, Any]:
        turn, side = cell
        judged = state.grade if state.grade != CANNOT_JUDGE else None
        status = GRADED if judged else CANNOT_JUDGE if state.grade else WITHDRAWN
        return {
            "dialogue_run": item["left_run"] if side == LEFT else item["right_run"],
            "conversation": item["conversation"],
            "seed": item["seed"],
            "turn": turn,
            "grader": PEOPLE,
            "rater": self.rater,
            "grade": judged,
            "reason": state.comment,
            "status": status,
            "created": now(),
            "ticks": json.dumps(self._ticks(item, cell, state), ensure_ascii=False),
        }

    def _ticks(self, item: Item, cell: Cell, state: CellState) -> list[dict[str, Any]]:
        """The requirements one by one as a judge's verdict has them; none where the rater ticked none"""
        if not state.ticks:
            return []
        texts = self._requirements(item, cell)
        return [{"requirement": text, "met": state.ticks.get(n), "quote": ""} for n, text in enumerate(texts)]

    def _requirements(self, item: Item, cell: Cell) -> list[str]:
        """What is to be ticked off for a reply"""
        if item["known"]:
            return [one["text"] for one in item["known"][cell[1]]["turns"][cell[0] - 1]["requirements"]]
        run = item["left_run"] if cell[1] == LEFT else item["right_run"]
        rows = self.store.rows(
            "select requirements from dialogue_turns where dialogue_run = ? and conversation = ? and seed = ? and turn = ?",
            [run, item["conversation"], item["seed"], cell[0]],
        )
        return [one["text"] for one in json.loads(rows[0]["requirements"] or "[]")]

    def _calibrated(self, db: Database, item: Item, cell: Cell, old: CellState, new: CellState) -> None:
        known = item["known"][cell[1]]
        if cell[0] == len(known["turns"]) and old.grade != new.grade:
            db.table("grading_calibration").insert(
                {
                    "study": self.study.id,
                    "rater": self.rater,
                    "item": item["item"],
                    "conversation": item["conversation"],
                    "turn": cell[0],
                    "side": cell[1],
                    **{key: known[key] for key in ("kind", "flaw", "known")},
                    "given": new.grade,
                    "created": now(),
                }
            )

    def _preference(self, item: Item, preferred: str | None) -> dict[str, Any]:
        runs = {None: None, NEITHER: "", LEFT: item["left_run"]}
        return {
            "study": self.study.id,
            "rater": self.rater,
            **{key: item[key] for key in ("conversation", "seed", "left_run", "right_run")},
            "preferred": runs.get(preferred, item["right_run"]),
            "created": now(),
        }


def following(places: Iterable[int], place: int) -> int | None:
    """The next of some places after this one, from the beginning again after the last; None where there is no other"""
    return min((p for p in places if p != place), key=lambda p: (p < place, p), default=None)


def _decoded(row: dict[str, Any]) -> Item:
    cells = [(turn, side) for turn, side in json.loads(row["cells"])]
    return {**row, "cells": cells, "known": json.loads(row["known"] or "null")}
