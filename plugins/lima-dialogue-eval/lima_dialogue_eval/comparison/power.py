"""How likely the primary test finds a difference, for a number of conversations and seeds, from what a pilot's figures scatter.

A pilot is two arms, or one, whose seeds alone say how much replies vary. Knows nothing of databases or of how it is shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lima import LimaError
from lima_dialogue_eval.comparison.grid import ABSENT
from lima_dialogue_eval.comparison.outcomes import GRADE, values
from lima_dialogue_eval.comparison.pairs import Pair, Side
from lima_dialogue_eval.statistics import LEVEL, least_p

DRAWS, FLIPS = 2_000, 999
"Simulated experiments, and sign flips drawn for each above EXACT conversations"
EXACT = 10
WANTED = 0.8
MOST = 100_000
"Conversations that are looked at for the wanted power"
METHOD = (
    f"Power: share of {DRAWS:,} simulated experiments in which the two-sided sign-flip test over conversations finds the "
    f"difference (p ≤ {LEVEL}, right sign). Differences of conversations are drawn from a normal distribution whose variance is "
    "that between conversations plus that between seeds over the number of seeds, as in the pilot. All flips up to "
    f"{EXACT} conversations, above that {FLIPS} drawn. In brackets: with the standard deviation at the upper end of its "
    f"one-sided 80 % interval, since a pilot knows it badly. Conversations needed for {100 * WANTED:.0f} %: by the noncentral t "
    "distribution."
)


@dataclass(frozen=True)
class Pilot:
    """What a pilot says of how differences scatter, in grade points or as shares of replies"""

    outcome: str
    conversations: int
    seeds: int
    arms: int
    difference: float | None
    "Mean over conversations; None for one arm"
    sd_conversations: float | None
    "Of the gain, between conversations; None where it is not known, with one arm or one seed"
    sd_seeds: float | None
    "Of a conversation's difference, between seeds; None with one seed"
    sd_observed: float | None
    "Of the conversations' differences, each the mean of the pilot's seeds; None for one arm"
    freedom: int
    "Degrees of freedom of its variance"

    def sd(self, seeds: int) -> float:
        """Standard deviation of a conversation's difference with this number of seeds; LimaError if the pilot cannot tell"""
        if self.sd_seeds is None:
            if seeds != self.seeds or self.sd_observed is None:
                raise LimaError(
                    f"The pilot has one seed an arm, so it cannot tell what {seeds} would do. Ask for --seeds 1, or give a pilot "
                    "with two seeds or more."
                )
            return self.sd_observed
        return float(np.sqrt((self.sd_conversations or 0.0) ** 2 + self.sd_seeds**2 / seeds))

    @property
    def upper(self) -> float:
        """By how much the standard deviation may exceed the pilot's: the one-sided 80 % limit, as a factor"""
        from scipy.stats import chi2

        return float(np.sqrt(self.freedom / chi2.ppf(0.2, self.freedom)))


def pilot_of_pair(pair: Pair) -> Pilot:
    """The pilot of two arms; LimaError below two conversations, or if nothing varies"""
    sides = zip(pair.paired, pair.goods, strict=True)
    by_seed = [_by_seed(codes, good=good, outcome=pair.outcome) for codes, good in sides]
    d = by_seed[1] - by_seed[0]  # (conversations, replicates)
    means = np.nanmean(d, axis=1)
    n, seeds = d.shape
    if n < 2:
        raise LimaError(
            "The pilot has one conversation that counts, which says nothing of others: give one with two or more."
        )
    observed, within = float(means.std(ddof=1)), _within(d)
    between = None if within is None else float(np.sqrt(max(0.0, observed**2 - within**2 / seeds)))
    found = Pilot(pair.outcome, n, seeds, 2, float(means.mean()), between, within, observed, n - 1)
    return _varying(found)


def pilot_of_side(side: Side, outcome: str = GRADE) -> Pilot:
    """The pilot of one arm, as if every conversation gained the same; LimaError with one seed, or if nothing varies"""
    codes = side.grid.codes[[name not in side.grid.unusable for name in side.grid.topics]]
    n, seeds = codes.shape[:2]
    within = _within(_by_seed(codes, good=codes != ABSENT, outcome=outcome)) if n else None
    if within is None:
        raise LimaError(
            "One arm with one seed says nothing of how a difference varies. Give a run with two seeds or more, or two arms: "
            "lima dialogues power BEFORE AFTER"
        )
    return _varying(Pilot(outcome, n, seeds, 1, None, None, within * np.sqrt(2), None, n * (seeds - 1)))


def _by_seed(codes: np.ndarray, good: np.ndarray, outcome: str) -> np.ndarray:
    """(conversations, replicates) means; NaN where no turn counts"""
    of_turns = values(codes, outcome)
    there = good & ~np.isnan(of_turns)
    with np.errstate(invalid="ignore"):
        found: np.ndarray = np.where(there, of_turns, 0.0).sum(axis=2) / there.sum(axis=2)
    return found


def _within(by_seed: np.ndarray) -> float | None:
    """Standard deviation between replicates, pooled over conversations; None if none has two"""
    there = ~np.isnan(by_seed)
    several = by_seed[there.sum(axis=1) > 1]
    if not len(several):
        return None
    return float(np.sqrt(np.nanvar(several, axis=1, ddof=1).mean()))


def _varying(pilot: Pilot) -> Pilot:
    if pilot.sd(pilot.seeds) < 1e-9:
        raise LimaError(
            "Nothing varies in this pilot: every conversation's difference is the same. Power cannot be foretold from it; give "
            "more conversations or seeds."
        )
    return pilot


def power(difference: float, sd: float, conversations: int, seed: int = 0) -> float:
    """The share of simulated experiments that find the difference, by the method above"""
    if least_p(conversations) > LEVEL:
        return 0.0
    draw = np.random.default_rng([seed, conversations])
    d = draw.normal(abs(difference), sd, size=(DRAWS, conversations))
    if conversations <= EXACT:
        bits = np.arange(2**conversations)[:, None] >> np.arange(conversations) & 1
    else:
        bits = draw.integers(0, 2, size=(FLIPS, conversations))
    sums = d.sum(axis=1)
    extreme = (np.abs(d @ (1.0 - 2.0 * bits).T) >= np.abs(sums)[:, None] * (1 - 1e-9)).sum(axis=1)
    p = extreme / len(bits) if conversations <= EXACT else (extreme + 1) / (FLIPS + 1)
    return float(((p <= LEVEL) & (sums > 0)).mean())


def needed(difference: float, sd: float) -> int | None:
    """The fewest conversations with the wanted power, by the noncentral t distribution; None above MOST"""
    from scipy.stats import nct, t

    def reached(n: int) -> bool:
        return bool(nct.sf(t.ppf(1 - LEVEL / 2, n - 1), n - 1, abs(difference) / sd * n**0.5) >= WANTED)

    low, high = 2, 2
    while least_p(high) > LEVEL:
        low = high = high + 1
    while not reached(high):
        if high > MOST:
            return None
        low, high = high, 2 * high
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle + 1, high)
    return high


@dataclass(frozen=True)
class Foretold:
    """The power for one design"""

    conversations: int
    seeds: int
    sd: float
    power: float
    careful: float
    "With the standard deviation at its upper limit"


def foretell(
    pilot: Pilot, difference: float, conversations: Sequence[int], seeds: Sequence[int], seed: int = 0
) -> list[Foretold]:
    """The power of each number of conversations with each number of seeds"""
    found = []
    for n in conversations:
        for k in seeds:
            sd = pilot.sd(k)
            careful = power(difference, sd * pilot.upper, n, seed)
            found.append(Foretold(n, k, sd, power(difference, sd, n, seed), careful))
    return found
