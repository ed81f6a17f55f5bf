"""The 1,000 single-turn examples, each a request and its answer, and the six forms that a request can have.

Together they name every entity of the village; the wordings of the tests do not occur.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from itertools import cycle
from typing import TypeVar

from lima import LimaError
from lima_village.attributes import ATTRIBUTES, of_split
from lima_village.talk import Talk
from lima_village.world import BY_NAME, Entity, Fact, Subject, World, village

NUMBER = 1_000
PATIENCE = 5_000
"""draws in a row without a new request before the search ends"""
T = TypeVar("T")


@dataclass(frozen=True)
class Single:
    """One request and its answer."""

    form: str
    user: str
    reply: str
    facts: tuple[Fact, ...]


def question(rng: random.Random, world: World, entity: Entity, split: str) -> Single:
    """One question, one sentence"""
    fact = world.fact(entity.name, rng.choice(list(entity.facts)))
    return Single("question", _ask(rng, world, fact, split), world.state(fact), (fact,))


def two(rng: random.Random, world: World, entity: Entity, split: str) -> Single:
    """Two questions at once about the same entity"""
    first, second = (world.fact(entity.name, a) for a in rng.sample(list(entity.facts), 2))
    then = _ask(rng, world, second, split, Subject.pronoun(entity))
    user = f"{_ask(rng, world, first, split)} And {then[0].lower()}{then[1:]}"
    return Single("two", user, f"{world.state(first)} {world.state(second)}", (first, second))


def brief(rng: random.Random, world: World, entity: Entity, split: str) -> Single:
    """A question to be answered in a word or two"""
    fact = world.fact(entity.name, rng.choice(list(entity.facts)))
    return Single("brief", f"{_ask(rng, world, fact, split)} Answer in a word or two.", world.shorten(fact), (fact,))


def listing(rng: random.Random, world: World, entity: Entity, split: str) -> Single:
    """One kind of fact for several, as a list"""
    attribute = rng.choice(list(entity.facts))
    others = [other for other in world.of_kind(entity.kind) if other is not entity]
    cast = [entity, *rng.sample(others, rng.randint(1, 3))]
    facts = tuple(world.fact(other.name, attribute) for other in cast)
    names = ", ".join(other.phrase for other in cast)
    return Single("list", f"List for {names}: {BY_NAME[attribute].heading.lower()}.", Talk.as_list(facts), facts)


def card(rng: random.Random, world: World, entity: Entity, split: str) -> Single:
    """Several facts about one, as a card"""
    facts = tuple(
        world.fact(entity.name, a) for a in rng.sample(list(entity.facts), min(len(entity.facts), rng.randint(1, 4)))
    )
    labels = ", ".join(BY_NAME[fact.attribute].label.lower() for fact in facts)
    return Single("card", f"Card for {entity.phrase}: {labels}.", Talk.as_card(facts), facts)


def portrait(rng: random.Random, world: World, entity: Entity, split: str) -> Single:
    """The first three facts about one"""
    known = [attribute.name for attribute in ATTRIBUTES if attribute.name in entity.facts]
    facts = tuple(world.fact(entity.name, a) for a in known[:3])
    user = rng.choice(("Tell me about {n}.", "What do you know about {n}?", "Describe {n}.")).format(n=entity.phrase)
    return Single("portrait", user, " ".join(world.state(fact) for fact in facts), facts)


Form = Callable[[random.Random, World, Entity, str], Single]
FORMS: dict[Form, float] = {question: 60, two: 10, brief: 8, listing: 8, card: 8, portrait: 6}
"""weight of each form in the letters of the corpus"""
TRAIN_FORMS: dict[Form, float] = {question: 90, portrait: 10}
"""weight of each form in the training examples: all are answered in sentences"""


def draw(rng: random.Random, world: World, split: str) -> Single:
    """One request of any form about any entity"""
    form = choice(rng, FORMS)
    return form(rng, world, rng.choice(list(world.entities.values())), split)


def choice(rng: random.Random, weights: Mapping[T, float]) -> T:
    """One of the keys, drawn by weight"""
    return rng.choices(list(weights), list(weights.values()))[0]


def singles(number: int = NUMBER, seed: int = 1, forms: Mapping[Form, float] = TRAIN_FORMS) -> list[Single]:
    """The training examples, all different; entities take turns, so that each one is named"""
    world, rng = village(), random.Random(f"singles {seed}")
    entities = cycle(world.entities.values())
    return different(number, lambda _: choice(rng, forms)(rng, world, next(entities), "train"))


def different(
    number: int, draw: Callable[[int], Single], what: str = "requests of these forms", taken: Collection[str] = ()
) -> list[Single]:
    """`number` requests with different texts, none of them taken; `draw` gets the number of requests found so far

    LimaError if PATIENCE draws in a row find nothing new."""
    found: dict[str, Single] = {}
    in_vain = 0
    while len(found) < number:
        single = draw(len(found))
        if single.user not in found and single.user not in taken:
            found[single.user], in_vain = single, 0
        elif (in_vain := in_vain + 1) > PATIENCE:
            raise LimaError(f"The village has only about {len(found)} different {what}, not {number}. Ask for fewer.")
    return list(found.values())


def _ask(rng: random.Random, world: World, fact: Fact, split: str, subject: Subject | None = None) -> str:
    subject = subject or Subject.named(world[fact.subject].phrase)
    return world.ask(fact, rng.choice(of_split(BY_NAME[fact.attribute].wordings, split)), subject)
