"""The figures of agreement: alpha among people, each two raters beside each other, and a program against all people.

Items are turns of the evaluation: replies of several seeds and runs to one turn are resampled together. Undecided replies are
no grade: they are counted, and in no coefficient. Knows nothing of databases or terminals.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from lima import GRADES, UNDECIDED
from lima_dialogue_eval.agreement.ratings import Rater, Ratings, Reply
from lima_dialogue_eval.audit.figures import share
from lima_dialogue_eval.coefficients import DRAWS, FEWEST_ITEMS, SEED, alpha, coincidences, kappa, value_of

DEFINITIONS = {
    "agreement": "Replies to which both gave the same grade, of those that both graded; 95 % Wilson interval, with turns as "
    "clusters where several replies are to one turn.",
    "kappa": "Cohen's kappa with quadratic weights over fail, pass, excellent: 1 is agreement throughout, 0 what chance gives.",
    "alpha": "Krippendorff's alpha, ordinal, over the people; replies that one person graded are in none of it.",
    "interval": f"Of kappa and alpha: 95 % percentile bootstrap over turns ({DRAWS:,} draws, seed {SEED}), from {FEWEST_ITEMS} "
    "turns on.",
    "fails": "Of the replies that a program fails, those that people fail as well; and of those that people fail, those that it "
    "fails. A reply counts once for each person who graded it.",
    "undecided": "Replies that one of the two left undecided; they are in no other figure.",
    "undefined": "No kappa where one of the two gave one grade only: it is 0 then whatever the other says. No alpha where "
    "only one grade occurs.",
}
TOGETHER = "people with people"
Row = dict[str, Any]


def figures(ratings: Ratings) -> Row:
    """Every figure, JSON-ready"""
    people, programs = ratings.people, ratings.programs
    pairs = [_pair(f"{a.name} with {b.name}", [(a, b)], ratings) for a, b in combinations(ratings.raters, 2)]
    groups = [_pair(TOGETHER, list(combinations(people, 2)), ratings)] if len(people) > 1 else []
    groups += [_pair(f"people with {p.name}", [(one, p) for one in people], ratings) for p in programs if people]
    return {
        "raters": [_counts(rater) for rater in ratings.raters],
        "alpha": _alpha(people),
        "groups": groups,
        "pairs": [pair for pair in pairs if pair["replies"] or pair["undecided"]],
        "fails": [_fails(p, people) for p in programs if people],
        "notes": list(ratings.notes),
        "definitions": DEFINITIONS,
    }


def _counts(rater: Rater) -> Row:
    given = list(rater.grades.values())
    counts = {grade: given.count(grade) for grade in (*GRADES, UNDECIDED)}
    return {"name": rater.name, "person": rater.person, "replies": len(given), **counts}


def _pair(name: str, pairs: Sequence[tuple[Rater, Rater]], ratings: Ratings) -> Row:
    """The figures of two raters, or of several pairs together, and the same for each kind of turn"""
    both = [(reply, a.grades[reply], b.grades[reply]) for a, b in pairs for reply in a.grades.keys() & b.grades.keys()]
    both.sort()  # the order in which sets are iterated is no property of the data
    decided = [one for one in both if UNDECIDED not in one[1:]]
    kinds: dict[str, list[tuple[Reply, str, str]]] = defaultdict(list)
    for one in decided:
        kinds[ratings.kinds.get((one[0].conversation, one[0].turn), "")].append(one)
    found = _coefficients(decided, symmetric=name == TOGETHER)
    return {
        "name": name,
        **found,
        "undecided": len(both) - len(decided),
        "kinds": {kind: _coefficients(some, name == TOGETHER) for kind, some in sorted(kinds.items())},
    }


def _coefficients(both: Sequence[tuple[Reply, str, str]], symmetric: bool) -> Row:
    """Agreement, kappa and confusion matrix; `symmetric` where first and second are arbitrary"""
    tables: dict[tuple[str, int], np.ndarray] = defaultdict(lambda: np.zeros((3, 3)))
    for reply, a, b in both:
        cell = GRADES.index(a), GRADES.index(b)
        for i, j in (cell, cell[::-1]) if symmetric else (cell,):
            tables[reply.conversation, reply.turn][i, j] += 1
    items = np.array(list(tables.values())).reshape(-1, 3, 3)
    whole = items.sum(0).astype(int)
    varied = min((whole.sum(axis) > 0).sum() for axis in (0, 1)) > 1
    value, interval = value_of(kappa, items) if varied else (None, None)
    return {
        "replies": len(both),
        "agreement": share(((r.conversation, r.turn), a == b) for r, a, b in both),
        "kappa": value,
        "kappa_interval": interval,
        "confusion": {a: {b: int(whole[i, j]) for j, b in enumerate(GRADES)} for i, a in enumerate(GRADES)},
    }


def _alpha(people: Sequence[Rater]) -> Row | None:
    """Krippendorff's alpha over the people; None below two"""
    if len(people) < 2:
        return None
    counts: dict[Reply, np.ndarray] = defaultdict(lambda: np.zeros(3))
    for rater in people:
        for reply, grade in rater.grades.items():
            if grade != UNDECIDED:
                counts[reply][GRADES.index(grade)] += 1
    items: dict[tuple[str, int], np.ndarray] = defaultdict(lambda: np.zeros((3, 3)))
    for reply in sorted(counts):
        items[reply.conversation, reply.turn] += coincidences(counts[reply])
    shared = np.array([table for table in items.values() if table.any()]).reshape(-1, 3, 3)
    value, interval = value_of(alpha, shared)
    rated = [n for n in (int(c.sum()) for c in counts.values()) if n > 1]
    return {"people": len(people), "replies": len(rated), "ratings": sum(rated), "value": value, "interval": interval}


def _fails(program: Rater, people: Iterable[Rater]) -> Row:
    """How far a program and people fail the same replies"""
    both = [
        (reply, program.grades[reply] == "fail", person.grades[reply] == "fail")
        for person in people
        for reply in sorted(program.grades.keys() & person.grades.keys())
        if person.grades[reply] != UNDECIDED
    ]
    turn = [(reply.conversation, reply.turn) for reply, *_ in both]
    return {
        "name": program.name,
        "failed_by_people": share((t, they) for t, (_, it, they) in zip(turn, both, strict=True) if it),
        "failed_by_program": share((t, it) for t, (_, it, they) in zip(turn, both, strict=True) if they),
    }
