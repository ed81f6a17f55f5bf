"""How far raters agree: Cohen's kappa, Krippendorff's alpha, and intervals for both by resampling items.

Works on counts alone. Knows nothing of grades' names, of raters or databases.
"""

from collections.abc import Callable

import numpy as np

FEWEST_ITEMS = 30
"Items from which a coefficient has an interval: a bootstrap over fewer is too narrow"
DRAWS, SEED = 9_999, 0
Interval = tuple[float, float]


def kappa(tables: np.ndarray, ordinal: bool = True) -> np.ndarray:
    """Cohen's kappa of each (…, k, k) table of counts, with quadratic weights; not ordinal: every disagreement counts 1

    NaN if chance leaves no disagreement, for example if both raters give one grade only."""
    grades = np.arange(tables.shape[-1])
    apart = grades[:, None] - grades
    weights = apart**2 if ordinal else apart != 0  # (k, k): 0 on the diagonal, 4 between the ends of three
    by_chance = (weights * tables.sum(-1)[..., :, None] * tables.sum(-2)[..., None, :]).sum((-2, -1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(1 - tables.sum((-2, -1)) * (weights * tables).sum((-2, -1)) / by_chance)


def coincidences(counts: np.ndarray) -> np.ndarray:
    """(…, units, k) counts of raters by value → (…, units, k, k) coincidences of a unit; a unit with one rating gives none

    Krippendorff, Content Analysis (4th ed.), 12.3.4: each ordered pair of different raters counts 1 / (m − 1), where m have
    rated the unit."""
    m = counts.sum(-1)
    pairs = counts[..., :, None] * counts[..., None, :] - np.eye(counts.shape[-1]) * counts[..., :, None]
    return np.where(m[..., None, None] > 1, pairs / np.maximum(m - 1, 1)[..., None, None], 0.0)


def alpha(summed: np.ndarray, ordinal: bool = True) -> np.ndarray:
    """Krippendorff's alpha of each (…, k, k) table of summed coincidences: 1 − observed / expected disagreement

    Ordinal: two values differ by the squared number of ratings from one to the other, each end counted half. Nominal: by 1.
    NaN where only one value occurs."""
    n_of = summed.sum(-1)  # (…, k)
    n = n_of.sum(-1)
    if ordinal:
        rank = np.cumsum(n_of, -1) - n_of / 2  # a value's middle place among all ratings in order
        distance = (rank[..., :, None] - rank[..., None, :]) ** 2
    else:
        distance = 1 - np.eye(summed.shape[-1])
    observed = (summed * distance).sum((-2, -1))
    expected = (n_of[..., :, None] * n_of[..., None, :] * distance).sum((-2, -1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(1 - (n - 1) * observed / expected)


def value_of(
    coefficient: Callable[[np.ndarray], np.ndarray], items: np.ndarray
) -> tuple[float | None, Interval | None]:
    """A coefficient of the sum of (items, k, k) counts, and its 95 % percentile interval over resampled items

    None where it is undefined. No interval below 30 items, without a disagreement, or where a draw leaves it undefined."""
    size = items.shape[-1]
    whole = items.sum(0) if len(items) else np.zeros((size, size))
    value = float(coefficient(whole))
    if np.isnan(value):
        return None, None
    disputed = len(items) >= FEWEST_ITEMS and np.trace(whole) < whole.sum()
    return value, bootstrap(coefficient, items) if disputed else None


def bootstrap(coefficient: Callable[[np.ndarray], np.ndarray], items: np.ndarray) -> Interval | None:
    """95 % percentile interval of a coefficient over resampled items, from (items, k, k); None if a draw leaves it undefined"""
    n, size = items.shape[0], items.shape[-1]
    draw, flat = np.random.default_rng(SEED), items.reshape(n, -1)
    found, left = [], DRAWS
    while left:
        some = min(left, max(1, 4_000_000 // n))
        drawn = (
            draw.integers(n, size=(some, n)) + n * np.arange(some)[:, None]
        )  # (draws, items), of which each row has its own
        often = np.bincount(drawn.ravel(), minlength=some * n).reshape(some, n).astype(float)
        found.append(coefficient((often @ flat).reshape(-1, size, size)))
        left -= some
    low, high = np.percentile(np.concatenate(found), (2.5, 97.5))
    return None if np.isnan(low + high) else (float(low), float(high))
