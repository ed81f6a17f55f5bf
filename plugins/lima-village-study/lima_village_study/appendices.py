"""What the study says about LIMA's appendices: perplexity against quality (B), and six format examples (E).

Every sentence follows from the numbers, also where it contradicts the paper. Knows nothing of how they are drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import log

from lima_village.arm import Sets
from lima_village_study.ablations import PAPER_SCALE, over_prompts
from lima_village_study.finding import (
    Finding,
    Panel,
    Point,
    Series,
    Table,
    at,
    gain,
    judged,
    named,
    number,
    redrawn,
    samples,
    side,
    value,
)
from lima_village_study.perplexity import OTHER, TRAINED
from lima_village_study.scores import Estimate, Results, difference, excellent, mean
from lima_village_study.scores import Row as Reply

UNMOVED = 20.0
"""per cent of excellent: a structure that stays below, interval included, has not come along with the one that was shown"""


def perplexity(results: Results, sets: Sets) -> Finding | None:
    """App. B: perplexity and quality over the epochs, in the trained wording and in others"""
    by_wording = {"as trained": results.values("epochs", TRAINED), "other words": results.values("epochs", OTHER)}
    trained, other = by_wording.values()
    epochs = [epoch for epoch in results.epochs("epochs", sets.epochs) if epoch in trained and epoch in other]
    if len(epochs) < 2:
        return None
    found = results.by_epoch("epochs", sets.epochs, epochs)
    if not all(found.values()):
        return None
    means = {epoch: mean(rows, excellent) for epoch, rows in found.items()}
    last = epochs[-1]
    told, verdicts = [], []
    for name, values in by_wording.items():
        lowest = min(epochs, key=lambda epoch: values[epoch])
        change = difference(found[last], found[lowest], excellent)
        verdicts.append(False if lowest == last else side(change))
        told.append(f"Right answers {_IN[name]}: {_apart(values, lowest, last, change)}.")
    swing = max((abs(means[b].value - means[a].value), a, b) for a, b in pairwise(epochs))
    return Finding(
        key="perplexity",
        title="Perplexity against quality",
        where="LIMA App. B, figure 9",
        claim="From step 60 to 420 held-out perplexity doubles, 5.1 to 10.3, while judged quality rises from 3.90 to 4.15: "
        "choosing by the lowest perplexity picks the worst checkpoint.",
        panels=(
            _by_epoch("% excellent", [at(e, means[e]) for e in epochs]),
            _by_epoch("loss as trained (log)", [Point(e, log(trained[e])) for e in epochs], log=True),
            _by_epoch("perplexity, other words", [Point(e, other[e]) for e in epochs]),
            _two("the paper: perplexity", (5.1, 10.3), (0, 12)),
            _two("the paper: 1 to 6", (3.90, 4.15), PAPER_SCALE),
        ),
        alt="By epoch: "
        + "; ".join(
            f"{e}: perplexity as trained {number(trained[e], 3)}, in other words {number(other[e], 2)}, "
            f"{value(means[e], unit=' % excellent')}"
            for e in epochs
        ),
        tables=(
            Table(
                ("epoch", "perplexity as trained", "in other words", "excellent"),
                tuple((str(e), number(trained[e], 3), number(other[e], 2), value(means[e], unit=" %")) for e in epochs),
            ),
        ),
        numbers=" ".join(told)
        + f" From one epoch to the next the share of excellent replies moves by up to {number(swing[0])} points (epochs "
        f"{swing[1]} and {swing[2]}).",
        agrees=verdicts[0] if verdicts[0] == verdicts[1] else None,
        rule="A wording agrees when its perplexity is not lowest in the end and quality rises from the lowest epoch to the last; "
        "it disagrees when perplexity is lowest in the end, or quality falls. The claim agrees or disagrees where both wordings "
        "do, and is undecided otherwise.",
        method="Perplexity: of right answers in 50 held-out validation conversations, as fine-tuning words them (the figure has "
        "its logarithm, the loss) and in the other words of the corpus. The second was added after the first had been looked at, "
        "since held-out texts are seldom in the style that is trained. Quality: share of excellent replies in all validation "
        f"conversations, greedy. {samples({'': means[last]}, left_out=found.left_out)}, "
        "so that what a step or another seed changes is in no interval.",
    )


_IN = {"as trained": "in the wording that is trained", "other words": "in other words"}


def _apart(values: Mapping[int, float], lowest: int, last: int, change: Estimate) -> str:
    """Whether perplexity and quality come apart in the end"""
    if lowest == last:
        return (
            f"perplexity is lowest after the last epoch, {number(values[last], 3)}: it does not come apart from quality"
        )
    return (
        f"perplexity is lowest after epoch {lowest}, {number(values[lowest], 2)}, and {number(values[last] / values[lowest], 2)} "
        f"times that after epoch {last}, {number(values[last], 2)}, while excellent replies change by "
        f"{judged(change, unit=' points')}"
    )


def _by_epoch(what: str, points: Sequence[Point], log: bool = False) -> Panel:
    ticks = tuple((point.x, f"{point.x:.0f}") for point in points)
    return Panel("line", (Series("ours", tuple(points), line=True),), what, "epoch", None, ticks, log)


def _two(name: str, values: tuple[float, float], limits: tuple[float, float]) -> Panel:
    points_ = (Point(60, values[0]), Point(420, values[1]))
    ticks = ((60.0, "60"), (420.0, "420"))
    return Panel("line", (Series("the paper", points_, paper=True, line=True),), name, "step", limits, ticks)


def formats(results: Results, sets: Sets) -> Finding | None:
    """App. E: six examples of one structure, and another structure"""
    arms = {"six-lists": ("card", "list"), "six-cards": ("list", "card")}
    held = results.together(sets.prompts, "before", *arms)
    if not all(held.values()):
        return None

    def of(arm: str, form: str) -> Estimate:
        return mean(_of_form(held[arm], form), excellent)

    gains = {
        arm: [difference(_of_form(held[arm], form), _of_form(held["before"], form), excellent) for form in forms]
        for arm, forms in arms.items()
    }
    unseen = {f"{form}s after six {shown}s": of(arm, form) for arm, (form, shown) in arms.items()}
    verdicts = [side(new) for new, _ in gains.values()]
    unmoved = [one.span[1] < UNMOVED for one in unseen.values()]
    told = [
        f"Six {shown}s change the share of excellent {form}s, which they do not show, by {judged(gains[arm][0], unit=' points')} "
        f"to {value(of(arm, form), unit=' %')}, and of excellent {shown}s by {judged(gains[arm][1], unit=' points')}."
        for arm, (form, shown) in arms.items()
    ]
    rows = [
        (
            f"{form}s after six {shown}s",
            f"{number(of('before', form).value)}\N{NO-BREAK SPACE}%",
            value(of(arm, form), unit=" %"),
            gain(moved),
            redrawn(moved),
        )
        for arm, (new, shown) in arms.items()
        for form, moved in zip((new, shown), gains[arm], strict=True)
    ]
    return Finding(
        key="formats",
        title="Six format examples",
        where="LIMA App. E",
        claim="Six added examples with a structure were enough for structures that were never trained on. The paper shows "
        "replies and no number.",
        panels=(
            named(
                "ours",
                [
                    *((f"{form}s after none", of("before", form)) for form in ("card", "list")),
                    *unseen.items(),
                    *((f"{shown}s after six {shown}s", of(arm, shown)) for arm, (_, shown) in arms.items()),
                ],
                "% excellent",
                (0, 100),
            ),
        ),
        alt="Excellent replies: " + "; ".join(f"{name} {value(one, unit=' %')}" for name, one in unseen.items()),
        tables=(
            Table(
                ("excellent", "without", "with", "change, points", "fine-tunes redrawn"),
                tuple(rows),
            ),
        ),
        numbers=" ".join(told),
        agrees=True if all(verdict is True for verdict in verdicts) else False if all(unmoved) else None,
        rule="Agrees when both structures rise after six examples of the other one, by the interval of the change; disagrees "
        f"when both stay below {UNMOVED:.0f} % excellent, interval included.",
        method=over_prompts(unseen, held.left_out, "Share of excellent replies to requests for lists, or for cards,")
        + " The 1,000 singles are all answered in sentences. The village has two structures, a list and a card; the base has "
        "read both.",
    )


def _of_form(rows: Sequence[Reply], form: str) -> list[Reply]:
    return [row for row in rows if row["kind"] == form]
