"""How many examples are taken of each of several sets: all, or a number that is drawn with a temperature (LIMA §2).

Knows nothing of what the sets are.
"""

import random
from collections.abc import Sequence


def drawn(sizes: Sequence[int], limit: int, tau: float, seed: int) -> list[int]:
    """How many of each when `limit` are drawn; with limit 0, all

    Each draw takes one with n left or not with probability proportional to its first n ** (1 / tau), until it has none left."""
    if not limit or limit >= sum(sizes):
        return list(sizes)
    chance, taken = random.Random(seed), [0] * len(sizes)
    open_ones = [place for place, size in enumerate(sizes) if size]
    weights = [sizes[place] ** (1 / tau) for place in open_ones]
    for _ in range(limit):
        at = chance.choices(range(len(open_ones)), weights)[0]
        place = open_ones[at]
        taken[place] += 1
        if taken[place] == sizes[place]:
            del open_ones[at], weights[at]
    return taken
