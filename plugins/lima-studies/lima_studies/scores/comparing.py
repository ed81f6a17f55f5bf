"""Arms against each other: paired differences over prompts, a sign-flip test, Holm over all of a family, and a verdict.

A difference has two intervals: over prompts with the fine-tunes as they are, and one for which the fine-tunes are drawn again as
well. Knows nothing of what the arms are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from lima_dialogue_eval import holm, sign_flip, t_interval
from lima_studies.scores.scores import Interval, Scores

LEVEL = 0.05
DRAWS = 2_000
BETTER, WORSE, UNDECIDED = "better", "worse", "undecided"
TEST = (
    "Two-sided sign-flip test of the mean paired difference over prompts, each with one value (samples and fine-tunes averaged "
    "first): exact up to 20 prompts, else 99,999 flips drawn with seed 0 (9,999 above 1,000 prompts). Adjusted by Holm over all "
    "comparisons of the same rater."
)
RULE = (
    f"Better or worse: p after Holm is at most {LEVEL}, and the interval with fine-tunes redrawn, where both arms have several, "
    "lies wholly on that side of zero. Undecided otherwise, which is not the same as no difference."
)
REDRAWN = (
    f"The middle 95 % of {DRAWS:,} draws with seed 0, each of which resamples prompts and the fine-tunes of both arms (crossed "
    "bootstrap). Two or three fine-tunes say little about their spread."
)


@dataclass(frozen=True)
class Comparison:
    """One arm against another"""

    arm: str
    against: str
    difference: float
    interval: Interval
    "95 % t interval over prompts"
    redrawn: Interval
    "With the fine-tunes of both resampled as well; None where one of them has a single one"
    more: int
    "Prompts on which the arm scored more"
    less: int
    units: int
    p_value: float
    adjusted: float
    method: str

    @property
    def verdict(self) -> str:
        """By RULE"""
        if self.adjusted > LEVEL:
            return UNDECIDED
        # Where every prompt differs by as much, there is no interval over prompts.
        sides = [self.interval or (self.difference, self.difference), *([self.redrawn] if self.redrawn else [])]
        if all(low > 0 for low, _ in sides):
            return BETTER
        return WORSE if all(high < 0 for _, high in sides) else UNDECIDED


def compared(arms: Sequence[Scores], against: str | None = None) -> list[Comparison]:
    """Each arm against the one of that name, or all pairs without one; arms that share no prompt are left out"""
    by_name = {arm.arm: arm for arm in arms}
    if against is None:
        pairs = [(b, a) for a, b in combinations(arms, 2)]
    else:
        pairs = [(arm, by_name[against]) for arm in arms if arm.arm != against] if against in by_name else []
    found = [one for arm, other in pairs if (one := _difference(arm, other))]
    adjusted = holm({f"{i}": one["p_value"] for i, one in enumerate(found)})
    return [Comparison(**one, adjusted=adjusted[f"{i}"]) for i, one in enumerate(found)]


def _difference(arm: Scores, other: Scores) -> dict | None:
    ours, theirs = arm.by_unit(), other.by_unit()
    units = [unit for unit in ours if unit in theirs]
    if not units:
        return None
    d = [ours[unit] - theirs[unit] for unit in units]
    test = sign_flip(d)
    return {
        "arm": arm.arm,
        "against": other.arm,
        "difference": sum(d) / len(d),
        "interval": t_interval(d) if max(d) > min(d) else None,
        "redrawn": _redrawn(arm, other, units),
        "more": sum(x > 1e-9 for x in d),
        "less": sum(x < -1e-9 for x in d),
        "units": len(units),
        "p_value": test.p_value,
        "method": test.method,
    }


def _redrawn(arm: Scores, other: Scores, units: Sequence[str]) -> Interval:
    return redrawn(table(arm, units), table(other, units)) if min(arm.tunes, other.tunes) > 1 else None


def redrawn(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, float]:
    """The interval of REDRAWN for the difference of two arms, each given as (fine-tunes, units) means

    Owen's pigeonhole bootstrap: rows and columns are drawn independently with replacement, the columns once for both arms, and
    a cell's weight is the product of both counts."""
    rng = np.random.default_rng(0)
    weights = drawn_weights(rng, ours.shape[1], DRAWS)
    means = [((drawn_weights(rng, len(arm), DRAWS) @ arm) * weights).sum(axis=1) for arm in (ours, theirs)]
    low, high = np.percentile(means[0] - means[1], [2.5, 97.5])
    return float(low), float(high)


def table(scores: Scores, units: Sequence[str]) -> np.ndarray:
    """(fine-tunes, prompts) means; LookupError for a prompt that a fine-tune lacks"""
    return np.array([[tune[unit] for unit in units] for tune in scores.by_tune.values()])


def drawn_weights(rng: np.random.Generator, number: int, draws: int) -> np.ndarray:
    """(draws, number) shares that sum to one: how often each of `number` things was drawn"""
    return rng.multinomial(number, [1 / number] * number, size=draws) / number
