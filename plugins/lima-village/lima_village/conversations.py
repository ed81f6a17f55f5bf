"""The held-out conversations: a validation set for tuning, the ten of the test, and many more of the same make.

No training dialogue mentions their entities, uses their wordings or follows one of their plans (the kinds of their exchanges in
order); validation and test share none of these either. Says what is asked and what the facts require, not who answers.
"""

from __future__ import annotations

import random
from functools import cache
from typing import TYPE_CHECKING, Any

from lima_village.dialogues import EXCHANGES, Dialogue, dialogues, hold
from lima_village.talk import Exchange, Talk
from lima_village.world import Fact, held_out, village

if TYPE_CHECKING:
    from lima_chat import EvalConversation

SIZES = {"village-validation": 150, "village": 10, "village-more": 150}
SEEDS = {"village-validation": 13, "village": 51, "village-more": 51}
TRAINED = 100
"""training dialogues at most, of which none has the plan of a held-out conversation"""
FORM_NAMES = {
    "sentence": "in a sentence that names or clearly means its subject",
    "bare": "as the bare value",
    "list": "as a list, a line for each name",
    "card": "as a card, a line for each label",
}


@cache
def cast_of(split: str) -> frozenset[str]:
    """The held-out names of one split: a third for validation, the rest for the test, siblings together"""
    world, chosen = village(), set[str]()
    for kind in ("person", "shop", "dish"):
        names = [entity.name for entity in world.of_kind(kind) if entity.name in held_out()]
        for name in names:
            if sum(other in chosen for other in names) >= len(names) // 3:
                break
            chosen |= {name, world[name].facts.get("sibling", name)}
    return frozenset(chosen) if split == "validation" else held_out() - chosen


@cache
def _trained_plans() -> frozenset[tuple[str, ...]]:
    return frozenset(dialogue.plan for dialogue in dialogues(TRAINED))


@cache
def scripts(name: str) -> tuple[Dialogue, ...]:
    """The conversations of one evaluation with the answers that the facts give"""
    split = "validation" if name == "village-validation" else "test"
    taken = set(_trained_plans())
    if split == "test":
        taken |= {dialogue.plan for dialogue in scripts("village-validation")}
    world = village()
    cast = [entity for entity in world.entities.values() if entity.name in cast_of(split)]
    others = frozenset(world.entities) - cast_of(split)  # a hop must not lead to one of them, nor an answer name one
    first = SIZES["village"] if name == "village-more" else 0  # the larger set goes on where the ten end
    found: list[Dialogue] = []
    turn = 0
    while len(found) < first + SIZES[name]:
        rng = random.Random(f"conversation {split} {SEEDS[name]} {turn}")
        number = len(found) - first + 1
        dialogue = hold(Talk(world, rng, split, cast, banned=others), rng, f"{name}-{number:03d}")
        turn += 1
        if len(dialogue.exchanges) >= EXCHANGES[0] and dialogue.plan not in taken:
            found.append(dialogue)
    return tuple(found[first:])


def conversations(name: str) -> list[EvalConversation]:
    """One evaluation's conversations as lima-chat's types"""
    from lima_chat import EvalConversation, EvalTurn

    return [
        EvalConversation(
            id=script.id,
            topic=village()[script.exchanges[0].facts[0].subject].phrase,
            turns=tuple(
                EvalTurn(
                    user=exchange.user,
                    kind=exchange.kind,
                    requirements=requirements_of(exchange),
                    facts=as_facts(exchange),
                )
                for exchange in script.exchanges
            ),
        )
        for script in scripts(name)
    ]


def as_facts(exchange: Exchange) -> dict[str, Any]:
    """What the grader needs, as plain values"""

    def plain(facts: tuple[Fact, ...]) -> list[list[str]]:
        return [[fact.subject, fact.attribute, fact.value] for fact in facts]

    return {
        "required": plain(exchange.facts),
        "bridge": plain(exchange.bridge),
        "forms": list(exchange.forms),
        "answer": exchange.reply,
    }


def requirements_of(exchange: Exchange) -> tuple[dict[str, Any], ...]:
    """What the facts and the form require, as sentences for whoever reads the report"""
    facts = [{"text": f"It is stated that: {village().state(fact)}", "must": True} for fact in exchange.facts]
    form = " or ".join(FORM_NAMES[form] for form in exchange.forms)
    return (*facts, {"text": f"It is said {form}, with nothing wrong beside it", "must": False})
