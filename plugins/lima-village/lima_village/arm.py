"""What an arm of an experiment is, and which evaluations it can be held with.

Knows nothing of which arms there are, of how they are run or of what they are compared for.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

CONVERSATIONS, TEN, PROMPTS, EPOCHS = "conversations", "ten", "prompts", "epochs"
GREEDY = {"temperature": 0.0, "top_p": 1.0, "repetition_penalty": 1.0, "max_new_tokens": 64}


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One thing that is trained, or only asked, with some seeds."""

    name: str
    text: str
    """what it is, in a line"""
    seconds: int
    """that one seed takes on one core, about: the longest go first"""
    held: tuple[str, ...]
    """what is held with it: CONVERSATIONS, TEN, PROMPTS, or EPOCHS (conversations with the checkpoint of every epoch)"""
    sources: tuple[str, ...] = ()
    """what it is trained on; nothing for one that is only asked"""
    changes: dict[str, Any] = field(default_factory=dict)
    """keys of the recipe that differ from `recipe.toml`"""
    model: str = ""
    """what is asked where nothing is trained"""
    seeds: int = 2
    """of the fine-tune; three where the paper's main claim is tested"""


@dataclass(frozen=True)
class Sets:
    """Which evaluation is held where an arm says CONVERSATIONS, PROMPTS, TEN or EPOCHS; without a name nothing is."""

    conversations: str
    prompts: str
    ten: str = ""
    epochs: str = "village-validation"
    """a checkpoint is chosen on what no test holds (LIMA App. B)"""


def as_settings(arm: Arm) -> dict[str, Any]:
    """What decides the arm's results, JSON-ready"""
    return {key: value for key, value in asdict(arm).items() if key not in ("text", "seconds")}
