"""The held-out conversations: a validation set for tuning, the test of ten, and a larger test of the same kind.

No training dialogue mentions their entities, uses their wordings or follows one of their plans (the kinds of the exchanges in
order); validation and test share none of these either. This module does not know who answers.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache
from typing import Any

from lima_chat import EvalConversation, EvalTurn
from lima_village.dialogues import Dialogue, dialogues, hold
from lima_village.talk import Exchange, Talk
from lima_village.world import KINDS, Fact, held_out, village, with_siblings

SIZES = {"village-validation": 150, "village": 10, "village-more": 150}
SEEDS = {"village-validation": 13, "village": 51, "village-more": 51}
TRAINED = 100
"""the first training dialogues, none of which has the plan of a held-out conversation"""
FORM_NAMES = {
    "sentence": "in a sentence that names or clearly means its subject",
    "bare": "as the bare value",
    "list": "as a list, a line for each name",
    "card": "as a card, a line for each label",
}


@cache
def cast_of(split: str) -> frozenset[str]:
    """The held-out names of one split: a third for validation, the rest for the test, siblings together"""
    chosen = set[str]()
    for kind in KINDS:
        names = [entity.name for entity in village().of_kind(kind) if entity.name in held_out()]
        chosen |= with_siblings(names, len(names) // 3)
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
    others = frozenset(world.entities) - cast_of(split)  # neither a hop nor an answer may name one of these
    first = SIZES["village"] if name == "village-more" else 0  # the larger set continues after the ten
    found: list[Dialogue] = []
    turn = 0
    while len(found) < first + SIZES[name]:
        rng = random.Random(f"conversation {split} {SEEDS[name]} {turn}")
        number = len(found) - first + 1
        dialogue = hold(Talk(world, rng, split, cast, banned=others), rng, f"{name}-{number:03d}")
        turn += 1
        if dialogue and dialogue.plan not in taken:
            found.append(dialogue)
    return tuple(found[first:])


def conversations(name: str) -> list[EvalConversation]:
    """One evaluation's conversations as lima-chat's types"""
    return [as_evaluation(script.id, script.exchanges) for script in scripts(name)]


def as_evaluation(id: str, exchanges: Sequence[Exchange]) -> EvalConversation:
    """Exchanges as a conversation for a model to hold, with what the grader needs"""
    turns = tuple(
        EvalTurn(user=e.user, kind=e.kind, requirements=_requirements(e), facts=as_facts(e)) for e in exchanges
    )
    return EvalConversation(id=id, topic=village()[exchanges[0].facts[0].subject].phrase, turns=turns)


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


def _requirements(exchange: Exchange) -> tuple[dict[str, Any], ...]:
    """What the facts and the form require, as sentences for the reader of the report"""
    facts = [{"text": f"It is stated that: {village().state(fact)}", "must": True} for fact in exchange.facts]
    form = " or ".join(FORM_NAMES[form] for form in exchange.forms)
    return (*facts, {"text": f"It is said {form}, with nothing wrong beside it", "must": False})
