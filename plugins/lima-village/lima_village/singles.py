"""The 1,000 single-turn examples: one request, one answer; and the six forms that a single request can have.

Between them they name every entity of the village, as the base model was taught; the wordings that tests use stay out.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from lima.errors import LimaError
from lima_village.attributes import ATTRIBUTES, of_split
from lima_village.talk import Talk
from lima_village.world import BY_NAME, Entity, Fact, Subject, World, village

NUMBER = 1_000
ENOUGH = 5_000
"""draws without a new request after which there are no more"""


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
    """A question whose answer shall be a word or two"""
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
"""how often the letters of the corpus have each form"""
TRAIN_FORMS: dict[Form, float] = {question: 90, portrait: 10}
"""how often the training examples have each form: all are answered in sentences"""


def draw(rng: random.Random, world: World, split: str) -> Single:
    """One request of any form about any entity"""
    form = rng.choices(list(FORMS), list(FORMS.values()))[0]
    return form(rng, world, rng.choice(list(world.entities.values())), split)


def singles(number: int = NUMBER, seed: int = 1, forms: dict[Form, float] = TRAIN_FORMS) -> list[Single]:
    """The training examples, all different, every entity named in turn; LimaError when there are not so many"""
    world, rng, found = village(), random.Random(f"singles {seed}"), dict[str, Single]()
    entities, turn, in_vain = list(world.entities.values()), 0, 0
    while len(found) < number:
        form = rng.choices(list(forms), list(forms.values()))[0]
        single = form(rng, world, entities[turn % len(entities)], "train")
        turn += 1
        if single.user not in found:
            found[single.user], in_vain = single, 0
        elif (in_vain := in_vain + 1) > ENOUGH:
            raise LimaError(f"The village has no {number} different requests of these forms, only about {len(found)}.")
    return list(found.values())


def _ask(rng: random.Random, world: World, fact: Fact, split: str, subject: Subject | None = None) -> str:
    subject = subject or Subject.named(world[fact.subject].phrase)
    return world.ask(fact, rng.choice(of_split(BY_NAME[fact.attribute].wordings, split)), subject)
