"""The 30 training dialogues: three to six exchanges each, about entities that are not held out, in training wordings only."""

from __future__ import annotations

import random
from dataclasses import dataclass

from lima_village.talk import KINDS, Exchange, Talk, carry_on
from lima_village.world import held_out, village

NUMBER = 30
EXCHANGES = (3, 6)
WEIGHTS = {**dict.fromkeys(KINDS, 1.0), "pronoun": 1.5, "hop": 2.5, "why": 2.5}
"""so that each kind comes about equally often, though some are possible more often than others"""
TRAIN_WEIGHTS = {**WEIGHTS, "shorter": 2.6, "reformat": 2.0, "hop": 3.0, "why": 4.0}
"""other forms than sentences are learnt last; chosen on village-validation"""


@dataclass(frozen=True)
class Dialogue:
    """A talk from its opening to its end."""

    id: str
    exchanges: tuple[Exchange, ...]

    @property
    def plan(self) -> tuple[str, ...]:
        """The kinds of its exchanges, in order"""
        return tuple(exchange.kind for exchange in self.exchanges)


def hold(talk: Talk, rng: random.Random, id: str, weights: dict[str, float] = WEIGHTS) -> Dialogue:
    """Let a talk go on for three to six exchanges"""
    exchanges = [talk.opening()]
    wanted = rng.randint(*EXCHANGES)
    while len(exchanges) < wanted:
        exchanges.append(carry_on(talk, weights))
    return Dialogue(id, tuple(exchange for exchange in exchanges if exchange))


def dialogues(number: int = NUMBER, seed: int = 1) -> list[Dialogue]:
    """The training dialogues: the first ones of a longer series stay the same"""
    world, away = village(), held_out()
    cast = [entity for entity in world.entities.values() if entity.name not in away]
    found: list[Dialogue] = []
    turn = 0
    while len(found) < number:
        rng = random.Random(f"dialogue {seed} {turn}")
        talk = Talk(world, rng, "train", cast, banned=away)
        dialogue = hold(talk, rng, f"village-dialogue-{len(found) + 1:02d}", TRAIN_WEIGHTS)
        turn += 1
        if len(dialogue.exchanges) >= EXCHANGES[0]:
            found.append(dialogue)
    return found
