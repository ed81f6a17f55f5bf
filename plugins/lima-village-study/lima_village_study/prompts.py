"""The held-out single requests of the study, one evaluation for tuning and one for the test, of all six forms.

They are about held-out entities, and none of them is a training request. Questions use held-out wordings; how a list, a card or
a portrait is asked for does not differ between the sets. Says what is asked and what the facts require, not who answers.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING

from lima.errors import LimaError
from lima_village.conversations import as_facts, cast_of, requirements_of
from lima_village.registered import Evaluation
from lima_village.singles import Single, singles
from lima_village.talk import Exchange
from lima_village.world import World, village
from lima_village_study.variations import BY_FORM

if TYPE_CHECKING:
    from lima_chat import EvalConversation

OF_EACH_FORM = {**dict.fromkeys(BY_FORM, 26), "portrait": 20}
"""there are few portraits, and most are trained on"""
ENOUGH = 5_000
"""draws without a new request after which there are no more"""
TRAINED = 1_200
"""of `village-singles`, whose portraits name everybody: more than any arm is trained on"""
SPLITS = {"village-prompts": "test", "village-prompts-validation": "validation"}
SEEDS = {"test": 7, "validation": 3}
ANSWERED = {"list": ("list",), "card": ("card",), "brief": ("bare",)}
"""the form of an answer, where it is no sentence"""


@cache
def prompts(name: str) -> tuple[Exchange, ...]:
    """The requests of one evaluation with the answers that the facts give, form by form"""
    split = SPLITS[name]
    rng = random.Random(f"prompts {split} {SEEDS[split]}")
    cast = World([village()[each] for each in village().entities if each in cast_of(split)])
    taken = {single.user for single in singles(TRAINED)}
    found: list[Exchange] = []
    for form, draw in BY_FORM.items():
        # A list is of up to four of a kind.
        about = [e for e in cast.entities.values() if form != "list" or len(cast.of_kind(e.kind)) > 3]
        wanted, in_vain = len(found) + OF_EACH_FORM[form], 0
        while len(found) < wanted:
            single = draw(rng, cast, rng.choice(about), split)
            if single.user not in taken:
                taken.add(single.user)
                found.append(_exchange(single))
            elif (in_vain := in_vain + 1) > ENOUGH:
                raise LimaError(
                    f"{name} has not {OF_EACH_FORM[form]} requests of the form {form!r} that are not trained on."
                )
    return tuple(found)


def _exchange(single: Single) -> Exchange:
    return Exchange(single.form, single.user, single.reply, single.facts, ANSWERED.get(single.form, ("sentence",)))


def as_conversations(name: str) -> list[EvalConversation]:
    """One evaluation's requests as conversations of one turn"""
    from lima_chat import EvalConversation, EvalTurn

    return [
        EvalConversation(
            id=f"{name}-{number:03d}",
            topic=village()[exchange.facts[0].subject].phrase,
            turns=(
                EvalTurn(
                    user=exchange.user,
                    kind=exchange.kind,
                    requirements=requirements_of(exchange),
                    facts=as_facts(exchange),
                ),
            ),
        )
        for number, exchange in enumerate(prompts(name), 1)
    ]


class Prompts(Evaluation):
    """One set of held-out requests, as an evaluation that `lima` finds under its name."""

    def conversations(self) -> list[EvalConversation]:
        """Its requests, always the same ones"""
        return as_conversations(self.name)

    def exchanges(self) -> Iterable[Sequence[Exchange]]:
        """The same with the answers that the facts give"""
        return [(request,) for request in prompts(self.name)]


EVALUATIONS = (
    Prompts("village-prompts", "held-out single requests of six forms about the village, the test of the study"),
    Prompts("village-prompts-validation", "held-out single requests for tuning; about other entities than the test's"),
)
