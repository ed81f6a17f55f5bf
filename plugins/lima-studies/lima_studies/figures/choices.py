"""What each rater preferred, from the rows of verdicts: win, tie or lose for the system that the study is about.

A judge reads a pair in both orders: where they differ it is a tie, and a flip. A person reads it once, in an order that was
drawn. Knows nothing of shares or tests.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from lima_studies.questions import FIRST, NEITHER, PREFERENCE
from lima_studies.record.study import JUDGES, Study

WIN, TIE, LOSE = "win", "tie", "lose"
RESULTS = (WIN, TIE, LOSE)
POINTS = {WIN: 1.0, TIE: 0.5, LOSE: 0.0}


class Item(NamedTuple):
    """What is preferred or not: the study's system against another, on one prompt"""

    against: str
    prompt: str


@dataclass
class Chooser:
    """A judge or a person, and how each item came out for them"""

    name: str
    team: str
    results: dict[Item, str] = field(default_factory=dict)
    flipped: set[Item] = field(default_factory=set)
    "Of a judge: items whose two orders differ"
    first: list[int] = field(default_factory=lambda: [0, 0])
    "How often what was shown first was preferred, of all answers that preferred one"
    unread: int = 0
    "Showings whose answers could not be read"
    errors: int = 0
    "Showings whose last call failed"

    @property
    def person(self) -> bool:
        return self.team != JUDGES


def choosers(study: Study) -> list[Chooser]:
    """Judges and people with what they preferred, in the order in which they came to the study"""
    subject = study.systems()[0].name
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in study.verdicts(PREFERENCE.name):
        rows[row["rater"]].append(row)
    return [_chooser(r["rater"], r["team"], rows[r["rater"]], subject) for r in study.raters() if rows[r["rater"]]]


def _chooser(name: str, team: str, rows: Sequence[dict[str, Any]], subject: str) -> Chooser:
    found = Chooser(name, team)
    latest: dict[tuple[str, str, str], dict[str, Any]] = {}
    for row in rows:
        key = (row["prompt"], row["first"], row["second"])
        if latest.get(key, {}).get("status") != "parsed":  # what was read stays; a person's newest answer counts
            latest[key] = row
    by_item: dict[Item, dict[str, str]] = defaultdict(dict)
    for (prompt, first, second), row in latest.items():
        found.unread += row["status"] == "unparsed"
        found.errors += row["status"] == "error"
        if row["label"] is None:
            continue
        found.first[0] += row["label"] == FIRST
        found.first[1] += row["label"] != NEITHER
        against = second if first == subject else first
        by_item[Item(against, prompt)][first] = _result(row["label"], first == subject)
    for item, orders in by_item.items():
        if len(orders) < 2 and not found.person:
            continue
        said = list(orders.values())
        same = all(one == said[0] for one in said)
        found.results[item] = said[0] if same else TIE
        if not same:
            found.flipped.add(item)
    return found


def _result(label: str, subject_first: bool) -> str:
    """How it came out for the subject"""
    if label == NEITHER:
        return TIE
    return WIN if (label == FIRST) == subject_first else LOSE


def together(some: Sequence[Chooser]) -> dict[Item, str]:
    """How each item came out for several raters: by the mean of their points"""
    points: dict[Item, list[float]] = defaultdict(list)
    for chooser in some:
        for item, result in chooser.results.items():
            points[item].append(POINTS[result])
    return {item: _of(sum(p) / len(p)) for item, p in points.items()}


def _of(mean: float) -> str:
    return WIN if mean > 0.5 else LOSE if mean < 0.5 else TIE
