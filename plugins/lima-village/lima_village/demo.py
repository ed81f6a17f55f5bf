"""The paper's dialogue experiment on the village: two arms, evaluated on ten conversations and optionally on more.

This module only puts things together: it does not know how to train, converse, grade or compare.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lima_village.experiment import GREEDY, Experiment, recipe_of
from lima_village.experiment import RECIPE as RECIPE

ARMS = {"before": ["village-singles"], "after": ["village-singles", "village-dialogues"]}
LABELS = {"before": "1,000 singles", "after": "1,000 singles + 30 dialogues"}


def demonstration(database: Path, seeds: int, more: bool) -> Experiment:
    """The two arms: one recipe, without and with the dialogues"""
    from lima_studies import Arm, Grid, Holding

    arms = tuple(
        # With the dialogues an arm takes longer; the longest start first.
        Arm(name, LABELS[name], {"sources": sources}, seconds=i)
        for i, (name, sources) in enumerate(ARMS.items())
    )
    names = ("village", "village-more") if more else ("village",)
    holdings = tuple(Holding(name, name, sampling=GREEDY) for name in names)
    title = "The village before and after 30 dialogues"
    return Experiment.of(database, Grid(title, recipe_of(RECIPE), arms, seeds=seeds, holdings=holdings), "demo")


def compared(experiment: Experiment, store: Any, evaluation: str) -> Any:
    """The comparison of both arms, fine-tunes pooled"""
    from lima_dialogue_eval import compare

    before, after = (experiment.dialogue_runs(store, arm, evaluation) for arm in ("before", "after"))
    return compare(store, before, after, pool_anyway=True)


def report_again(experiment: Experiment, store: Any, evaluation: str) -> str:
    """How to write the report of a comparison that is in the database"""
    before, after = (",".join(experiment.dialogue_runs(store, arm, evaluation)) for arm in ("before", "after"))
    options = f"--pool-anyway --beside-paper -d {experiment.database} --out FILE"
    return f"The replies are saved: lima dialogues report {before} {after} {options}"


def result(comparison: Any) -> dict[str, Any]:
    """The counts of a comparison, as `lima demo --json` prints them"""

    def counts(arm: Any) -> dict[str, int]:
        return {"excellent": arm.excellent, "pass": arm.passed, "fail": arm.fail, "turns": arm.turns}

    return {
        "before": counts(comparison.before),
        "after": counts(comparison.after),
        "conversations": {"better": comparison.better, "tied": comparison.tied, "worse": comparison.worse},
        "p_value": comparison.p_value,
    }
