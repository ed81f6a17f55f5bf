"""What ten conversations would have shown, drawn again and again from a larger set: is LIMA's ten (§6) luck?

Knows nothing of how it is drawn on the page.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from lima_village.arm import Sets
from lima_village_study.dialogue_findings import PAPER_GAIN
from lima_village_study.finding import Finding, Panel, Point, Series, Table, samples, signed
from lima_village_study.scores import Results, by_unit, mean, points
from lima_village_study.scores import Row as Reply

DRAWS, TEN = 200, 10
LARGE = 30.0
"""points of excellent"""


def draws_of_ten(results: Results, sets: Sets) -> Finding | None:
    """What ten conversations would have shown, drawn 200 times from the larger set"""
    from lima_dialogue_eval.statistics import sign_flip

    name = sets.conversations
    held = results.together(name, "before", "after")
    if not all(held.values()):
        return None
    arms = list(held.values())
    grades = [by_unit(rows, points) for rows in arms]
    counts = [_counts(rows) for rows in arms]
    units = sorted(set(grades[0]) & set(grades[1]))
    if len(units) < 2 * TEN:
        return None
    rng = random.Random("draws of ten")
    gains, hits = [], dict.fromkeys(("positive", "significant", "nine", "large"), 0)
    for _ in range(DRAWS):
        ten = rng.sample(units, TEN)
        change = [grades[1][unit] - grades[0][unit] for unit in ten]
        shares = [100 * sum(c[u][0] for u in ten) / sum(c[u][1] for u in ten) for c in counts]
        gains.append(shares[1] - shares[0])
        hits["positive"] += sum(change) > 1e-9
        hits["significant"] += sign_flip(change).p_value < 0.05 and sum(change) > 0
        hits["nine"] += sum(d > 1e-9 for d in change) >= 9 and min(change) > -1e-9
        hits["large"] += gains[-1] >= LARGE
    gains.sort()
    low, high = gains[int(0.025 * DRAWS)], gains[int(0.975 * DRAWS) - 1]
    share = {key: f"{100 * count / DRAWS:.1f} %" for key, count in hits.items()}
    return Finding(
        key="draws",
        title=f"Are ten conversations luck? {DRAWS} draws of ten",
        where="LIMA §6, whose test has ten conversations",
        claim=f"Ten conversations showed {signed(PAPER_GAIN)} points of excellent, better in 7, tied in 3, worse in none.",
        panels=(
            Panel(
                "histogram",
                (
                    Series("draws of ten", tuple(Point(g, 1) for g in gains)),
                    Series("the paper", (Point(PAPER_GAIN, 0),), paper=True),
                ),
                "draws",
                "points of excellent gained",
            ),
        ),
        alt=f"Histogram of the gains of {DRAWS} draws: from {signed(gains[0])} to {signed(gains[-1])} points; the paper's "
        f"{signed(PAPER_GAIN)}",
        tables=(
            Table(
                ("in a draw of ten", "share of draws"),
                (
                    ("the mean grade rises", share["positive"]),
                    ("it rises with exact sign-flip p < .05", share["significant"]),
                    ("at least nine are better and none is worse", share["nine"]),
                    (f"excellent gains {LARGE:.0f} points or more", share["large"]),
                ),
            ),
        ),
        numbers=f"Of {DRAWS} random draws of ten of the {len(units)} conversations {share['positive']} show a rise of the mean "
        f"grade and {share['significant']} one that the exact test finds. The middle 95 % of the gains go from {signed(low)} to "
        f"{signed(high)} points of excellent; the paper's is {signed(PAPER_GAIN)}.",
        judged=False,  # the paper drew its ten once
        agrees=hits["significant"] >= 0.8 * DRAWS or (False if hits["positive"] < 0.8 * DRAWS else None),
        rule="Agrees when at least four draws in five show the effect with p < .05, disagrees when fewer show any rise.",
        method=f"Ten conversations without replacement, {DRAWS} times with one fixed seed; grades pooled over the seeds of the "
        "fine-tune. The draws overlap, so their shares have no interval. "
        + samples(
            dict(zip(("1,000 singles", "+ 30 dialogues"), (mean(rows, points) for rows in arms), strict=True)),
            left_out=held.left_out,
        )
        + ".",
    )


def _counts(rows: Sequence[Reply]) -> dict[str, tuple[int, int]]:
    """(excellent replies, replies) of each conversation"""
    found: dict[str, tuple[int, int]] = {}
    for row in rows:
        good, all_of_them = found.get(row["conversation"], (0, 0))
        found[row["conversation"]] = (good + (row["grade"] == "excellent"), all_of_them + 1)
    return found
