"""The perplexity of held-out answers, in the wording of the fine-tuning data and in others of the corpus (LIMA App. B).

It measures how much a text surprises a model; what the model itself answers does not matter here.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from lima_chat import Conversation, Turn
from lima_village.conversations import scripts
from lima_village.talk import Exchange
from lima_village.world import BY_NAME, village

if TYPE_CHECKING:
    from lima import CheckpointModel, Store

NUMBER = 50
"""validation conversations, as many as LIMA has dev prompts"""
TRAINED, OTHER = "perplexity of answers as trained", "perplexity of answers in other words"


def perplexity(model: CheckpointModel, text: str, store: Store | None = None, run: str | None = None) -> float:
    """exp of the mean loss over the tokens of the answers, TRAINED or OTHER; nothing more is recorded of it"""
    from lima import as_rows
    from lima import perplexity as measured

    rendered = (model.renderer.render(one, model.tokenizer, model.eot) for one in _conversations(text == OTHER))
    return measured(model.model, [row for rows in rendered for row in as_rows(rows)], model.device)


def _conversations(other: bool) -> list[Conversation]:
    """The first validation conversations with the answers that the facts give"""
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
    """An answer in sentences as other statements of the same facts; lists, cards and bare values have only one wording"""
    if exchange.forms[0] != "sentence":
        return exchange.reply
    facts = (*exchange.bridge, *exchange.facts)
    return " ".join(village().state(fact, rng.randrange(1, len(BY_NAME[fact.attribute].statements))) for fact in facts)
