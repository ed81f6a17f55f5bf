"""What is gained by choosing among checkpoints: honestly, by other prompts, and by the very prompts that are reported.

LIMA §3 chooses one of fifteen epochs by hand on a dev set; who chooses by the test set reports too much. Knows nothing of what
the checkpoints are.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

SPLITS = 2_000
DEFINITIONS = {
    "optimism": f"Over {SPLITS:,} random halvings of the prompts (seed 0) into dev and test: the test mean of the checkpoint "
    "that is best on the test half, minus that of the one that is best on the dev half (the earlier of equals). Mean over "
    "halvings, and their middle 95 %, which is a spread and not a confidence interval: halvings share prompts.",
    "chosen": "In how many of the halvings the checkpoint was the best on the dev half.",
}


@dataclass(frozen=True)
class Choice:
    """What choosing does"""

    names: tuple[str, ...]
    units: int
    naive: float
    "Mean over halvings of the test mean of the best on the test half"
    honest: float
    "Of the best on the dev half"
    last: float
    "Of the last checkpoint, without choosing"
    optimism: float
    spread: tuple[float, float]
    chosen: Mapping[str, int]


def choice(scores: Mapping[str, Mapping[str, float]]) -> Choice | None:
    """What choosing among checkpoints does, from their scores by prompt; None for fewer than two of either"""
    names = list(scores)
    units = [unit for unit in scores[names[0]] if all(unit in scores[name] for name in names)] if names else []
    if len(names) < 2 or len(units) < 2:
        return None
    values = np.array([[scores[name][unit] for unit in units] for name in names])  # (checkpoints, prompts)
    dev, test = _halves(values)
    best, picked = test.max(0), dev.argmax(0)
    honest = test[picked, np.arange(SPLITS)]
    counts = np.bincount(picked, minlength=len(names))
    low, high = np.percentile(best - honest, [2.5, 97.5])
    return Choice(
        names=tuple(names),
        units=len(units),
        naive=float(best.mean()),
        honest=float(honest.mean()),
        last=float(test[-1].mean()),
        optimism=float((best - honest).mean()),
        spread=(float(low), float(high)),
        chosen={name: int(count) for name, count in zip(names, counts, strict=True)},
    )


def _halves(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(checkpoints, halvings) means on the dev and on the test halves"""
    rng, n = np.random.default_rng(0), values.shape[1]
    picked = np.zeros((SPLITS, n), dtype=bool)
    for row in picked:
        row[rng.permutation(n)[: n // 2]] = True
    dev = values @ picked.T / (n // 2)
    test = values @ ~picked.T / (n - n // 2)
    return dev, test
