"""How far raters agree, for every pair of groups: tie-discounted accuracy (LIMA §4), kappa, alpha.

An item is what two raters may both have looked at, such as one system's reply to one prompt. Intervals resample prompts, so that
the systems of a prompt stay together. Knows nothing of wins.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations_with_replacement
from typing import Any

import numpy as np

from lima_dialogue_eval import alpha, coincidences, kappa, tie_discounted_accuracy, value_of
from lima_studies.figures.panels import Rated, teams_of

_DISCOUNTED = (
    "1 where both say the same, ½ where exactly one says neither, else 0; the mean over all pairs of raters and what both looked "
    "at (LIMA §4). 95 % percentile bootstrap over prompts, from 30 prompts on."
)


def definitions(ordinal: bool, tie: str | None) -> dict[str, str]:
    """What the figures are"""
    scale, kind = ("with quadratic weights", "ordinal") if ordinal else ("nominal", "nominal")
    return {
        **({"tie-discounted accuracy": _DISCOUNTED} if tie else {}),
        "agreement": "Share of the pairs of raters, and of what both looked at, that say the same.",
        "kappa": f"Cohen's kappa, {scale}, all pairs of raters in one table; undefined where one of the two groups gave one "
        "answer only. 95 % percentile bootstrap over prompts, from 30 prompts on.",
        "alpha": f"Krippendorff's alpha, {kind}, over all raters of both groups; what only one of them looked at is not in it. "
        "Interval as of kappa.",
    }


Interval = tuple[float, float] | None


@dataclass(frozen=True)
class Agreement:
    """How far two groups agree, or one among itself"""

    groups: tuple[str, str]
    pairs: int
    "Pairs of raters that looked at something in common"
    items: int
    "What both of a pair looked at, over all pairs"
    prompts: int
    discounted: float | None
    discounted_interval: Interval
    agreement: float | None
    kappa: float | None
    kappa_interval: Interval
    alpha: float | None
    alpha_interval: Interval


def agreements(
    found: Sequence[Rated], labels: Sequence[str], tie: str | None = None, ordinal: bool = False
) -> list[Agreement]:
    """Every pair of groups that has something in common; a group with itself where it has several raters

    `labels` are the answers in their order, the `tie` among them if there is one."""
    of = {team: [c for c in found if c.team == team] for team in teams_of(found)}
    scale = _Scale(tuple(labels), tie, ordinal)
    every = [_agreement(a, b, of[a], of[b], scale) for a, b in combinations_with_replacement(of, 2)]
    return [one for one in every if one.items]


@dataclass(frozen=True)
class _Scale:
    """The answers in their order"""

    labels: tuple[str, ...]
    tie: str | None
    ordinal: bool

    def cell(self, one: str, other: str) -> tuple[int, int]:
        return self.labels.index(one), self.labels.index(other)

    def worth(self) -> np.ndarray:
        """(k, k) points of two raters: 1 where they say the same, ½ where exactly one says tie"""
        k = len(self.labels)
        points = np.eye(k)
        if self.tie:
            at = self.labels.index(self.tie)
            points[at, :], points[:, at] = 0.5, 0.5
            points[at, at] = 1.0
        return points


def _agreement(a: str, b: str, first: Sequence[Rated], second: Sequence[Rated], scale: _Scale) -> Agreement:
    pairs = [(x, y) for i, x in enumerate(first) for j, y in enumerate(second) if a != b or i < j]
    shared = [(x, y, sorted(x.results.keys() & y.results.keys())) for x, y in pairs]
    both = [(item, x.results[item], y.results[item]) for x, y, items in shared for item in items]
    counted = _tables(both, scale, symmetric=a == b)
    whole = counted.sum(0) if len(counted) else np.zeros((len(scale.labels),) * 2)
    varied = min((whole.sum(axis) > 0).sum() for axis in (0, 1)) > 1
    kappa_value, kappa_interval = value_of(partial(kappa, ordinal=scale.ordinal), counted) if varied else (None, None)
    alpha_value, alpha_interval = _alpha({c.name: c for c in (*first, *second)}.values(), scale)
    said = [[one for _, one, _ in both], [other for _, _, other in both]]
    return Agreement(
        groups=(a, b),
        pairs=sum(bool(items) for *_, items in shared),
        items=len(both),
        prompts=len(counted),
        discounted=tie_discounted_accuracy(*said, tie=scale.tie) if scale.tie else None,
        discounted_interval=value_of(partial(_points, worth=scale.worth()), counted)[1] if scale.tie else None,
        agreement=sum(one == other for _, one, other in both) / len(both) if both else None,
        kappa=kappa_value,
        kappa_interval=kappa_interval,
        alpha=alpha_value,
        alpha_interval=alpha_interval,
    )


def _tables(both: Sequence[tuple[Any, str, str]], scale: _Scale, symmetric: bool) -> np.ndarray:
    """(prompts, k, k) counts; symmetric where first and second are arbitrary"""
    k = len(scale.labels)
    tables: dict[str, np.ndarray] = defaultdict(lambda: np.zeros((k, k)))
    for item, one, other in both:
        i, j = scale.cell(one, other)
        tables[item.prompt][i, j] += 1
        if symmetric:
            tables[item.prompt][j, i] += 1
    return np.array([tables[key] for key in sorted(tables)]).reshape(-1, k, k)


def _points(tables: np.ndarray, worth: np.ndarray) -> np.ndarray:
    """Mean points of each (…, k, k) table of counts"""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((worth * tables).sum((-2, -1)) / tables.sum((-2, -1)))


def _alpha(raters: Iterable[Rated], scale: _Scale) -> tuple[float | None, Interval]:
    k = len(scale.labels)
    counts: dict[Any, np.ndarray] = defaultdict(lambda: np.zeros(k))
    for rater in raters:
        for item, result in rater.results.items():
            counts[item][scale.labels.index(result)] += 1
    tables: dict[str, np.ndarray] = defaultdict(lambda: np.zeros((k, k)))
    for item in sorted(counts):
        tables[item.prompt] += coincidences(counts[item])
    shared = np.array([tables[key] for key in sorted(tables) if tables[key].any()]).reshape(-1, k, k)
    return value_of(partial(alpha, ordinal=scale.ordinal), shared)
