"""How far the grader agrees with an annotator, who labelled each reply after reading it and before the grader was run on it.

Each line of `labels.jsonl` has what is needed to grade a reply again: what was said before, what was asked for, the reply, its
label and the annotator's reason. Sample 1 was used to fix the grader, sample 2 a little as well; sample 3 came after that and
changed nothing. Replies of origin "written" come from no model: they were written to deceive a grader. Some of them later became
sentences that the grader knows (`Attribute.also`), so the agreement on them is partly fitted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lima import GRADES
from lima_dialogue_eval.statistics import wilson
from lima_village.grader import judge

LABELS = Path(__file__).with_name("labels.jsonl")
ORIGINS = ("model", "written")
SAMPLES = (1, 2, 3)
DRAWS = 9_999
SEED = 0
DEFINITION = (
    "Accuracy: the share of the replies that get the annotator's grade, with its 95 % Wilson interval. Kappa: Cohen's, quadratic "
    f"weights over fail, pass, excellent; 95 % percentile bootstrap over the replies, {DRAWS:,} draws, seed {SEED}; no interval "
    "if no reply is disputed."
)


@dataclass(frozen=True)
class Agreement:
    """How two raters agree on the same replies"""

    name: str
    table: np.ndarray
    """(3, 3) counts: the annotator's grade by row, the grader's by column, excellent first"""

    @property
    def n(self) -> int:
        return int(self.table.sum())

    @property
    def sentence(self) -> str:
        """The errors that matter most, in a sentence"""
        _, _, (excellent, passed, right) = self.table
        let_through, wrongly = excellent + passed, self.table[:2, 2].sum()
        return (
            f"Of {let_through + right} replies that the annotator fails, the grader lets {let_through} through; "
            f"it fails {wrongly} of the {self.n - let_through - right} others."
        )

    def as_row(self) -> dict[str, Any]:
        """The figures as a line of a table, intervals as text"""
        figures = self.as_dict()
        texts = {key: _text(figures[key], figures[f"{key}_interval"]) for key in ("accuracy", "kappa")}
        return {"replies": self.name, "n": self.n, **texts}

    def as_table(self) -> list[dict[str, Any]]:
        """The confusion table, a line for each grade of the annotator"""
        return [
            {"annotator": label, **{f"grader_{grade}": n for grade, n in row.items()}}
            for label, row in self.as_dict()["table"].items()
        ]

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready; an undefined figure is None"""
        right, value = int(np.trace(self.table)), float(kappa(self.table))
        return {
            "replies": self.name,
            "n": self.n,
            "accuracy": right / self.n,
            "accuracy_interval": wilson(right, self.n),
            "kappa": None if np.isnan(value) else value,
            "kappa_interval": bootstrap(self.table),
            "table": {
                label: dict(zip(GRADES, row, strict=True))
                for label, row in zip(GRADES, self.table.tolist(), strict=True)
            },
        }


def labels() -> list[dict[str, Any]]:
    """Every labelled reply, in the file's order"""
    return [json.loads(line) for line in LABELS.read_text(encoding="utf-8").splitlines()]


def graded(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with the grader's own grade and reason beside the label"""
    verdicts = ((row, judge(row["facts"], row["reply"], row["stop"])) for row in rows)
    return [{**row, "grade": grade, "reason": reason} for row, (grade, reason) in verdicts]


def agreements(rows: Sequence[dict[str, Any]]) -> list[Agreement]:
    """The agreement on all rows, then on each sample and origin that occurs"""
    groups = {"all": list(rows)}
    for sample in SAMPLES:
        for origin in ORIGINS:
            groups[f"sample {sample}, {origin}"] = [r for r in rows if (r["sample"], r["origin"]) == (sample, origin)]
    return [Agreement(name, tabulate((r["label"], r["grade"]) for r in some)) for name, some in groups.items() if some]


def tabulate(pairs: Iterable[tuple[str, str]]) -> np.ndarray:
    """(3, 3) counts of (label, grade)"""
    table = np.zeros((3, 3), dtype=int)
    for label, grade in pairs:
        table[GRADES.index(label), GRADES.index(grade)] += 1
    return table


def kappa(tables: np.ndarray) -> np.ndarray:
    """Cohen's kappa of each (…, 3, 3) table, with quadratic weights

    NaN if chance leaves no disagreement, for example if both raters give one grade only."""
    grades = np.arange(tables.shape[-1])
    weights = (grades[:, None] - grades) ** 2  # (3, 3): 0 on the diagonal, 4 between fail and excellent
    by_chance = (weights * tables.sum(-1)[..., :, None] * tables.sum(-2)[..., None, :]).sum((-2, -1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return 1 - tables.sum((-2, -1)) * (weights * tables).sum((-2, -1)) / by_chance


def bootstrap(table: np.ndarray, seed: int = SEED) -> tuple[float, float] | None:
    """95 % percentile interval of kappa over resampled replies; None if no reply is disputed or kappa is undefined for a draw"""
    n = int(table.sum())
    if n == np.trace(table):
        return None
    drawn = np.random.default_rng(seed).multinomial(n, table.ravel() / n, size=DRAWS).reshape(-1, *table.shape)
    low, high = np.percentile(kappa(drawn), (2.5, 97.5))
    return None if np.isnan(low + high) else (float(low), float(high))


def _text(value: float | None, interval: tuple[float, float] | None) -> str:
    if value is None:
        return "undefined"
    return f"{value:.3f}" + (f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else "")
