"""The grades of a study's arms as numbers: means over prompts or conversations, with intervals and paired differences.

The unit is the prompt or the conversation; samples, turns and seeds of one are averaged first. A difference has two intervals:
over units, with the fine-tunes as they are, and one in which the fine-tunes are drawn again, too. Knows nothing of what the
arms are meant to show.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import inf
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lima.store import Store

Row = Mapping[str, Any]
Score = Callable[[Row], float]
Interval = tuple[float, float]

DRAWS = 2_000
"""of the bootstrap"""


@dataclass(frozen=True)
class Estimate:
    """A mean over units, with what is needed to judge it"""

    value: float
    interval: Interval | None
    """95 % t interval, n − 1 degrees of freedom, cut at the ends of the scale; where all units are alike a share of 0 or 100 %
    has the exact one-sided bound instead, and anything else none; None below two units"""
    units: int
    """prompts or conversations"""
    replies: int
    seeds: int
    differences: tuple[float, ...] = field(default=(), repr=False)
    """of a difference: one a unit"""
    redrawn: Interval | None = None
    """of a difference: 95 % interval of the crossed bootstrap, which draws the fine-tunes of both arms again beside the units;
    None where an arm that is trained has one seed"""

    @cached_property
    def p_value(self) -> float:
        """Of a difference: two-sided sign-flip test over the units"""
        from lima_dialogue_eval.statistics import sign_flip

        return sign_flip(self.differences).p_value

    @property
    def deciding(self) -> Interval | None:
        """The interval that a verdict goes by: with the fine-tunes drawn again where there is one"""
        return self.redrawn or self.interval

    @property
    def span(self) -> Interval:
        """What the value is compared by with another bound than zero: that interval, or itself where all units say the same"""
        return self.deciding or ((self.value, self.value) if self.alike else (-inf, inf))

    @property
    def alike(self) -> bool:
        """Whether no interval can be given because all units say the same"""
        return self.interval is None and self.units > 1


def excellent(row: Row) -> float:
    """100 or 0: a mean is a share in per cent"""
    return 100.0 * (row["grade"] == "excellent")


def passed(row: Row) -> float:
    """100 or 0"""
    return 100.0 * (row["grade"] == "pass")


def fail(row: Row) -> float:
    """100 or 0"""
    return 100.0 * (row["grade"] == "fail")


def points(row: Row) -> float:
    """Fail 0, Pass 1, Excellent 2"""
    from lima_dialogue_eval.statistics import SCORES

    return float(SCORES[row["grade"]])


class Together(dict[Any, list[Row]]):
    """The replies of arms that are compared, by arm; a prompt or conversation with a reply that has no grade leaves all of them

    Otherwise an error, or a context that was full, would weigh on one side only."""

    def __init__(self, arms: Mapping[Any, Iterable[Row]]) -> None:
        lost = {row["conversation"] for rows in arms.values() for row in rows if row["grade"] is None}
        super().__init__({arm: [r for r in rows if r["conversation"] not in lost] for arm, rows in arms.items()})
        self.left_out = len(lost)
        """prompts or conversations"""


class Results:
    """The replies of one study"""

    def __init__(self, store: Store, study: str) -> None:
        self.store, self.study = store, study
        self._rows: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
        for row in store.rows(
            "select * from village_study_replies where study = ? "
            "order by arm, evaluation, epoch, conversation, seed, sample, turn",
            [study],
        ):
            self._rows.setdefault((row["arm"], row["evaluation"], row["epoch"]), []).append(row)

    def together(self, evaluation: str, *arms: str) -> Together:
        """The replies of these arms, seeds pooled; none of one that was not held"""
        return Together({arm: self._rows.get((arm, evaluation, 0), []) for arm in arms})

    def by_epoch(self, arm: str, evaluation: str, epochs: Iterable[int]) -> Together:
        """The replies of one arm's checkpoints, by epoch"""
        return Together({epoch: self._rows.get((arm, evaluation, epoch), []) for epoch in epochs})

    def has(self, evaluation: str, *arms: str) -> bool:
        """Whether all of these arms were held, with something that can be compared"""
        return all(self.together(evaluation, *arms).values())

    def epochs(self, arm: str, evaluation: str) -> list[int]:
        """The epochs whose checkpoints were held"""
        return sorted(epoch for a, e, epoch in self._rows if (a, e) == (arm, evaluation) and epoch)

    def values(self, arm: str, evaluation: str) -> dict[int, float]:
        """One number a checkpoint, such as a perplexity, by epoch"""
        rows = self.store.rows(
            "select epoch, value from village_study_results where study = ? and arm = ? and evaluation = ? "
            "and value is not null order by epoch",
            [self.study, arm, evaluation],
        )
        return {row["epoch"]: row["value"] for row in rows}

    def runs(self, arm: str) -> list[dict[str, Any]]:
        """The rows of an arm's fine-tunes, one a seed"""
        return self.store.rows(
            "select runs.* from village_study_results results join runs on runs.id = results.run "
            "where results.study = ? and results.arm = ? and results.evaluation = '' order by results.seed",
            [self.study, arm],
        )


def by_unit(rows: Sequence[Row], score: Score) -> dict[str, float]:
    """The mean of each prompt or conversation"""
    return {unit: sum(values) / len(values) for unit, values in _groups(rows, score, "conversation").items()}


def mean(rows: Sequence[Row], score: Score) -> Estimate:
    """The mean over units"""
    values = list(by_unit(rows, score).values())
    found = _estimate(values, rows)
    if found.interval:
        top = 2.0 if score is points else 100.0
        low, high = found.interval
        return replace(found, interval=(max(0.0, low), min(top, high)))
    return replace(found, interval=_bound(found.value, len(values))) if score in SHARES and found.alike else found


SHARES = (excellent, passed, fail)


def _bound(share: float, units: int) -> Interval | None:
    """The exact one-sided 95 % bound (Clopper and Pearson; about 3 of n) where all units are at 0 or all at 100 per cent"""
    reach = 100 * (1 - 0.05 ** (1 / units))
    return (0.0, reach) if share == 0 else (100 - reach, 100.0) if share == 100 else None


def by_seed(rows: Sequence[Row], score: Score) -> str:
    """The mean over units of each seed's fine-tune, "49 / 51 / 50": what an interval over units leaves out"""
    seeds = sorted({row["seed"] for row in rows})
    found = [mean([row for row in rows if row["seed"] == seed], score).value for seed in seeds]
    return "\N{NO-BREAK SPACE}/\N{NO-BREAK SPACE}".join(f"{one:.0f}" for one in found)


def difference(rows: Sequence[Row], base: Sequence[Row], score: Score, *, untuned: bool = False) -> Estimate:
    """The mean of the paired differences rows − base over the units that both have, with its test

    An untuned base has no fine-tunes that could be drawn again."""
    ours, theirs = by_unit(rows, score), by_unit(base, score)
    units = [unit for unit in ours if unit in theirs]
    differences = [ours[unit] - theirs[unit] for unit in units]
    found = replace(_estimate(differences, rows), differences=tuple(differences))
    if found.interval is None:
        return found
    ours_by, theirs_by = (_by_fine_tune(of_arm, score, units) for of_arm in (rows, base))
    if len(ours_by) < 2 or len(theirs_by) < (1 if untuned else 2):
        return found
    return replace(found, redrawn=_redrawn(ours_by, theirs_by))


def _by_fine_tune(rows: Sequence[Row], score: Score, units: Sequence[str]) -> Any:
    """(fine-tunes, units) means; no fine-tune where one lacks a unit"""
    import numpy as np

    means = {key: sum(values) / len(values) for key, values in _groups(rows, score, "seed", "conversation").items()}
    seeds = sorted({seed for seed, _ in means})
    if any((seed, unit) not in means for seed in seeds for unit in units):
        return np.empty((0, len(units)))
    return np.array([[means[seed, unit] for unit in units] for seed in seeds])


def _redrawn(ours: Any, theirs: Any, seed: int = 0) -> Interval:
    """The middle 95 % of the differences when units, and each arm's fine-tunes, are drawn again: (fine-tunes, units) each

    Owen's pigeonhole bootstrap: rows and columns are drawn independently, with replacement, and every cell counts as often as
    its row and its column came. Two or three fine-tunes still tell little of their spread."""
    import numpy as np

    rng = np.random.default_rng(seed)
    units = _weights(rng, ours.shape[1])  # draws × units, the same ones for both arms
    means = [((_weights(rng, len(arm)) @ arm) * units).sum(axis=1) for arm in (ours, theirs)]
    low, high = np.percentile(means[0] - means[1], [2.5, 97.5])
    return float(low), float(high)


def _weights(rng: Any, number: int) -> Any:
    """(draws, number) shares that add up to one: how often each of so many came"""
    return rng.multinomial(number, [1 / number] * number, size=DRAWS) / number


def _groups(rows: Sequence[Row], score: Score, *keys: str) -> dict[Any, list[float]]:
    found: dict[Any, list[float]] = {}
    for row in rows:
        found.setdefault(row[keys[0]] if len(keys) == 1 else tuple(row[key] for key in keys), []).append(score(row))
    return found


def _estimate(values: list[float], rows: Sequence[Row]) -> Estimate:
    from lima_dialogue_eval.statistics import t_interval

    alike = not values or max(values) - min(values) < 1e-9
    return Estimate(
        value=sum(values) / len(values) if values else 0.0,
        interval=None if alike else t_interval(values),
        units=len(values),
        replies=len(rows),
        seeds=len({row["seed"] for row in rows}),
    )
