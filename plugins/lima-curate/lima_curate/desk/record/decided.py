"""What counts of a curation: one outcome for each candidate from what its people decided, and the examples that follow from it.

Knows nothing of pages and files.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from lima import Credit, Example, LimaError, Record, Refused, Store, Tally
from lima_chat import Conversation
from lima_curate.dataset import free_id
from lima_curate.desk.examples.editing import Turns
from lima_curate.desk.examples.events import (
    ACCEPTED,
    EDITED,
    REJECTED,
    SETTLE,
    UNDECIDED,
    Event,
    State,
)
from lima_curate.desk.record.curations import Candidate, Curation, read_candidate
from lima_curate.desk.record.person import folded, there, write

DISPUTED = "disputed"
OUTCOMES = (UNDECIDED, ACCEPTED, EDITED, REJECTED, DISPUTED)
COORDINATOR = ""
"As whom events settle a disagreement"
DEFINITION = (
    "An example counts when everybody who has it has decided and all say the same, with the same words; otherwise it is "
    "disputed until the coordinator takes one person's version or rejects it. When one of them changes it after that, it is open "
    "again. All decisions are kept."
)


@dataclass(frozen=True)
class Outcome:
    """What counts of one candidate"""

    candidate: Candidate
    status: str
    "One of OUTCOMES"
    states: dict[str, State]
    "What stands for each person who has it"
    turns: Turns
    "Those that count; of what does not count, the original's"
    by: tuple[str, ...] = ()
    "Whose edits count"
    settled: bool = False
    "Whether the coordinator decided"


def outcomes(store: Store, curation: Curation, number: int | None = None) -> Iterator[Outcome]:
    """What counts of each candidate, in order, or of one"""
    asked = {"curation": curation.name, "number": number}
    sql = "select {} from {} where curation = :curation and candidate = coalesce(:number, candidate) order by candidate, {}"
    people = store.rows(sql.format("candidate, person", "curation_assigned", "rowid"), asked)
    events = store.rows(sql.format("*", "curation_events", "id"), asked)
    done = {one: list(rows) for one, rows in groupby(events, lambda row: row["candidate"])}
    for one, names in groupby(people, lambda row: row["candidate"]):
        row = store.rows("select * from curation_candidates where curation = ? and number = ?", [curation.name, one])[0]
        rows = done.get(one, [])
        settled = max((row["id"] for row in rows if row["person"] == COORDINATOR), default=0)
        newest = max((row["id"] for row in rows if row["person"] != COORDINATOR), default=0)
        who = sorted((name["person"] for name in names), key=curation.people.index)
        yield _outcome(read_candidate(store, row), folded(rows), who, settled > newest)


def outcome(store: Store, curation: Curation, number: int) -> Outcome:
    """What counts of one candidate; LimaError for a number that there is not"""
    found = next(outcomes(store, curation, min(number, 2**31)), None)
    if found is None:
        raise LimaError(f"The curation {curation.name} has no candidate {number}.")
    return found


def _outcome(candidate: Candidate, found: dict[str, State], names: Sequence[str], settled: bool) -> Outcome:
    original, states = candidate.turns, {name: found.get(name, State()) for name in names}
    kept = {name: state.turns(original) for name, state in states.items() if state.status in (ACCEPTED, EDITED)}

    def counts(turns: Turns, by_coordinator: bool = False) -> Outcome:
        by = tuple(name for name, own in kept.items() if own == turns) if turns != original else ()
        return Outcome(candidate, EDITED if by else ACCEPTED, states, turns, by, by_coordinator)

    if settled:
        said = str(found[COORDINATOR].kept[-1].value["by"])
        return counts(kept[said], True) if said else Outcome(candidate, REJECTED, states, original, settled=True)
    if any(state.status == UNDECIDED for state in states.values()):
        return Outcome(candidate, UNDECIDED, states, original)
    if not kept:
        return Outcome(candidate, REJECTED, states, original)
    first = next(iter(kept.values()))
    if len(kept) == len(states) and all(turns == first for turns in kept.values()):
        return counts(first)
    return Outcome(candidate, DISPUTED, states, original)


def settle(store: Store, curation: Curation, event: Event) -> None:
    """The coordinator takes a person's version, or rejects with ''; LimaError where there is nothing to settle"""
    with store.write() as db:
        if there(store, curation.name, event, COORDINATOR):
            return
        found, said = outcome(store, curation, event.candidate), str(event.value["by"])
        if found.status != DISPUTED and not found.settled:
            raise LimaError("On this example nobody disagrees (any more).")
        if event.kind != SETTLE or (said and found.states.get(said, State()).status not in (ACCEPTED, EDITED)):
            raise LimaError(f"{said!r} has no version of this example to take.")
        write(db, curation.name, COORDINATOR, event)


def totals(found: Sequence[Outcome]) -> Counter[str]:
    """How many candidates have each outcome"""
    return Counter(one.status for one in found)


def records(store: Store, curation: Curation) -> Iterator[Record | Refused]:
    """The accepted and edited examples in order, each with an id of its own, and then why the others are not among them"""
    tally, taken = Tally(), set[str]()
    reasons = {UNDECIDED: "not decided yet.", REJECTED: "rejected.", DISPUTED: "people disagree on it."}
    for one in outcomes(store, curation):
        if one.status in reasons:
            why = "; ".join(f"{name}: {state.reason}" for name, state in one.states.items() if state.reason)
            where = f"{curation.name}, candidate {one.candidate.number}"
            tally.add(reasons[one.status], where, f"{reasons[one.status]} {why}".rstrip())
            continue
        record = record_from(one, curation)
        record = replace(record, id=free_id(record.id, taken))
        taken.add(record.id)
        yield record
    yield from tally.refused()


def record_from(one: Outcome, curation: Curation) -> Record:
    """The example of an outcome that counts; of an edited one provenance and credits say who changed what, and when"""
    candidate, turns = one.candidate, one.turns
    if candidate.record is None:
        date = one.states[candidate.writer].touched[:10]
        by = Credit(author=candidate.writer, licence=curation.licence, written=date, part="text")
        return Conversation(
            id=f"{curation.name}-{candidate.number}", source="lima curate", licence=curation.licence,
            provenance=f"written by {candidate.writer}, {date}", credits=(by,), turns=turns,
        )  # fmt: skip
    record = candidate.record
    if turns == candidate.turns:
        return record
    credits, said = list(record.credits), []
    for name in one.by:
        state = one.states[name]
        date = state.touched[:10]
        credits.append(Credit(author=name, licence=record.licence, written=date, part=f"changes ({state.changes})"))
        said.append(f"edited by {name}, {date}: {state.changes}")
    about: dict[str, Any] = {
        "provenance": "; ".join(filter(None, (record.provenance, *said))),
        "credits": tuple(credits),
    }
    if isinstance(record, Example) and [turn.role for turn in turns] == ["user", "assistant"]:
        return replace(record, prompt=turns[0].content, response=turns[1].content, **about)
    whole = Conversation.of(record)
    return replace(whole, turns=turns, **about)
