"""The study's held-out single requests of all six forms: one evaluation for tuning and one for the test.

They are about held-out entities, and none of them is a training request. Questions use held-out wordings; requests for lists,
cards and portraits are worded alike in all sets. This module does not know who answers.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from functools import cache, partial

from lima_chat import EvalConversation
from lima_village.conversations import as_evaluation, cast_of
from lima_village.registered import Evaluation
from lima_village.singles import Form, Single, different, singles
from lima_village.talk import Exchange
from lima_village.world import Entity, World, village
from lima_village_study.variations import BY_FORM

OF_EACH_FORM = {**dict.fromkeys(BY_FORM, 26), "portrait": 20}
"""portraits are few, and most are training requests"""
TRAINED = 1_200
"""number of `village-singles` to keep out: more than any arm is trained on"""
SPLITS = {"village-prompts": "test", "village-prompts-validation": "validation"}
SEEDS = {"test": 7, "validation": 3}
ANSWERED = {"list": ("list",), "card": ("card",), "brief": ("bare",)}
"""the form of an answer that is not a sentence"""


@cache
def prompts(name: str) -> tuple[Exchange, ...]:
    """The requests of one evaluation with the answers that the facts give, form by form"""
    split = SPLITS[name]
    rng = random.Random(f"prompts {split} {SEEDS[split]}")
    cast = World([village()[each] for each in village().entities if each in cast_of(split)])
    taken = {single.user for single in singles(TRAINED)}
    found: list[Single] = []
    for form, draw in BY_FORM.items():
        # A list is about up to four of a kind.
        about = [e for e in cast.entities.values() if form != "list" or len(cast.of_kind(e.kind)) > 3]
        one = partial(_one, draw, rng, cast, about, split)
        found += different(OF_EACH_FORM[form], one, f"requests of the form {form!r} for {name}", taken)
        taken |= {single.user for single in found}
    return tuple(
        Exchange(one.form, one.user, one.reply, one.facts, ANSWERED.get(one.form, ("sentence",))) for one in found
    )


def _one(draw: Form, rng: random.Random, cast: World, about: Sequence[Entity], split: str, _: int) -> Single:
    return draw(rng, cast, rng.choice(about), split)


class Prompts(Evaluation):
    """One set of held-out requests, as an evaluation that `lima` finds under its name."""

    def conversations(self) -> list[EvalConversation]:
        """Its requests as conversations of one turn, always the same"""
        requests = ((f"{self.name}-{number:03d}", (one,)) for number, one in enumerate(prompts(self.name), 1))
        return [as_evaluation(id, exchanges) for id, exchanges in requests]

    def exchanges(self) -> Iterable[Sequence[Exchange]]:
        """The requests with the answers that the facts give"""
        return [(request,) for request in prompts(self.name)]


EVALUATIONS = (
    Prompts("village-prompts", "held-out single requests of six forms about the village, the test of the study"),
    Prompts("village-prompts-validation", "held-out single requests for tuning; about other entities than the test's"),
)
