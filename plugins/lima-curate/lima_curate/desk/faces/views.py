"""What a page or the terminal says of a candidate: its origin, its turns with their lengths, what stands, and where to go next.

Knows nothing of HTML and of keys.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from lima_curate.desk.examples.editing import problem
from lima_curate.desk.examples.events import STATUSES, UNDECIDED, State
from lima_curate.desk.examples.hints import hints, words
from lima_curate.desk.record.curations import Candidate
from lima_curate.desk.record.person import ALL, Desk, next_undecided


def origin(desk: Desk, candidate: Candidate) -> dict[str, Any]:
    """Where a candidate comes from: id, provenance, licence and credits, as texts"""
    record = candidate.record
    if record is None:
        own = {"source": "", "id": f"{desk.curation.name}-{candidate.number}", "licence": desk.curation.licence}
        return own | {"provenance": f"written by {candidate.writer}", "credits": []}
    credits = [str(credit) for credit in record.credits]
    return {
        "source": record.source or candidate.source, "id": record.id, "licence": record.licence or "not stated",
        "provenance": record.provenance, "credits": credits,
    }  # fmt: skip


def shown_turns(desk: Desk, candidate: Candidate, state: State) -> list[dict[str, Any]]:
    """The turns as the person has edited them, each with its number, length in words, and whether it was edited"""
    original = candidate.turns
    before = {(turn.role, turn.content) for turn in original}
    return [
        {
            "number": number, "role": turn.role, "text": turn.content, "words": words(turn.content),
            "changed": (turn.role, turn.content) not in before,
            "more": "calls a tool" if turn.tool_calls else "with thoughts" if turn.thoughts else "",
        }
        for number, turn in enumerate(state.turns(original), 1)
    ]  # fmt: skip


def standing(desk: Desk, candidate: Candidate, show: str = ALL, search: str = "") -> dict[str, Any]:
    """What stands of a candidate and of all of the person's, and the candidates before and after it among those shown"""
    number, state = candidate.number, desk.state(candidate.number)
    turns = state.turns(candidate.turns)
    statuses = desk.statuses()
    listed = list(desk.chosen(statuses, show, search))
    among = listed if any(statuses[n] == UNDECIDED and n != number for n in listed) else None
    return {
        "seen": state.count,
        "status": state.status,
        "reason": state.reason,
        "problem": problem(turns),
        "hints": hints(turns),
        "words": sum(words(turn.content) for turn in turns),
        "texts": [turn.content for turn in turns],
        "undo": {"id": state.kept[-1].id, "what": str(state.kept[-1])} if state.kept else None,
        "last": desk.last(),
        "previous": max((n for n in listed if n < number), default=None),
        "following": min((n for n in listed if n > number), default=None),
        "next": next_undecided(statuses, number, among),
        "place": sum(n <= number for n in listed),
        "listed": len(listed),
        "progress": counted(statuses.values()),
    }


def counted(statuses: Iterable[str]) -> dict[str, int]:
    """How many have each status, and how many are decided, of all"""
    found = list(statuses)
    counts = {status: found.count(status) for status in STATUSES}
    return {"all": len(found), "decided": len(found) - counts[UNDECIDED]} | counts


def progress_text(progress: Mapping[str, int]) -> str:
    """Progress in one line"""
    parts = ", ".join(f"{progress[status]:,} {status}" for status in STATUSES if status != UNDECIDED)
    return f"{progress['decided']:,} of {progress['all']:,} decided: {parts}"


def first_words(text: str, length: int = 90) -> str:
    """The beginning of a text on one line"""
    line = " ".join(text[: 4 * length].split())
    return line if len(line) <= length else f"{line[: length - 1]}…"
