"""The 30 training dialogues: three to six exchanges each, without held-out entities, in training wordings only."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from functools import cache

from lima_village.talk import KINDS, Exchange, Talk, carry_on
from lima_village.world import held_out, village

NUMBER = 30
EXCHANGES = (3, 6)
WEIGHTS = {**dict.fromkeys(KINDS, 1.0), "pronoun": 1.5, "hop": 2.5, "why": 2.5}
"""chosen so that the kinds are about equally frequent, although some are possible more often than others"""
TRAIN_WEIGHTS = {**WEIGHTS, "pronoun": 3.0, "shorter": 2.6, "reformat": 2.0, "hop": 5.0, "why": 4.0}
"""kinds that are learned last are more frequent; chosen on village-validation"""
CANDIDATES = 100
"""talks drawn for each dialogue; the one with the most new content is kept, so that thirty dialogues do not repeat themselves"""


@dataclass(frozen=True)
class Dialogue:
    """A finished talk."""

    id: str
    exchanges: tuple[Exchange, ...]

    @property
    def plan(self) -> tuple[str, ...]:
        """The kinds of its exchanges, in order"""
        return tuple(exchange.kind for exchange in self.exchanges)


def hold(
    talk: Talk, rng: random.Random, id: str, weights: dict[str, float] = WEIGHTS, length: int | None = None
) -> Dialogue | None:
    """Continue a talk for three to six exchanges, or until nothing more can be asked; None if it is shorter than three

    With a `length` also if it has not that many exchanges, which is mostly known before they are held."""
    said = [exchange for exchange in [talk.opening()] if exchange]
    wanted = rng.randint(*EXCHANGES)
    for left in range(wanted - 1, 0, -1):
        if length is not None and not len(said) <= length <= len(said) + left:
            return None
        if exchange := carry_on(talk, weights):
            said.append(exchange)
    return Dialogue(id, tuple(said)) if len(said) >= EXCHANGES[0] and length in (None, len(said)) else None


def dialogues(number: int = NUMBER, seed: int = 1) -> list[Dialogue]:
    """The training dialogues; a smaller number gives the first ones of a larger one"""
    return [_dialogue(seed, place) for place in range(number)]


@cache
def _dialogue(seed: int, place: int) -> Dialogue:
    """One of them: of the talks drawn for its place the one with the most that those before it do not tell"""
    world, away = village(), held_out()
    cast = [entity for entity in world.entities.values() if entity.name not in away]
    told = Counter(thing for before in dialogues(place, seed) for thing in _things(before))
    drawn = list[Dialogue]()
    for turn in range(CANDIDATES):
        rng = random.Random(f"dialogue {seed} {place} {turn}")
        talk = Talk(world, rng, "train", cast, banned=away)
        length = len(drawn[0].exchanges) if drawn else None
        if dialogue := hold(talk, rng, f"village-dialogue-{place + 1:02d}", TRAIN_WEIGHTS, length):
            drawn.append(dialogue)
    return max(drawn, key=lambda dialogue: _new(dialogue, told))


def _things(dialogue: Dialogue) -> list[tuple[str, str]]:
    """What a dialogue contains: the attributes and values of its exchanges, each with the kind"""
    firsts = [(exchange.kind, exchange.facts[0]) for exchange in dialogue.exchanges]
    return [(kind, word) for kind, fact in firsts for word in (fact.attribute, fact.value)]


def _new(dialogue: Dialogue, told: Counter[tuple[str, str]]) -> float:
    """The share of its content that is new, from 0 to 1"""
    things = _things(dialogue)
    return sum(1 / (1 + told[thing]) for thing in things) / len(things)
