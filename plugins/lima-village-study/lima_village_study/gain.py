"""History gain of the study's arms, on held-out conversations with the answers that the facts give.

The measure itself is lima-dialogue-eval's; the village is its control, since there the effect of dialogues is known from the
grades. Knows nothing of what the arms are meant to show.
"""

from __future__ import annotations

import time
from statistics import fmean
from typing import TYPE_CHECKING

from lima_village.registered import HeldOut

if TYPE_CHECKING:
    from lima import CheckpointModel, Store

NUMBER, OTHERS = 50, 2
"""conversations, and histories of others that are swapped in for each answer"""
_ON = "history gain on "


def named(conversations: str) -> str:
    """What the measure is called in the rows of a study"""
    return f"{_ON}{conversations}"


def source(conversations: str) -> str:
    """The source whose conversations it is measured on"""
    return f"{HeldOut().name}:{conversations}"


def measure(model: CheckpointModel, what: str, store: Store, run: str | None) -> float:
    """Nats per token over no history, mean over conversations; every answer's figures are written to the store"""
    from lima_dialogue_eval import by_conversation, gains, write_gain

    conversations = what.removeprefix(_ON)
    started = time.monotonic()
    answers = gains(model, list(HeldOut().examples(conversations))[:NUMBER], others=OTHERS)
    about = {"model": model.name, "run": run, "renderer": model.renderer.name, "source": source(conversations)}
    write_gain(store, {**about, "others": OTHERS, "seed": 0}, answers, time.monotonic() - started)
    return fmean(by_conversation(answers, lambda answer: answer.over_none).values())
