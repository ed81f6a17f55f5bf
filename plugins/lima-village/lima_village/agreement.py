"""How far the grader agrees with an annotator, who labelled replies by reading each, before the grader was run on them.

`labels.jsonl` has a reply a line with all that is needed to grade it again: what was said before, what was asked for, the reply,
its label and why. The grader was mended by sample 1, and a little more by sample 2; sample 3 came after that and mended nothing.
The replies of origin "written" are no model's: they were thought up to deceive a grader. Later some of them became sentences that
the grader knows (`Attribute.also`), so theirs is the agreement with replies that it was fitted to. Knows no model.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lima_dialogue_eval.statistics import wilson
from lima_village.grader import judge

LABELS = Path(__file__).with_name("labels.jsonl")
GRADES = ("excellent", "pass", "fail")
ORIGINS = ("model", "written")
SAMPLES = (1, 2, 3)
DRAWS = 9_999
SEED = 0
DEFINITION = (
    "Accuracy: the share of the replies that get the annotator's grade, with its 95 % Wilson interval. Kappa: Cohen's, quadratic "
    f"weights over fail, pass, excellent; 95 % percentile bootstrap over the replies, {DRAWS:,} draws, seed {SEED}; no interval "
    "where no reply is disputed."
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
        """What matters most about the errors, for people"""
        _, _, (excellent, passed, right) = self.table
        let_through, wrongly = excellent + passed, self.table[:2, 2].sum()
        return (
            f"Of {let_through + right} replies that the annotator fails the grader lets {let_through} through; "
            f"it fails {wrongly} of the {self.n - let_through - right} others."
        )

    def as_row(self) -> dict[str, Any]:
        """The figures as a line of a table, intervals as text"""
        figures = self.as_dict()
        return {
            "replies": self.name,
            "n": self.n,
            "accuracy": _text(figures["accuracy"], figures["accuracy_interval"]),
            "kappa": _text(figures["kappa"], figures["kappa_interval"]),
        }

    def as_table(self) -> list[dict[str, Any]]:
        """The confusion table, a line for each grade of the annotator"""
        return [
            {"annotator": label, **{f"grader_{grade}": n for grade, n in zip(GRADES, row, strict=True)}}
            for label, row in zip(GRADES, self.table.tolist(), strict=True)
        ]

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready; a figure that the replies leave open is None"""
        return {
            "replies": self.name,
            "n": self.n,
            "accuracy": float(np.trace(self.table) / self.n),
            "accuracy_interval": wilson(int(np.trace(self.table)), self.n),
            "kappa": None if np.isnan(value := kappa(self.table)) else float(value),
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
    return [
        dict(row, **dict(zip(("grade", "reason"), judge(row["facts"], row["reply"], row["stop"]), strict=True)))
        for row in rows
    ]


def agreements(rows: Sequence[dict[str, Any]]) -> list[Agreement]:
    """The agreement on all rows, then on each sample and origin that occurs"""
    groups = [("all", list(rows))]
    for sample in SAMPLES:
        for origin in ORIGINS:
            some = [row for row in rows if (row["sample"], row["origin"]) == (sample, origin)]
            groups += [(f"sample {sample}, {origin}", some)] if some else []
    return [Agreement(name, tabulate((row["label"], row["grade"]) for row in some)) for name, some in groups]


def tabulate(pairs: Iterable[tuple[str, str]]) -> np.ndarray:
    """(3, 3) counts of (label, grade)"""
    table = np.zeros((3, 3), dtype=int)
    for label, grade in pairs:
        table[GRADES.index(label), GRADES.index(grade)] += 1
    return table


def kappa(tables: np.ndarray) -> np.ndarray:
    """(…) Cohen's kappa of each (…, 3, 3) table, with quadratic weights

    Not a number where chance leaves no disagreement, as when both raters give one grade only."""
    grades = np.arange(tables.shape[-1])
    weights = (grades[:, None] - grades) ** 2  # (3, 3): 0 on the diagonal, 4 between fail and excellent
    by_chance = (weights * tables.sum(-1)[..., :, None] * tables.sum(-2)[..., None, :]).sum((-2, -1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return 1 - tables.sum((-2, -1)) * (weights * tables).sum((-2, -1)) / by_chance


def bootstrap(table: np.ndarray, seed: int = SEED) -> tuple[float, float] | None:
    """95 % percentile interval of kappa over drawn replies; None where nothing is disputed, or some draws leave kappa open"""
    n = int(table.sum())
    if n == np.trace(table):
        return None
    drawn = np.random.default_rng(seed).multinomial(n, table.ravel() / n, size=DRAWS).reshape(-1, *table.shape)
    low, high = np.percentile(kappa(drawn), (2.5, 97.5))
    return None if np.isnan(low + high) else (float(low), float(high))


def _text(value: float | None, around: tuple[float, float] | None) -> str:
    if value is None:
        return "undefined"
    return f"{value:.3f}" + (f" ({around[0]:.3f} to {around[1]:.3f})" if around else "")
