"""The paper's dialogue experiment on the village: two arms, held on ten conversations and if you like on more.

Knows nothing of how to run, converse, grade or compare: it calls what does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lima_village.arm import CONVERSATIONS, TEN, Arm, Sets
from lima_village.experiment import RECIPE as RECIPE
from lima_village.experiment import Experiment

ARMS = {"before": ["village-singles"], "after": ["village-singles", "village-dialogues"]}
LABELS = {"before": "1,000 singles", "after": "1,000 singles + 30 dialogues"}


def demonstration(database: Path, seeds: int, more: bool) -> Experiment:
    """The two arms: the same recipe but for the dialogues"""
    arms = [
        # The dialogues make an arm longer, and the longest go first.
        Arm(name=name, text=LABELS[name], sources=tuple(sources), held=(TEN, CONVERSATIONS), seeds=seeds, seconds=i)
        for i, (name, sources) in enumerate(ARMS.items())
    ]
    sets = Sets("village-more" if more else "", "", "village")
    return Experiment.new(database, arms, "demo", sets=sets, recipe=RECIPE)


def compared(experiment: Experiment, store: Any, evaluation: str) -> Any:
    """The comparison of both arms, seeds pooled"""
    from lima_dialogue_eval import compare

    before, after = (experiment.dialogue_runs(store, arm, evaluation) for arm in ("before", "after"))
    return compare(store, before, after)


def report_again(experiment: Experiment, store: Any, evaluation: str) -> str:
    """How to write the report of a comparison that is in the database"""
    before, after = (",".join(experiment.dialogue_runs(store, arm, evaluation)) for arm in ("before", "after"))
    return f"The replies are kept: lima dialogues report {before} {after} -d {experiment.database} --out FILE"


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
