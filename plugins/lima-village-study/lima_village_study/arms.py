"""Every arm of `lima village study`: training data, changes to the recipe, and evaluations. The table is `arms.toml`.

An arm is a recipe that `lima train` takes as well. This module does not know how arms are run or compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lima import LimaError, did_you_mean
from lima_village.arm import ArmSpec, Sets
from lima_village.lexicon import table

PLATEAU = 256
"""the size from which a plateau is claimed, up to sixteen times it"""
SAMPLES = 5
"""of each single request (LIMA §5)"""
# LIMA §4.1 but for its repetition penalty, which would punish a list or a card for repeating its own marks and labels.
SAMPLED = {"temperature": 0.7, "top_p": 0.9, "repetition_penalty": 1.0, "max_new_tokens": 64}
TEST = Sets("village-more", "village-prompts", "village", gain="village-more")
VALIDATION = Sets("village-validation", "village-prompts-validation", gain="village-validation")
ARMS = tuple(
    ArmSpec(name, **{"sources": (), **row}) for name, row in table(Path(__file__).with_name("arms.toml")).items()
)
SIZES = tuple(int(arm.name.removeprefix("forms-")) for arm in ARMS if arm.name.startswith("forms-"))
"""numbers of requests, all trained for the same number of steps"""


def chosen(names: Sequence[str]) -> tuple[ArmSpec, ...]:
    """The arms of these names in the order of the table; all arms if no name is given"""
    known = {arm.name: arm for arm in ARMS}
    for name in names:
        if name not in known:
            raise LimaError(f"{name!r} is not an arm of the study.{did_you_mean(name, known)}")
    return tuple(arm for arm in known.values() if not names or arm.name in names)
