"""How far raters agree, for every pair of groups: tie-discounted accuracy (LIMA §4), kappa, alpha.

An item is one system against the study's on one prompt. Intervals resample prompts, so that the systems of a prompt stay
together. Knows nothing of wins.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations_with_replacement

import numpy as np

from lima_dialogue_eval import alpha, coincidences, kappa, tie_discounted_accuracy, value_of
from lima_studies.figures.choices import RESULTS, TIE, Chooser, Item

DEFINITIONS = {
    "tie-discounted accuracy": "1 where both say the same, ½ where exactly one says neither, else 0; the mean over all pairs of "
    "raters and what both looked at (LIMA §4). 95 % percentile bootstrap over prompts, from 30 prompts on.",
    "agreement": "The same without the half points: 1 where both say the same, else 0.",
    "kappa": "Cohen's kappa, nominal, over the three answers, all pairs of raters in one table; undefined where one of the two "
    "groups gave one answer only. Interval as above.",
    "alpha": "Krippendorff's alpha, nominal, over all raters of both groups; what only one of them looked at is not in it. "
    "Interval as above.",
}
_PLACE = {result: place for place, result in enumerate(RESULTS)}
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


def agreements(found: Sequence[Chooser], teams: Sequence[str] | None = None) -> list[Agreement]:
    """Every pair of groups that has something in common; a group with itself where it has several raters"""
    groups = list(dict.fromkeys(c.team for c in found)) if teams is None else list(teams)
    of = {group: [c for c in found if c.team == group] for group in groups}
    every = [_agreement(a, b, of[a], of[b]) for a, b in combinations_with_replacement(groups, 2)]
    return [one for one in every if one.items]


def _agreement(a: str, b: str, first: Sequence[Chooser], second: Sequence[Chooser]) -> Agreement:
    pairs = [(x, y) for i, x in enumerate(first) for j, y in enumerate(second) if a != b or i < j]
    shared = [(x, y, sorted(x.results.keys() & y.results.keys())) for x, y in pairs]
    both = [(item, x.results[item], y.results[item]) for x, y, items in shared for item in items]
    tables: dict[str, np.ndarray] = defaultdict(lambda: np.zeros((3, 3)))
    for item, one, other in both:
        cell = _PLACE[one], _PLACE[other]
        for i, j in (cell, cell[::-1]) if a == b else (cell,):
            tables[item.prompt][i, j] += 1
    counted = np.array([tables[key] for key in sorted(tables)]).reshape(-1, 3, 3)
    whole = counted.sum(0)
    varied = min((whole.sum(axis) > 0).sum() for axis in (0, 1)) > 1
    kappa_value, kappa_interval = value_of(partial(kappa, ordinal=False), counted) if varied else (None, None)
    alpha_value, alpha_interval = _alpha({c.name: c for c in (*first, *second)}.values())
    said = [[one for _, one, _ in both], [other for _, _, other in both]]
    return Agreement(
        groups=(a, b),
        pairs=sum(bool(items) for *_, items in shared),
        items=len(both),
        prompts=len(tables),
        discounted=tie_discounted_accuracy(*said, tie=TIE),
        discounted_interval=value_of(_discounted, counted)[1],
        agreement=sum(one == other for _, one, other in both) / len(both) if both else None,
        kappa=kappa_value,
        kappa_interval=kappa_interval,
        alpha=alpha_value,
        alpha_interval=alpha_interval,
    )


def _discounted(tables: np.ndarray) -> np.ndarray:
    """Tie-discounted accuracy of each (…, 3, 3) table of counts: win, tie, lose"""
    worth = np.array([[1.0, 0.5, 0.0], [0.5, 1.0, 0.5], [0.0, 0.5, 1.0]])
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((worth * tables).sum((-2, -1)) / tables.sum((-2, -1)))


def _alpha(raters: Iterable[Chooser]) -> tuple[float | None, Interval]:
    counts: dict[Item, np.ndarray] = defaultdict(lambda: np.zeros(3))
    for rater in raters:
        for item, result in rater.results.items():
            counts[item][_PLACE[result]] += 1
    tables: dict[str, np.ndarray] = defaultdict(lambda: np.zeros((3, 3)))
    for item in sorted(counts):
        tables[item.prompt] += coincidences(counts[item])
    shared = np.array([tables[key] for key in sorted(tables) if tables[key].any()]).reshape(-1, 3, 3)
    return value_of(partial(alpha, ordinal=False), shared)
