"""Scores over sizes: the change a doubling, a curve that levels off, and from which size on there is a plateau.

The line is fitted prompt by prompt, so that its interval is over prompts; the curve's interval redraws prompts and fine-tunes.
Knows nothing of what a size is of.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lima_dialogue_eval import t_interval
from lima_studies.scores.comparing import DRAWS, compared, drawn_weights, table
from lima_studies.scores.scores import Interval, Scale, Scores

RATES = np.geomspace(0.03, 4.0, 80)
"Powers that are tried for the curve"
LEAST_SIZES = 4
"With fewer sizes no curve is fitted: it has three numbers of its own"
DEFINITIONS = {
    "change a doubling": "Slope of the score over log2 of the size, by least squares for each prompt (samples and fine-tunes "
    "averaged first), then the mean over prompts. 95 % t interval over prompts, for the fine-tunes that were run; after the "
    f"slash the middle 95 % of {DRAWS:,} draws with seed 0 of prompts and of each size's fine-tunes.",
    "curve": "c − a · (size / smallest size)^(−r) by least squares on the means of the sizes; r is the best of "
    f"{len(RATES)} from {RATES[0]:g} to {RATES[-1]:g}. The middle 95 % of the same draws, each fitted again. It is fitted to "
    f"{LEAST_SIZES} sizes or more, and says nothing outside of them.",
    "against the largest": "Mean paired difference of the largest size minus this one, over prompts; intervals as for a "
    "difference.",
    "plateau": "The smallest size such that for it, and for every larger one, the whole interval of the largest minus it lies "
    "within a twentieth of the scale of zero, the one with fine-tunes redrawn where there is one. Where there is none, a "
    "plateau is not shown; that is not the same as that there is none.",
}


@dataclass(frozen=True)
class Step:
    """The largest size minus another"""

    size: int
    difference: float
    interval: Interval
    "The one that decides"


@dataclass(frozen=True)
class Curve:
    """What scores over sizes show"""

    slope: float
    slope_interval: Interval
    slope_redrawn: Interval
    units: int
    fitted: Mapping[int, tuple[float, Interval]]
    "The curve at each size; empty where there are too few"
    numbers: tuple[float, float, float] | None
    "c, a and r of the curve"
    steps: tuple[Step, ...]
    plateau: int | None


def curve_of(arms: Sequence[tuple[int, Scores]], scale: Scale) -> Curve | None:
    """The figures of at least two sizes with prompts in common, smallest first; None for fewer"""
    arms = sorted(arms, key=lambda one: one[0])
    by_unit = [scores.by_unit() for _, scores in arms]
    units = [unit for unit in by_unit[0] if all(unit in some for some in by_unit)] if arms else []
    if len({size for size, _ in arms}) < 2 or not units:
        return None
    sizes = np.array([size for size, _ in arms], dtype=float)
    values = np.array([[some[unit] for unit in units] for some in by_unit])  # (sizes, prompts)
    slopes = _slopes(np.log2(sizes), values)
    drawn = _drawn([scores for _, scores in arms], units)
    redrawn = _middle(_slopes(np.log2(sizes), drawn.T)) if min(scores.tunes for _, scores in arms) > 1 else None
    fitted, numbers = _curve(sizes, values.mean(1), drawn)
    steps = _steps(arms)
    return Curve(
        slope=float(slopes.mean()),
        slope_interval=t_interval(slopes.tolist()) if np.ptp(slopes) > 1e-12 else None,
        slope_redrawn=redrawn,
        units=len(units),
        fitted=fitted,
        numbers=numbers,
        steps=steps,
        plateau=plateau(steps, scale.margin),
    )


def _slopes(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Least-squares slopes of y (sizes, any) over x (sizes)"""
    centred = x - x.mean()
    return np.asarray(centred @ y / (centred**2).sum())


def _drawn(arms: Sequence[Scores], units: Sequence[str]) -> np.ndarray:
    """(draws, sizes) means when prompts, the same for all sizes, and each size's fine-tunes are resampled"""
    rng = np.random.default_rng(0)
    weights = drawn_weights(rng, len(units), DRAWS)
    means = [((drawn_weights(rng, arm.tunes, DRAWS) @ table(arm, units)) * weights).sum(1) for arm in arms]
    return np.stack(means, axis=1)


def _middle(values: np.ndarray) -> tuple[float, float]:
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def _curve(sizes: np.ndarray, means: np.ndarray, drawn: np.ndarray) -> tuple[dict[int, Any], Any]:
    if len(sizes) < LEAST_SIZES:
        return {}, None
    values, numbers = fit(sizes, means[None])
    redrawn, _ = fit(sizes, drawn)
    at = {int(n): (float(values[0, i]), _middle(redrawn[:, i])) for i, n in enumerate(sizes)}
    return at, tuple(float(x) for x in numbers[0])


def fit(sizes: np.ndarray, means: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The curve's values (draws, sizes) and its c, a, r (draws, 3), fitted to means (draws, sizes)"""
    best = np.full(len(means), np.inf)
    values, numbers = np.zeros_like(means), np.zeros((len(means), 3))
    for rate in RATES:
        design = np.stack([np.ones_like(sizes), -((sizes / sizes.min()) ** -rate)], axis=1)  # (sizes, 2)
        solved = np.linalg.lstsq(design, means.T, rcond=None)[0].T  # (draws, 2)
        found = solved @ design.T
        errors = ((found - means) ** 2).sum(1)
        better = errors < best
        best[better], values[better] = errors[better], found[better]
        numbers[better] = np.column_stack([solved[better], np.full(better.sum(), rate)])
    return values, numbers


def _steps(arms: Sequence[tuple[int, Scores]]) -> tuple[Step, ...]:
    """The largest minus each smaller one"""
    _, largest = arms[-1]
    found = []
    for size, scores in arms[:-1]:
        for one in compared([scores, largest], scores.arm):
            decides = one.redrawn or one.interval or (one.difference, one.difference)
            found.append(Step(size, one.difference, decides if one.units > 1 else None))  # one prompt shows no spread
    return tuple(found)


def plateau(steps: Sequence[Step], margin: float) -> int | None:
    """From which size on there is a plateau: by its definition"""
    found = None
    for step in sorted(steps, key=lambda one: -one.size):
        if not step.interval or step.interval[0] < -margin or step.interval[1] > margin:
            break
        found = step.size
    return found
