"""The village: entities and their facts, drawn uniformly from one seed, and the sentences for a fact.

Every fact is an independent draw, so none can be guessed from others. This module knows nothing of talks, examples or models.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from lima_village.attributes import ATTRIBUTES
from lima_village.lexicon import DISHES, MEN, POOLS, SHOPS, STRANGE_MEN, STRANGE_WOMEN, WOMEN

SEED = 1
HELD_OUT_SHARE = 0.3
HELD_OUT_SEED = 3
KINDS = ("person", "shop", "dish")
BY_NAME = {attribute.name: attribute for attribute in ATTRIBUTES}
PRONOUNS = {"f": ("she", "her", "her"), "m": ("he", "his", "him"), "": ("it", "its", "it")}


@dataclass(frozen=True)
class Fact:
    """One true statement: the subject's name, the attribute, the value."""

    subject: str
    attribute: str
    value: str


@dataclass(frozen=True)
class Entity:
    """A person, a shop or a dish, with its facts."""

    name: str
    kind: str
    gender: str = ""
    facts: dict[str, str] = field(default_factory=dict)

    @property
    def phrase(self) -> str:
        """Its name within a sentence"""
        return f"the {self.name}" if self.kind == "shop" else self.name


@dataclass(frozen=True)
class Subject:
    """The words for an entity in a wording: its name, a pronoun, or "her brother"."""

    subject: str
    possessive: str
    object: str

    @classmethod
    def named(cls, phrase: str) -> Subject:
        """By a noun phrase"""
        return cls(phrase, f"{phrase}'s", phrase)

    @classmethod
    def pronoun(cls, entity: Entity) -> Subject:
        """By its pronoun"""
        return cls(*PRONOUNS[entity.gender])


class World:
    """Entities by name, and the sentences about them."""

    def __init__(self, entities: Sequence[Entity]) -> None:
        self.entities: Mapping[str, Entity] = {entity.name: entity for entity in entities}
        self._facts = [self.fact(entity.name, attribute) for entity in entities for attribute in entity.facts]

    def __getitem__(self, name: str) -> Entity:
        return self.entities[name]

    def of_kind(self, kind: str) -> list[Entity]:
        """Every person, shop or dish, in a fixed order"""
        return [entity for entity in self.entities.values() if entity.kind == kind]

    def fact(self, name: str, attribute: str) -> Fact:
        """A fact about one entity"""
        return Fact(name, attribute, self[name].facts[attribute])

    def facts(self) -> list[Fact]:
        """Every fact of the village"""
        return list(self._facts)

    def relation(self, fact: Fact) -> str:
        """The word that leads from a subject to a value: "brother", "best friend", "owner" """
        if fact.attribute == "sibling":
            return "sister" if self.gender(fact.value) == "f" else "brother"
        return BY_NAME[fact.attribute].follows

    def gender(self, name: str) -> str:
        """The gender of a person, even if only the name is known"""
        if name in self.entities:
            return self.entities[name].gender
        return "f" if name in WOMEN or name in STRANGE_WOMEN else "m"

    def state(self, fact: Fact, statement: int = 0, subject: Subject | None = None) -> str:
        """The sentence that states a fact; its subject is the name unless another one is given"""
        attribute = BY_NAME[fact.attribute]
        subject = subject or Subject.named(self[fact.subject].phrase)
        return self.ask(fact, attribute.statements[statement % len(attribute.statements)], subject)

    def shorten(self, fact: Fact) -> str:
        """The fact's bare value, as a short answer"""
        return self.ask(fact, BY_NAME[fact.attribute].short, Subject.named(fact.subject))

    def ask(self, fact: Fact, wording: str, subject: Subject) -> str:
        """A wording of a fact, such as a question, filled in"""
        text = wording.format(
            s=subject.subject, p=subject.possessive, o=subject.object, v=fact.value, r=self.relation(fact)
        )
        return text[0].upper() + text[1:]


@cache
def village(seed: int = SEED) -> World:
    """The village, the same for the same seed"""
    rng = random.Random(f"village {seed}")
    people = [Entity(name, "person", "f") for name in WOMEN] + [Entity(name, "person", "m") for name in MEN]
    shops = [Entity(name, "shop") for name in SHOPS]
    dishes = [Entity(name, "dish") for name in DISHES]
    names = {"person": WOMEN + MEN, "shop": SHOPS, "dish": DISHES}
    pairs = [entity.name for entity in people]
    rng.shuffle(pairs)
    siblings = dict(zip(pairs[::2], pairs[1::2], strict=True))
    siblings |= {b: a for a, b in siblings.items()}
    for entity in people + shops + dishes:
        for attribute in ATTRIBUTES:
            if attribute.kind != entity.kind:
                continue
            if attribute.name == "sibling":
                entity.facts["sibling"] = siblings[entity.name]
                continue
            values = names.get(attribute.values) or POOLS[attribute.values]
            near = {entity.name, siblings.get(entity.name)}  # a best friend is not oneself or the sibling
            entity.facts[attribute.name] = rng.choice([value for value in values if value not in near])
    return World(people + shops + dishes)


@cache
def held_out() -> frozenset[str]:
    """The entities that no training dialogue mentions; siblings are held out together"""
    rng = random.Random(f"held out {HELD_OUT_SEED}")
    chosen = set[str]()
    for kind in KINDS:
        names = [entity.name for entity in village().of_kind(kind)]
        rng.shuffle(names)
        chosen |= with_siblings(names, round(HELD_OUT_SHARE * len(names)))
    return frozenset(chosen)


def with_siblings(names: Sequence[str], wanted: int) -> set[str]:
    """The first names and their siblings, until at least `wanted` are chosen"""
    chosen = set[str]()
    for name in names:
        if len(chosen) >= wanted:
            break
        chosen |= {name, village()[name].facts.get("sibling", name)}
    return chosen


def strangers(rng: random.Random, number: int, attributes: int) -> World:
    """People who occur in one text only, each with a few facts that hold nowhere else"""
    women, men = rng.sample(STRANGE_WOMEN, number), rng.sample(STRANGE_MEN, number)
    cast = [
        Entity(name, "person", "f") if rng.random() < 0.5 else Entity(other, "person", "m")
        for name, other in zip(women, men, strict=True)
    ]
    known = rng.sample([attribute for attribute in ATTRIBUTES if attribute.kind == "person"], attributes)
    for entity in cast:
        others = tuple(other.name for other in cast if other is not entity)
        pools = {**POOLS, "dish": DISHES, "person": others}
        for attribute in known:
            entity.facts[attribute.name] = rng.choice(pools[attribute.values])
    return World(cast)
