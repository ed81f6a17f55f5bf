"""The paper's dialogue experiment on the village: two arms, evaluated on ten conversations and optionally on more.

This module only puts things together: it does not know how to train, converse, grade or compare.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lima_village.arm import CONVERSATIONS, TEN, ArmSpec, Sets
from lima_village.experiment import RECIPE as RECIPE
from lima_village.experiment import Experiment

ARMS = {"before": ["village-singles"], "after": ["village-singles", "village-dialogues"]}
LABELS = {"before": "1,000 singles", "after": "1,000 singles + 30 dialogues"}


def demonstration(database: Path, seeds: int, more: bool) -> Experiment:
    """The two arms: one recipe, without and with the dialogues"""
    arms = [
        # With the dialogues an arm takes longer; the longest start first.
        ArmSpec(name, LABELS[name], tuple(sources), (TEN, CONVERSATIONS), seconds=i, seeds=seeds)
        for i, (name, sources) in enumerate(ARMS.items())
    ]
    sets = Sets("village-more" if more else "", "", "village")
    return Experiment.new(database, arms, "demo", sets=sets, recipe=RECIPE)


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
