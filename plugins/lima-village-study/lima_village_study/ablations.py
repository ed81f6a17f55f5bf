"""What the study finds about LIMA's ablations (§5), diversity, quality and quantity, and about later papers' baselines.

All are graded on held-out prompts. Every verdict follows from the numbers, also where it contradicts the paper. The prose is in
`findings.toml`.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from lima_village_study import words
from lima_village_study.arms import PLATEAU, SIZES, Sets
from lima_village_study.dialogue_findings import AFTER, ARMS, by_turn
from lima_village_study.finding import Finding, Panel, Point, Series, Table, line, named, side, tell, ticks
from lima_village_study.scores import Compared, Results, difference, excellent, mean, points
from lima_village_study.variations import BY_FORM

MARGIN = 0.1
"""grade points, a twentieth of the scale: smaller differences are ignored"""
SCALE, PAPER_SCALE = (0.0, 2.0), (1.0, 6.0)
GRADE = "mean grade, Fail 0 to Excellent 2"
LIKERT = "the paper: helpfulness, 1 to 6"
_FIRST = Point(0, 3.83, None, "3.83; up to 32k a plateau,\nof which no number is printed")
_SIZES = ticks([f"{2 * 2**i}k" for i in range(5)])
PAPER_QUANTITY = Panel("line", (Series("the paper", (_FIRST,), paper=True),), LIKERT, "examples", PAPER_SCALE, _SIZES)


def diversity(results: Results, sets: Sets) -> Finding | None:
    """§5: one kind of prompt against all kinds"""
    return _ablation("diversity", results, sets, {"all kinds": ("random", 3.83), "one kind": ("one-kind", 3.49)})


def quality(results: Results, sets: Sets) -> Finding | None:
    """§5: clean answers against unfiltered ones"""
    return _ablation("quality", results, sets, {"clean": ("random", 3.83), "half spoiled": ("spoiled", 3.33)})


def _ablation(key: str, results: Results, sets: Sets, arms: Mapping[str, tuple[str, float]]) -> Finding | None:
    """Two arms of 1,000 examples, by label, beside two numbers of the paper"""
    held = results.compared(sets.prompts, {label: arm for label, (arm, _) in arms.items()})
    if not held.complete:
        return None
    good, poor = held
    known = tuple(Point(i, y, None, label) for i, (label, (_, y)) in enumerate(arms.items()))
    paper = Panel("names", (Series("the paper", known, paper=True),), LIKERT, limits=PAPER_SCALE)
    rows = [(*_graded(held, label), str(y)) for label, (_, y) in arms.items()]
    return tell(
        key,
        held,
        points,
        agrees=side(change := held.gain(good, poor, points)),
        panels=[named(held.means(points), GRADE, SCALE), paper],
        tables=[Table(("1,000 examples", "mean grade", "excellent", "the paper, of 6"), rows), _by_form(held)],
        good=good,
        poor=poor,
        change=change,
    )


def quantity(results: Results, sets: Sets) -> Finding | None:
    """§5: up to sixteen times the examples in equal steps"""
    arms = {n: f"forms-{n}" for n in SIZES}
    held = results.compared(sets.prompts, results.present(sets.prompts, arms))
    plateau = [n for n in held if n >= PLATEAU]
    if len(plateau) < 2 or not held.complete:
        return None
    few, first, last = next(iter(held)), plateau[0], plateau[-1]
    means = held.means(points)
    change = held.gain(last, first, points)
    low, high = change.span
    flat = low > -MARGIN and high < MARGIN
    steps_up = {b: held.gain(b, a, points) for a, b in pairwise(held)}
    rows = [(f"{n:,}", *_graded(held, n)[1:], *words.change(steps_up.get(n), 2)) for n in held]
    head = ("examples", "mean grade", "excellent", "against the size before", "fine-tunes redrawn")
    ours, along = (line("ours", means),), "examples, the same number of steps each"
    return tell(
        "quantity",
        held,
        points,
        agrees=True if flat else False if low > 0 and change.value > MARGIN else None,
        panels=[Panel("line", ours, GRADE, along, SCALE, ticks(list(held))), PAPER_QUANTITY],
        tables=[Table(head, rows)],
        few=few,
        first=first,
        last=last,
        change=change,
        before=held.gain(first, few, points),
        steps=sorted({run["steps"] for n in held for run in results.runs(arms[n])}),
        at_ceiling=min(means[first].value, means[last].value) >= 0.98 * SCALE[1],
        margin=MARGIN,
    )


def longest_and_random(results: Results, sets: Sets) -> Finding | None:
    """The longest responses, random ones, and the untuned base"""
    arms = {
        "1,000 random": "random",
        "1,000 longest": "longest",
        "1,000 in sentences only": "before",
        "untuned, in context": "in-context",
    }
    held = results.compared(sets.prompts, results.present(sets.prompts, arms))
    if not {"1,000 random", "1,000 longest"} <= held.keys() or not held.complete:
        return None
    return tell(
        "baselines",
        held,
        points,
        agrees=side(change := held.gain("1,000 longest", "1,000 random", points)),
        panels=[named(held.means(points), GRADE, SCALE)],
        tables=[Table(("", "mean grade", "excellent"), [_graded(held, label) for label in held]), _by_form(held)],
        change=change,
    )


def in_context(results: Results, sets: Sets) -> Finding | None:
    """The untuned base in a conversation"""
    untuned = "untuned, in context"
    held = results.compared(sets.conversations, {untuned: "in-context", **ARMS})
    if not held.complete:
        return None
    numbers = {row["turn"] for row in held[AFTER]}
    parts = [held.where("turn", 1), held.where("turn", *numbers - {1})]
    first, later = (difference(part[AFTER], part[untuned], excellent, untuned=True) for part in parts)
    rows = [(label, *(words.share(mean(part[label], excellent)) for part in parts)) for label in held]
    return tell(
        "in-context",
        held,
        agrees=side(later),
        panels=[by_turn(held)],
        tables=[Table(("", "first turns", "later turns"), rows)],
        first=first,
        later=later,
    )


def _graded(held: Compared, label: str | int) -> tuple[str, str, str]:
    """A row of a table: label, mean grade, share of excellent replies"""
    return str(label), words.value(mean(held[label], points), 2), words.share(mean(held[label], excellent))


def _by_form(held: Compared) -> Table:
    """Excellent replies of each arm to each form of request"""
    found = {form: held.where("kind", form).means(excellent) for form in BY_FORM}
    rows = [(form, *(words.number(one.value, 0) for one in means.values())) for form, means in found.items()]
    return Table(("form asked for", *held), rows, "By form: % excellent")
