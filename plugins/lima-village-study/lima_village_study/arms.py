"""Every arm of `lima village study`: training data, changes to the recipe, and what it is held against; the table is `arms.toml`.

An arm is a recipe that `lima train` takes as well. This module does not know how arms are run or compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lima import LimaError, did_you_mean
from lima_studies import Arm, Grid, Holding
from lima_village.experiment import GREEDY
from lima_village.lexicon import table

CONVERSATIONS, TEN, PROMPTS, EPOCHS, GAIN = "conversations", "ten", "prompts", "epochs", "gain"
"""the roles of what an arm is held against; EPOCHS are the conversations with the checkpoint of every epoch"""


@dataclass(frozen=True)
class Sets:
    """Which evaluation each role stands for; an empty name means none."""

    conversations: str
    prompts: str
    ten: str = ""
    epochs: str = "village-validation"
    """a checkpoint is chosen on data that no test contains (LIMA App. B)"""
    gain: str = ""
    """whose reference answers history gain is measured on"""


PLATEAU = 256
"""the size from which a plateau is claimed, up to sixteen times it"""
SAMPLES = 5
"""of each single request (LIMA §5)"""
# LIMA §4.1 but for its repetition penalty, which would punish a list or a card for repeating its own marks and labels.
SAMPLED = {"temperature": 0.7, "top_p": 0.9, "repetition_penalty": 1.0, "max_new_tokens": 64}
TEST = Sets("village-more", "village-prompts", "village", gain="village-more")
VALIDATION = Sets("village-validation", "village-prompts-validation", gain="village-validation")


def _arm(name: str, row: Mapping[str, Any]) -> Arm:
    trained = {"sources": row["sources"]} if "sources" in row else {}
    own = {"seeds": 2, "model": "", **{key: row[key] for key in ("text", "model", "seconds", "seeds") if key in row}}
    return Arm(name, changes={**row.get("changes", {}), **trained}, held=tuple(row["held"]), **own)


ARMS = tuple(_arm(name, row) for name, row in table(Path(__file__).with_name("arms.toml")).items())
SIZES = tuple(int(arm.name.removeprefix("forms-")) for arm in ARMS if arm.name.startswith("forms-"))
"""numbers of requests, all trained for the same number of steps"""


def chosen(names: Sequence[str]) -> tuple[Arm, ...]:
    """The arms of these names in the order of the table; all arms if no name is given"""
    known = {arm.name: arm for arm in ARMS}
    for name in names:
        if name not in known:
            raise LimaError(f"{name!r} is not an arm of the study.{did_you_mean(name, known)}")
    return tuple(arm for arm in known.values() if not names or arm.name in names)


def grid_of(arms: Sequence[Arm], sets: Sets, recipe: Mapping[str, Any]) -> Grid:
    """The arms as a grid, each held against what its roles stand for"""
    holdings = tuple(_holdings(sets))
    known = {role: [one.name for one in holdings if one.name.partition(":")[0] == role] for role in vars(sets)}
    held = [tuple(name for role in arm.held or () for name in known[role]) for arm in arms]
    own = tuple(replace(arm, held=names) for arm, names in zip(arms, held, strict=True))
    return Grid("The village's study", recipe, own, holdings=holdings)


def _holdings(sets: Sets) -> Iterator[Holding]:
    """Single requests are sampled, differently for each seed; perplexities are measured with the checkpoint of every epoch"""
    from lima_village_study import gain, perplexity

    for role, name in vars(sets).items():
        if not name:
            continue
        if role == GAIN:
            yield Holding(role, gain.named(name), measure=gain.measure)
        elif role == PROMPTS:
            yield Holding(role, name, SAMPLES, SAMPLED)
        else:
            yield Holding(role, name, sampling=GREEDY, every_epoch=role == EPOCHS)
        if role == EPOCHS:
            for text in (perplexity.TRAINED, perplexity.OTHER):
                yield Holding(f"{role}: {text}", text, every_epoch=True, measure=perplexity.perplexity)
