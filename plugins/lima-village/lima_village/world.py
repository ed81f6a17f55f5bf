"""Who lives in the village: entities and their facts, drawn uniformly from one seed, and how a fact is put into words.

Every fact is an independent draw, so nothing can be guessed from anything else. The module knows nothing of talks, examples or
models.
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
    """A person, a shop or a dish, with what is known about it."""

    name: str
    kind: str
    gender: str = ""
    facts: dict[str, str] = field(default_factory=dict)

    @property
    def phrase(self) -> str:
        """How it is named within a sentence"""
        return f"the {self.name}" if self.kind == "shop" else self.name


@dataclass(frozen=True)
class Subject:
    """What stands for an entity in a wording: its name, a pronoun, or "her brother"."""

    subject: str
    possessive: str
    object: str

    @classmethod
    def named(cls, phrase: str) -> Subject:
        """Stand for an entity by a noun phrase"""
        return cls(phrase, f"{phrase}'s", phrase)

    @classmethod
    def pronoun(cls, entity: Entity) -> Subject:
        """Stand for an entity by its pronoun"""
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
        """The fact that the village holds about one entity"""
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
        """The gender of a person, also of one that is only named"""
        if name in self.entities:
            return self.entities[name].gender
        return "f" if name in WOMEN or name in STRANGE_WOMEN else "m"

    def state(self, fact: Fact, statement: int = 0, subject: Subject | None = None) -> str:
        """The sentence that states a fact, about the name unless another subject is given"""
        attribute = BY_NAME[fact.attribute]
        subject = subject or Subject.named(self[fact.subject].phrase)
        return self._fill(attribute.statements[statement % len(attribute.statements)], fact, subject)

    def ask(self, fact: Fact, wording: str, subject: Subject) -> str:
        """The question about a fact in one wording"""
        return self._fill(wording, fact, subject)

    def shorten(self, fact: Fact) -> str:
        """The fact's bare value, as a short answer"""
        return self._fill(BY_NAME[fact.attribute].short, fact, Subject.named(fact.subject))

    def _fill(self, wording: str, fact: Fact, subject: Subject) -> str:
        text = wording.format(
            s=subject.subject, p=subject.possessive, o=subject.object, v=fact.value, r=self.relation(fact)
        )
        return text[0].upper() + text[1:]


@cache
def village(seed: int = SEED) -> World:
    """The village: the same for everybody who uses the same seed"""
    rng = random.Random(f"village {seed}")
    people = [Entity(name, "person", "f") for name in WOMEN] + [Entity(name, "person", "m") for name in MEN]
    shops = [Entity(name, "shop") for name in SHOPS]
    dishes = [Entity(name, "dish") for name in DISHES]
    names = {"person": WOMEN + MEN, "shop": SHOPS, "dish": DISHES}
    pairs = [entity.name for entity in people]
    rng.shuffle(pairs)
    siblings = {a: b for i in range(0, len(pairs), 2) for a, b in ((pairs[i], pairs[i + 1]), (pairs[i + 1], pairs[i]))}
    for entity in people + shops + dishes:
        for attribute in ATTRIBUTES:
            if attribute.kind != entity.kind:
                continue
            if attribute.name == "sibling":
                entity.facts["sibling"] = siblings[entity.name]
                continue
            values = names.get(attribute.values) or POOLS[attribute.values]
            near = {entity.name, siblings.get(entity.name)}  # a best friend is neither oneself nor the sibling
            entity.facts[attribute.name] = rng.choice([value for value in values if value not in near])
    return World(people + shops + dishes)


@cache
def held_out(seed: int = HELD_OUT_SEED) -> frozenset[str]:
    """The names of the entities that no training dialogue mentions; siblings are held out together"""
    world, rng = village(), random.Random(f"held out {seed}")
    chosen: set[str] = set()
    for kind in ("person", "shop", "dish"):
        names = [entity.name for entity in world.of_kind(kind)]
        wanted = round(HELD_OUT_SHARE * len(names))
        rng.shuffle(names)
        for name in names:
            if sum(other in chosen for other in names) >= wanted:
                break
            chosen |= {name, world[name].facts.get("sibling", name)}
    return frozenset(chosen)


def strangers(rng: random.Random, number: int, attributes: int) -> World:
    """People who pass through one text only, each with a few facts that hold nowhere else"""
    women = rng.sample(STRANGE_WOMEN, number)
    men = rng.sample(STRANGE_MEN, number)
    cast = [
        Entity(name, "person", "f") if rng.random() < 0.5 else Entity(other, "person", "m")
        for name, other in zip(women, men, strict=True)
    ]
    kinds = [attribute for attribute in ATTRIBUTES if attribute.kind == "person"]
    known = rng.sample(kinds, attributes)
    for entity in cast:
        for attribute in known:
            if attribute.values == "person":
                values: Sequence[str] = [other.name for other in cast if other is not entity]
            else:
                values = DISHES if attribute.values == "dish" else POOLS[attribute.values]
            entity.facts[attribute.name] = rng.choice(values)
    return World(cast)
