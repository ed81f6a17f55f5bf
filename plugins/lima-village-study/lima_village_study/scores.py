"""Turns the grades of a study's arms into numbers: means over prompts or conversations, intervals and paired differences.

The unit is the prompt or the conversation: samples, turns and seeds of one unit are averaged first. A difference has two
intervals: one over units with the fine-tunes fixed, and one that also resamples the fine-tunes. This module does not know what
the arms are meant to show.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import inf
from typing import Any, NotRequired, TypedDict

import numpy as np

from lima import GRADES, SCORES, Store
from lima_dialogue_eval.statistics import sign_flip, t_interval
from lima_studies import redrawn
from lima_village_study.recorded import graded, noted


class GradedReply(TypedDict):
    """What is used of a graded reply of a study, or of an answer whose history gain was measured"""

    conversation: str
    seed: int
    """of the fine-tune"""
    turn: int
    kind: str
    grade: str | None
    """empty where only history gain was measured"""
    over_none: NotRequired[float]
    """history gain of an answer, nats per token, over no history"""
    over_other: NotRequired[float]
    """over the history of another conversation"""


Score = Callable[[GradedReply], float]
Interval = tuple[float, float]


@dataclass(frozen=True)
class Estimate:
    """A mean over units, with what is needed to judge it"""

    value: float
    interval: Interval | None
    """95 % t interval, clipped to the scale of grades; if all units are equal, the exact one-sided bound of a share, else None"""
    units: int
    """prompts or conversations"""
    replies: int
    seeds: int
    differences: tuple[float, ...] = field(default=(), repr=False)
    """of a difference: one per unit"""
    redrawn: Interval | None = None
    """of a difference: the crossed bootstrap's 95 % interval, if every trained arm has several seeds"""

    @cached_property
    def p_value(self) -> float:
        """Of a difference: two-sided sign-flip test over the units"""
        return sign_flip(self.differences).p_value

    @property
    def deciding(self) -> Interval | None:
        """The interval that decides a verdict: the one with resampled fine-tunes if it exists"""
        return self.redrawn or self.interval

    @property
    def span(self) -> Interval:
        """The deciding interval for comparisons with a bound other than zero; the value itself if all units are equal"""
        return self.deciding or ((self.value, self.value) if self.alike else (-inf, inf))

    @property
    def alike(self) -> bool:
        """Whether there is no interval because all units have the same value"""
        return self.interval is None and self.units > 1


def _share(grade: str) -> Score:
    """100 or 0 for a reply, so that a mean is a share in per cent"""
    return lambda row: 100.0 * (row["grade"] == grade)


SHARES = {grade: _share(grade) for grade in GRADES}
excellent, passed, fail = SHARES.values()


def points(row: GradedReply) -> float:
    """Fail 0, Pass 1, Excellent 2"""
    return float(SCORES[row["grade"] or ""])


class Compared(dict[Any, list[GradedReply]]):
    """The replies of arms that are compared, by label; a unit with an ungraded reply is removed from all of them

    Otherwise an error or a full context would count on one side only."""

    def __init__(self, arms: Mapping[Any, Iterable[GradedReply]]) -> None:
        lost = {row["conversation"] for rows in arms.values() for row in rows if row["grade"] is None}
        super().__init__({arm: [r for r in rows if r["conversation"] not in lost] for arm, rows in arms.items()})
        self.left_out = len(lost)
        """prompts or conversations"""

    @property
    def complete(self) -> bool:
        """Whether every arm has replies"""
        return all(self.values())

    def means(self, score: Score) -> dict[Any, Estimate]:
        """The mean of each arm"""
        return {label: mean(rows, score) for label, rows in self.items()}

    def gain(self, arm: Any, base: Any, score: Score) -> Estimate:
        """The difference of two arms"""
        return difference(self[arm], self[base], score)

    def where(self, key: str, *values: Any) -> Compared:
        """Only the replies whose `key` has one of these values"""
        found = Compared({label: [row for row in rows if row[key] in values] for label, rows in self.items()})  # type: ignore[literal-required]
        found.left_out = self.left_out
        return found


class Results:
    """The replies of one study, and what else it recorded"""

    def __init__(self, store: Store, study: str) -> None:
        self.store, self.study = store, study
        self.noted = noted(store, study)
        self._rows: dict[tuple[str, str, int], list[Any]] = {}
        for row in graded(store, study):
            self._rows.setdefault((row["arm"], row["evaluation"], row["epoch"]), []).append(row)

    def compared(self, evaluation: str, arms: Mapping[Any, str]) -> Compared:
        """The replies of these arms by label, seeds pooled; empty for an arm that was not evaluated"""
        return Compared({label: self._rows.get((arm, evaluation, 0), []) for label, arm in arms.items()})

    def present(self, evaluation: str, arms: Mapping[Any, str]) -> dict[Any, str]:
        """Those of the arms that have replies that can be compared"""
        return {label: arm for label, arm in arms.items() if self.compared(evaluation, {label: arm}).complete}

    def by_epoch(self, arm: str, evaluation: str, epochs: Iterable[int]) -> Compared:
        """The replies of one arm's checkpoints, by epoch"""
        return Compared({epoch: self._rows.get((arm, evaluation, epoch), []) for epoch in epochs})

    def epochs(self, arm: str, evaluation: str) -> list[int]:
        """The epochs whose checkpoints were evaluated"""
        return sorted(epoch for a, e, epoch in self._rows if (a, e) == (arm, evaluation) and epoch)

    def values(self, arm: str, evaluation: str) -> dict[int, float]:
        """One number per checkpoint, such as a perplexity, by epoch"""
        rows = [row for row in self.noted if (row["arm"], row["evaluation"]) == (arm, evaluation)]
        return {row["epoch"]: row["value"] for row in rows if row["value"] is not None}

    def gains(self, source: str, arms: Mapping[Any, str]) -> Compared:
        """The answers whose history gain was measured on a source, by label, seeds pooled"""
        from lima_dialogue_eval import gain_rows

        def of(arm: str) -> list[GradedReply]:
            return [
                GradedReply(
                    conversation=row["conversation"],
                    seed=noted["seed"],
                    turn=row["exchange"],
                    kind="",
                    grade="",
                    over_none=row["over_none"],
                    over_other=row["over_other"],
                )
                for noted in self.noted
                if (noted["arm"], noted["evaluation"]) == (arm, "")
                for row in gain_rows(self.store, noted["run"], source)
            ]

        return Compared({label: of(arm) for label, arm in arms.items()})

    def runs(self, arm: str) -> list[dict[str, Any]]:
        """The rows of an arm's fine-tunes, one per seed"""
        ids = [row["run"] for row in self.noted if (row["arm"], row["evaluation"]) == (arm, "")]
        return [row for id in ids for row in self.store.runs(id=id)]

    def evaluations(self, arm: str) -> list[str]:
        """The names of what an arm was evaluated with"""
        return list(dict.fromkeys(row["evaluation"] for row in self.noted if row["arm"] == arm and row["evaluation"]))


def by_unit(rows: Sequence[GradedReply], score: Score) -> dict[str, float]:
    """The mean of each prompt or conversation"""
    return {unit: value for (unit,), value in _means(rows, score, "conversation").items()}


def mean(rows: Sequence[GradedReply], score: Score) -> Estimate:
    """The mean over units"""
    values = list(by_unit(rows, score).values())
    found = _estimate(values, rows)
    is_share = score in SHARES.values()
    if found.interval and (is_share or score is points):
        low, high = found.interval
        return replace(found, interval=(max(0.0, low), min(100.0 if is_share else 2.0, high)))
    is_share = is_share and found.alike
    return replace(found, interval=_bound(found.value, len(values))) if is_share else found


def _bound(share: float, units: int) -> Interval | None:
    """The exact one-sided 95 % bound (Clopper and Pearson) if all units are at 0 or all at 100 per cent"""
    reach = 100 * (1 - 0.05 ** (1 / units))
    return (0.0, reach) if share == 0 else (100 - reach, 100.0) if share == 100 else None


def by_seed(rows: Sequence[GradedReply], score: Score) -> str:
    """The mean over units for each seed, "49 / 51 / 50": the spread that an interval over units leaves out"""
    seeds = sorted({row["seed"] for row in rows})
    found = [mean([row for row in rows if row["seed"] == seed], score).value for seed in seeds]
    return "\N{NO-BREAK SPACE}/\N{NO-BREAK SPACE}".join(f"{one:.0f}" for one in found)


def difference(
    rows: Sequence[GradedReply], base: Sequence[GradedReply], score: Score, *, untuned: bool = False
) -> Estimate:
    """The mean of the paired differences rows − base over the units that both have

    `untuned`: the base of the comparison was not fine-tuned, so it has nothing to resample."""
    ours, theirs = by_unit(rows, score), by_unit(base, score)
    units = [unit for unit in ours if unit in theirs]
    differences = [ours[unit] - theirs[unit] for unit in units]
    found = replace(_estimate(differences, rows), differences=tuple(differences))
    if found.interval is None:
        return found
    ours_by, theirs_by = (_by_fine_tune(of_arm, score, units) for of_arm in (rows, base))
    if len(ours_by) < 2 or len(theirs_by) < (1 if untuned else 2):
        return found
    return replace(found, redrawn=redrawn(ours_by, theirs_by))


def _by_fine_tune(rows: Sequence[GradedReply], score: Score, units: Sequence[str]) -> np.ndarray:
    """(fine-tunes, units) means; no rows if a fine-tune lacks a unit"""
    means = _means(rows, score, "seed", "conversation")
    seeds = sorted({seed for seed, _ in means})
    if any((seed, unit) not in means for seed in seeds for unit in units):
        return np.empty((0, len(units)))
    return np.array([[means[seed, unit] for unit in units] for seed in seeds])


def _means(rows: Sequence[GradedReply], score: Score, *keys: str) -> dict[tuple[Any, ...], float]:
    """The mean score of the rows with the same values of these keys"""
    groups: dict[tuple[Any, ...], list[float]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(score(row))  # type: ignore[literal-required]
    return {key: sum(values) / len(values) for key, values in groups.items()}


def _estimate(values: list[float], rows: Sequence[GradedReply]) -> Estimate:
    alike = not values or max(values) - min(values) < 1e-9
    return Estimate(
        value=sum(values) / len(values) if values else 0.0,
        interval=None if alike else t_interval(values),
        units=len(values),
        replies=len(rows),
        seeds=len({row["seed"] for row in rows}),
    )
