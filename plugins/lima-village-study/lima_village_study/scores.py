"""The grades of a study's arms as numbers: means over prompts or conversations, with intervals and paired differences.

The unit is the prompt or the conversation; samples, turns and seeds of one are averaged first. Knows nothing of what the arms
are meant to show.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lima.store import Store

Row = Mapping[str, Any]
Score = Callable[[Row], float]
Keep = Callable[[Row], bool]


@dataclass(frozen=True)
class Estimate:
    """A mean over units, with what is needed to judge it"""

    value: float
    interval: tuple[float, float] | None
    """95 % t interval, n − 1 degrees of freedom, cut at the ends of the scale; None below two units"""
    units: int
    """prompts or conversations"""
    replies: int
    seeds: int
    p_value: float | None = None
    """of a difference: two-sided sign-flip test over the units"""


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


def everything(row: Row) -> bool:
    """Keeps every reply"""
    return True


class Results:
    """The graded replies of one study"""

    def __init__(self, store: Store, study: str) -> None:
        self.store, self.study = store, study
        self._rows: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
        for row in store.rows(
            "select * from village_study_replies where study = ? and grade is not null "
            "order by arm, evaluation, epoch, conversation, seed, sample, turn",
            [study],
        ):
            self._rows.setdefault((row["arm"], row["evaluation"], row["epoch"]), []).append(row)

    def rows(self, arm: str, evaluation: str, epoch: int = 0, keep: Keep = everything) -> list[dict[str, Any]]:
        """The replies of one arm, seeds pooled; none where it was not held"""
        return [row for row in self._rows.get((arm, evaluation, epoch), []) if keep(row)]

    def has(self, evaluation: str, *arms: str) -> bool:
        """Whether all of these arms were held"""
        return all((arm, evaluation, 0) in self._rows for arm in arms)

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
    found: dict[str, list[float]] = {}
    for row in rows:
        found.setdefault(row["conversation"], []).append(score(row))
    return {unit: sum(values) / len(values) for unit, values in found.items()}


def mean(rows: Sequence[Row], score: Score) -> Estimate:
    """The mean over units"""
    found = _estimate(list(by_unit(rows, score).values()), rows)
    if found.interval is None:
        return found
    top = 2.0 if score is points else 100.0
    low, high = found.interval
    return replace(found, interval=(max(0.0, low), min(top, high)))


def by_seed(rows: Sequence[Row], score: Score) -> str:
    """The mean over units of each seed's fine-tune, "49 / 51 / 50": what an interval over units leaves out"""
    seeds = sorted({row["seed"] for row in rows})
    found = [mean([row for row in rows if row["seed"] == seed], score).value for seed in seeds]
    return " / ".join(f"{one:.0f}" for one in found)


def difference(rows: Sequence[Row], base: Sequence[Row], score: Score) -> Estimate:
    """The mean of the paired differences rows − base over the units that both have, with its test"""
    from lima_dialogue_eval.statistics import sign_flip

    ours, theirs = by_unit(rows, score), by_unit(base, score)
    differences = [value - theirs[unit] for unit, value in ours.items() if unit in theirs]
    return _estimate(differences, rows, sign_flip(differences).p_value)


def _estimate(values: list[float], rows: Sequence[Row], p_value: float | None = None) -> Estimate:
    from lima_dialogue_eval.statistics import t_interval

    return Estimate(
        value=sum(values) / len(values) if values else 0.0,
        interval=t_interval(values),
        units=len(values),
        replies=len(rows),
        seeds=len({row["seed"] for row in rows}),
        p_value=p_value,
    )
