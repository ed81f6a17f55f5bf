"""What an arm of an experiment is, and which evaluations it can be run with.

This module does not know which arms exist, how they are run or what they are compared for.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

CONVERSATIONS, TEN, PROMPTS, EPOCHS, GAIN = "conversations", "ten", "prompts", "epochs", "gain"
GREEDY = {"temperature": 0.0, "top_p": 1.0, "repetition_penalty": 1.0, "max_new_tokens": 64}


@dataclass(frozen=True)
class ArmSpec:
    """One thing to fine-tune, or only to ask, with some seeds."""

    name: str
    text: str
    """a description in one line"""
    sources: tuple[str, ...]
    """training data; empty for an arm that is only asked"""
    held: tuple[str, ...]
    """evaluations: CONVERSATIONS, TEN, PROMPTS, EPOCHS (conversations with the checkpoint of every epoch), or GAIN"""
    seconds: int
    """rough time for one seed on one core: the longest jobs start first"""
    changes: dict[str, Any] = field(default_factory=dict)
    """recipe keys that differ from `recipe.toml`"""
    model: str = ""
    """the model to ask if nothing is trained"""
    seeds: int = 2
    """number of fine-tunes; three where the paper's main claim is tested"""

    def settings(self) -> dict[str, Any]:
        """What decides the arm's results, JSON-ready"""
        return {key: value for key, value in asdict(self).items() if key not in ("text", "seconds")}


@dataclass(frozen=True)
class Sets:
    """Which evaluation each role of `ArmSpec.held` stands for; an empty name means none."""

    conversations: str
    prompts: str
    ten: str = ""
    epochs: str = "village-validation"
    """a checkpoint is chosen on data that no test contains (LIMA App. B)"""
    gain: str = ""
    """whose reference answers history gain is measured on"""
