"""Who grades which conversation, in which order, and what stands on the left: drawn from a study's seed, and balanced.

Knows nothing of databases, and of what a conversation is.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Assigned:
    """One conversation in a rater's order"""

    item: int
    swapped: bool
    "Whether the second dialogue stands on the left"


def assign(items: int, common: int, raters: Sequence[str], reviews: int, seed: int) -> dict[str, list[Assigned]]:
    """Each rater's conversations in their order: of items 0 … items-1 each goes to `reviews` raters, the next `common` to all

    No two raters differ by more than one in what they have of the items. Over a rater's conversations, and as far as possible
    over the raters of one, each side is as often on the left."""
    draw = random.Random(f"lima grading {seed}")
    order = draw.sample(range(items), items)
    ranks = draw.sample(list(raters), len(raters))
    mine: dict[str, list[int]] = {rater: [] for rater in raters}
    for item in order:
        for rater in sorted(ranks, key=lambda r: len(mine[r]))[:reviews]:
            mine[rater].append(item)
    found = {}
    for place, rater in enumerate(raters):
        own = random.Random(f"lima grading {seed} {rater}")
        # The conversations in the study's order take turns; every other rater begins with the other side.
        swapped = {item: bool((n + place) % 2) for n, item in enumerate(sorted(mine[rater], key=order.index))}
        known = list(range(items, items + common))
        swapped |= {item: bool((n + place) % 2) for n, item in enumerate(known)}
        whole = mine[rater] + known
        found[rater] = [Assigned(item, swapped[item]) for item in own.sample(whole, len(whole))]
    return found


def drawn(choices: Sequence[T], count: int, seed: int) -> list[T]:
    """So many of the choices, without repetition where there are enough, and else each as often as the others within one"""
    draw = random.Random(f"lima calibration {seed}")
    found: list[T] = []
    while choices and len(found) < count:
        found += draw.sample(list(choices), min(len(choices), count - len(found)))
    return found
