"""The perplexity of held-out answers, in the wording that fine-tuning shows and in the others of the corpus (LIMA App. B).

What a model answers is none of its business; it only asks how far a text surprises it.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from lima_village.conversations import scripts
from lima_village.talk import Exchange
from lima_village.world import BY_NAME, village

if TYPE_CHECKING:
    from lima.generate import CheckpointModel
    from lima_chat import Conversation

NUMBER = 50
"""validation conversations, as many as LIMA has dev prompts"""
MEASURE = "lima_village_study.perplexity:perplexity"
"""how a worker process finds it"""
TRAINED, OTHER = "perplexity of answers as trained", "perplexity of answers in other words"


def perplexity(model: CheckpointModel, text: str) -> float:
    """exp of the mean loss over the tokens of the answers, TRAINED or OTHER"""
    from lima import dev

    rendered = [model.renderer.render(one, model.tokenizer, model.eot) for one in _conversations(text == OTHER)]
    return dev.perplexity(model.model, rendered, model.device)


def _conversations(other: bool) -> list[Conversation]:
    """The first validation conversations with the facts' answers"""
    from lima_chat import Conversation, Turn

    found = []
    for script in scripts("village-validation")[:NUMBER]:
        rng = random.Random(f"other words {script.id}")
        turns: list[Any] = []
        for exchange in script.exchanges:
            answer = _in_other_words(rng, exchange) if other else exchange.reply
            turns += [Turn("user", exchange.user), Turn("assistant", answer)]
        found.append(Conversation(id=script.id, turns=tuple(turns)))
    return found


def _in_other_words(rng: random.Random, exchange: Exchange) -> str:
    """An answer in sentences as another statement of the same facts; lists, cards and bare values have no other form"""
    if exchange.forms[0] != "sentence":
        return exchange.reply
    facts = (*exchange.bridge, *exchange.facts)
    return " ".join(village().state(fact, rng.randrange(1, len(BY_NAME[fact.attribute].statements))) for fact in facts)
