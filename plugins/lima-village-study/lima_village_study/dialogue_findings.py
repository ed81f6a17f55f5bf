"""What the study finds about LIMA's dialogues (§6): the effect, its controls, kinds and turns, and how many dialogues it takes.

Every verdict follows from the numbers, also where it contradicts the paper. The prose is in `findings.toml`.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from lima import GRADES
from lima_dialogue_eval.report.figures import PAPER_AFTER, PAPER_BEFORE
from lima_dialogue_eval.statistics import Tally, sign_flip, tally
from lima_village_study import words
from lima_village_study.arms import Sets
from lima_village_study.finding import Finding, Panel, Point, Series, Table, line, named, side, tell, ticks
from lima_village_study.scores import (
    SHARES,
    Compared,
    GradedReply,
    Results,
    by_seed,
    by_unit,
    excellent,
    fail,
    mean,
    points,
)

BEFORE, AFTER, MORE, FAKE = "1,000 singles", "+ 30 dialogues", "more singles", "fake dialogues"
ARMS = {BEFORE: "before", AFTER: "after"}
CONTROLS = {MORE: "more-singles", FAKE: "unrelated"}
NUMBERS = {0: "before", 3: "dialogues-3", 10: "dialogues-10", 30: "after", 100: "dialogues-100"}
PAPER = {0: 100 * 19 / 42, 30: 100 * 35 / 46}
"""per cent of excellent turns, by the number of dialogues"""
PAPER_GAIN = PAPER[30] - PAPER[0]
DRAWS, TEN = 200, 10
LARGE = 30.0
"""points of excellent"""


def thirty_dialogues(results: Results, sets: Sets) -> Finding | None:
    """§6: before and after 30 dialogues"""
    held = {name: results.compared(name, ARMS) for name in (sets.ten, sets.conversations) if name}
    held = {name: found for name, found in held.items() if found.complete}
    if not held:
        return None
    tallies: dict[str, Tally] = {}
    changes, told, verdicts = [], [], []
    for found in held.values():
        moved = {grade: found.gain(AFTER, BEFORE, score) for grade, score in SHARES.items()}
        grade_points, n = found.gain(AFTER, BEFORE, points), moved["excellent"].units
        for label, arm in (("1,000", BEFORE), ("+ 30", AFTER)):
            tallies[f"{label}, n = {n}"] = tally(str(row["grade"]) for row in found[arm])
        changes += [
            (f"{grade}, {n}", *map(words.share, found.means(SHARES[grade]).values()), *words.change(change))
            for grade, change in moved.items()
        ]
        rises = side(grade_points) if grade_points.p_value < 0.05 else None
        verdicts.append(rises and moved["fail"].value < 0)
        told.append({"n": n, "left_out": found.left_out, "grade": grade_points, **moved})
    tallies |= {"paper: 1,000, n = 10": PAPER_BEFORE, "paper: + 30, n = 10": PAPER_AFTER}
    shares = {name: [100 * one.count(grade) / one.turns for grade in GRADES] for name, one in tallies.items()}
    cells = {name: [f"{words.number(share)}{words.PER_CENT}" for share in row] for name, row in shares.items()}
    rows = [(name, *cells[name], f"{one.turns:,}") for name, one in tallies.items()]
    head = ("grade, n", "1,000", "+ 30", "change, points", "fine-tunes redrawn")
    bars = [
        Series(grade, tuple(Point(i, row[g], None, name) for i, (name, row) in enumerate(shares.items())))
        for g, grade in enumerate(GRADES)
    ]
    return tell(
        "dialogues",
        found,
        agrees=True if all(verdicts) else False if False in verdicts else None,
        panels=[Panel("stack", tuple(bars), "% of replies", limits=(0, 100))],
        tables=[
            Table(("arm, conversations", *GRADES, "replies"), rows, "Shares of all replies"),
            Table(head, changes, "Means over conversations, each counted once however long"),
        ],
        sets=told,
        paper_gain=PAPER_GAIN,
    )


def controls(results: Results, sets: Sets) -> Finding | None:
    """§6: neither more tokens nor the form of a dialogue is enough"""
    arms = {**ARMS, **CONTROLS}
    held = results.compared(sets.conversations, arms)
    if not held.complete:
        return None
    gains = {label: held.gain(label, BEFORE, excellent) for label in (AFTER, MORE, FAKE)}
    floor = gains[AFTER].span[0]
    small = all(gains[label].span[1] < floor for label in CONTROLS)
    worst = max(CONTROLS, key=lambda label: gains[label].value)
    paper = Point(len(gains), PAPER_GAIN, None, "paper: + 30 dialogues")
    rows = [
        (
            label,
            "".join(f"{run['trained_tokens']:,}" for run in results.runs(arm)[:1]),
            words.share(mean(held[label], excellent)),
            by_seed(held[label], excellent),
            *words.change(gains.get(label)),
        )
        for label, arm in arms.items()
    ]
    return tell(
        "controls",
        held,
        agrees=small or (False if gains[worst].value > floor else None),
        panels=[named(gains, "gain, points of excellent", None, paper)],
        tables=[Table(("", "trained tokens", "excellent", "by seed", "gain, points", "fine-tunes redrawn"), rows)],
        gains=gains,
        small=small,
        worst=worst,
        helps=side(gains[worst]),
        paper_gain=PAPER_GAIN,
    )


def turns(results: Results, sets: Sets) -> Finding | None:
    """By turn and by kind"""
    held = results.compared(sets.conversations, results.present(sets.conversations, {**ARMS, **CONTROLS}))
    if not ARMS.keys() <= held.keys() or not held.complete:
        return None
    numbers = sorted({row["turn"] for row in held[AFTER]})
    kinds = sorted({row["kind"] for row in held[AFTER]}, key=lambda kind: (kind != "opening", kind))
    return tell(
        "turns",
        held,
        agrees=None,
        panels=[by_turn(held)],
        tables=[
            _grouped(held, "turn", numbers, "By turn: % excellent / % fail"),
            _grouped(held, "kind", kinds, "By kind: % excellent / % fail"),
        ],
        first=held.where("turn", 1).gain(AFTER, BEFORE, excellent),
        later=held.where("turn", *numbers[1:]).gain(AFTER, BEFORE, excellent),
        weak=[kind for kind in kinds if mean(held.where("kind", kind)[AFTER], excellent).value < 80],
    )


def number_of_dialogues(results: Results, sets: Sets) -> Finding | None:
    """0, 3, 10, 30 and 100 dialogues"""
    held = results.compared(sets.conversations, results.present(sets.conversations, NUMBERS))
    if not {0, 30} < held.keys() or not held.complete:
        return None
    means, steps = held.means(excellent), list(held)
    more = {b: held.gain(b, a, excellent) for a, b in pairwise(steps)}
    paper = Series("the paper", tuple(Point(steps.index(n), y) for n, y in PAPER.items()), paper=True, line=True)
    rows = [
        (
            str(n),
            words.share(one),
            by_seed(held[n], excellent),
            *words.change(more.get(n)),
            f"{PAPER[n]:.1f}{words.PER_CENT}" if n in PAPER else "",
        )
        for n, one in means.items()
    ]
    head = ("dialogues", "excellent", "by seed", "against the number before", "fine-tunes redrawn", "the paper")
    what = "% excellent (ours: mean over conversations)"
    return tell(
        "number",
        held,
        agrees=side(thirty := held.gain(30, 0, excellent)),
        panels=[
            Panel("line", (line("ours", means), paper), what, "dialogues beside 1,000 singles", (0, 100), ticks(steps))
        ],
        tables=[Table(head, rows)],
        steps=[(a, b, more[b]) for a, b in pairwise(steps)],
        thirty=thirty,
    )


def draws_of_ten(results: Results, sets: Sets) -> Finding | None:
    """What ten conversations would have shown, drawn 200 times from the larger set"""
    held = results.compared(sets.conversations, ARMS)
    if not held.complete:
        return None
    before, after = (by_unit(rows, points) for rows in held.values())
    units = sorted(before.keys() & after.keys())
    if len(units) < 2 * TEN:
        return None
    total = [Counter(row["conversation"] for row in rows) for rows in held.values()]
    good = [Counter(r["conversation"] for r in rows if r["grade"] == "excellent") for rows in held.values()]
    rng, gains = random.Random("draws of ten"), []
    hits = dict.fromkeys(("positive", "significant", "nine", "large"), 0)
    for _ in range(DRAWS):
        ten = rng.sample(units, TEN)
        change = [after[unit] - before[unit] for unit in ten]
        shares = [100 * sum(g[u] for u in ten) / sum(t[u] for u in ten) for g, t in zip(good, total, strict=True)]
        gains.append(shares[1] - shares[0])
        hits["positive"] += sum(change) > 1e-9
        hits["significant"] += sign_flip(change).p_value < 0.05 and sum(change) > 0
        hits["nine"] += sum(d > 1e-9 for d in change) >= 9 and min(change) > -1e-9
        hits["large"] += gains[-1] >= LARGE
    gains.sort()
    drawn = Series("draws of ten", tuple(Point(g, 1) for g in gains))
    paper = Series("the paper", (Point(PAPER_GAIN, 0),), paper=True)
    share_of = {key: f"{100 * count / DRAWS:.1f} %" for key, count in hits.items()}
    rows = [
        ("the mean grade rises", share_of["positive"]),
        ("it rises with exact sign-flip p < .05", share_of["significant"]),
        ("at least nine are better and none is worse", share_of["nine"]),
        (f"excellent gains {LARGE:.0f} points or more", share_of["large"]),
    ]
    return tell(
        "draws",
        held,
        agrees=hits["significant"] >= 0.8 * DRAWS or (False if hits["positive"] < 0.8 * DRAWS else None),
        panels=[Panel("histogram", (drawn, paper), "draws", "points of excellent gained")],
        tables=[Table(("in a draw of ten", "share of draws"), rows)],
        draws=DRAWS,
        units=len(units),
        share_of=share_of,
        middle=(gains[int(0.025 * DRAWS)], gains[int(0.975 * DRAWS) - 1]),
        paper_gain=PAPER_GAIN,
    )


# Shared parts


def by_turn(held: Compared) -> Panel:
    """Excellent replies by turn, a line for each arm"""
    numbers = sorted({row["turn"] for rows in held.values() for row in rows})
    at = {number: held.where("turn", number).means(excellent) for number in numbers}
    series = tuple(line(label, {number: at[number][label] for number in numbers}) for label in held)
    return Panel("line", series, "% excellent", "turn", (0, 100), ticks(numbers))


def _grouped(held: Compared, key: str, groups: Sequence[Any], caption: str) -> Table:
    """Excellent and failed replies of each arm, by turn or by kind"""

    def cell(rows: Sequence[GradedReply]) -> str:
        return " / ".join(f"{sum(map(score, rows)) / len(rows):.0f}" for score in (excellent, fail)) if rows else ""

    found = {group: held.where(key, group) for group in groups}
    rows = [(str(group), f"{len(one[AFTER]):,}", *map(cell, one.values())) for group, one in found.items()]
    return Table((key, "replies", *held), rows, caption)
