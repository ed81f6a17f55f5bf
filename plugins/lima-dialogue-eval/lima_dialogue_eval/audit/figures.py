"""How far a grader's verdicts agree with known grades: sensitivity by kind of flaw, false alarms, confusion matrix, kappa.

Works on plain rows; every share has a 95 % interval that counts replies to the same turn as dependent. Knows nothing of graders,
databases or terminals.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np

from lima import GRADER_FAILED, GRADES, UNDECIDED
from lima_chat import FLAWS, VISIBLE_FLAWS
from lima_dialogue_eval.coefficients import DRAWS, FEWEST_ITEMS, SEED, kappa, value_of

GIVEN = (*GRADES, UNDECIDED, GRADER_FAILED)
GROUPS = {
    "all": "all replies",
    "unseen": "replies whose author had not seen the checks",
    "seen": "replies whose author had seen the checks",
}
Z = 1.959963984540054
"97.5th percentile of the normal distribution"

DEFINITIONS = {
    "good": "Replies whose known grade is Pass or Excellent. False alarms: those that the grader fails.",
    "bad": "Replies whose known grade is Fail. Failed: the grader fails them. Not praised: it fails them or leaves them "
    "undecided; its errors are neither.",
    "visible": f"Bad replies whose flaw a program can see: {', '.join(VISIBLE_FLAWS)}.",
    "hidden": f"Bad replies whose flaw only a reader sees: {', '.join(f for f in FLAWS if f not in VISIBLE_FLAWS)}.",
    "unseen": "Replies whose author had not seen the evaluation's checks, or that the grader was not changed by.",
    "interval": "95 % Wilson interval. Where several replies are to the same turn, n is divided by the design effect: the "
    "variance of the share with turns as clusters (linearised ratio) over that of independent replies, at least 1; it is 1 "
    "where all outcomes are the same.",
    "kappa": "Cohen's kappa of known against given grade where one was given, with quadratic weights over fail, pass, "
    f"excellent; 95 % percentile bootstrap over turns ({DRAWS:,} draws, seed {SEED}), from {FEWEST_ITEMS} turns on.",
}
Row = dict[str, Any]
"conversation, turn, known, flaw, saw_checks, grade, status"


def figures(rows: Sequence[Row]) -> dict[str, Any]:
    """The figures of every group that has replies, JSON-ready"""
    groups = {
        "all": rows,
        "unseen": [r for r in rows if not r["saw_checks"]],
        "seen": [r for r in rows if r["saw_checks"]],
    }
    return {name: _group(some) for name, some in groups.items() if some}


def remarks(figures: dict[str, Any]) -> list[str]:
    """What makes the figures of a grader no answer, in sentences: errors, and one verdict for all"""
    if not figures:
        return ["There are no replies with known grades."]
    whole, found = figures["all"], []
    if errors := whole["given"][GRADER_FAILED]:
        found.append(
            f"The grader failed on {errors} of {whole['replies']} replies: they count as neither failed nor praised."
        )
    said = [grade for grade, n in whole["given"].items() if n and grade != GRADER_FAILED]
    if len(said) == 1 and whole["good"]["failed"]["n"] and whole["bad"]["failed"]["n"]:
        word = said[0] if said[0] == UNDECIDED else said[0].capitalize()
        found.append(
            f"It says {word} of every reply that it judges, good and bad alike: that is no answer, whatever the shares are."
        )
    return found


def share(outcomes: Iterable[tuple[Hashable, bool]]) -> dict[str, Any]:
    """Count, n, turns and 95 % interval of (turn, outcome) pairs; without any, the share and its interval are None"""
    by_turn: dict[Hashable, list[bool]] = defaultdict(list)
    for turn, outcome in outcomes:
        by_turn[turn].append(outcome)
    size = np.array([len(of_one) for of_one in by_turn.values()], dtype=float)
    hits = np.array([sum(of_one) for of_one in by_turn.values()], dtype=float)
    n, count = int(size.sum()), int(hits.sum())
    row: dict[str, Any] = {"count": count, "n": n, "turns": len(by_turn), "share": None, "interval": None}
    if n:
        effect = design_effect(hits, size)
        row |= {"share": count / n, "interval": wilson_of(count / n, n / effect), "design_effect": round(effect, 3)}
    return row


def design_effect(hits: np.ndarray, size: np.ndarray) -> float:
    """Variance of the share with turns as clusters over that of independent replies, both unbiased, and at least 1

    `hits` and `size` are outcomes and replies of each turn; with one reply a turn it is 1."""
    n, turns = size.sum(), len(size)
    p = hits.sum() / n
    if turns < 2 or p in (0, 1):
        return 1.0
    clustered = turns / (turns - 1) * ((hits - p * size) ** 2).sum() / n**2
    return max(1.0, float(clustered / (p * (1 - p) / (n - 1))))


def wilson_of(share: float, n: float) -> tuple[float, float]:
    """95 % Wilson interval of a share of n replies, where n need not be whole"""
    middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * (share * (1 - share) / n + Z**2 / (4 * n**2)) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)


def _group(rows: Sequence[Row]) -> dict[str, Any]:
    good = [r for r in rows if r["known"] != "fail"]
    bad = [r for r in rows if r["known"] == "fail"]
    visible = [r for r in bad if r["flaw"] in VISIBLE_FLAWS]
    flaws = {flaw: [r for r in bad if r["flaw"] == flaw] for flaw in FLAWS}
    matrix = {known: dict.fromkeys(GIVEN, 0) for known in GRADES}
    for row in rows:
        matrix[row["known"]][_given(row)] += 1
    return {
        "replies": len(rows),
        "turns": len({_turn(r) for r in rows}),
        "given": {given: sum(matrix[known][given] for known in GRADES) for given in GIVEN},
        "good": {"failed": _share(good, "fail"), "praised": _share(good, "pass", "excellent")},
        "bad": _caught(bad),
        "visible": _caught(visible),
        "hidden": _caught([r for r in bad if r["flaw"] not in VISIBLE_FLAWS]),
        "flaws": {flaw: _caught(some) for flaw, some in flaws.items() if some},
        "matrix": matrix,
        "kappa": _kappa(rows),
    }


def _caught(bad: Sequence[Row]) -> dict[str, Any]:
    return {"failed": _share(bad, "fail"), "not_praised": _share(bad, "fail", UNDECIDED)}


def _share(rows: Sequence[Row], *given: str) -> dict[str, Any]:
    return share((_turn(row), _given(row) in given) for row in rows)


def _given(row: Row) -> str:
    """The grade, or undecided or error"""
    grade: str | None = row["grade"]
    return grade or (UNDECIDED if row["status"] == UNDECIDED else GRADER_FAILED)


def _turn(row: Row) -> tuple[str, int]:
    return row["conversation"], row["turn"]


def _kappa(rows: Sequence[Row]) -> dict[str, Any]:
    """Kappa over the replies that have a grade, with its bootstrap interval over turns; None where it is not defined"""
    tables: dict[tuple[str, int], np.ndarray] = defaultdict(lambda: np.zeros((3, 3), dtype=int))
    for row in rows:
        if row["grade"]:
            tables[_turn(row)][GRADES.index(row["known"]), GRADES.index(row["grade"])] += 1
    items = np.array(list(tables.values())).reshape(-1, 3, 3)
    value, interval = value_of(kappa, items)
    return {"value": value, "interval": interval, "n": int(items.sum()), "turns": len(items)}
