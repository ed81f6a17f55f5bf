"""The 50 dev requests, to choose an epoch by: questions about the entities of the validation set, in validation wordings.

None of them is a training request, and no test asks about their entities. Also finds the facts that a request asks for from its
words, whatever source it comes from. Knows nothing of grades.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from functools import cache
from typing import Any

from lima.errors import LimaError
from lima.example import Example
from lima_village.conversations import cast_of
from lima_village.reading import BARE, SENTENCE
from lima_village.singles import Single, portrait, question
from lima_village.world import BY_NAME, Fact, Subject, World, village

NUMBER = 50
ENOUGH = 2_000
"""draws without a new request after which there are no more"""
BRIEFLY = " Answer in a word or two."


def requests(number: int = NUMBER) -> list[Single]:
    """Different questions, every entity in turn; the first ones of more are the same"""
    world, rng = village(), random.Random("dev 1")
    cast = [entity for entity in world.entities.values() if entity.name in cast_of("validation")]
    found, in_vain = dict[str, Single](), 0
    while len(found) < number:
        single = question(rng, world, cast[len(found) % len(cast)], "validation")
        in_vain = in_vain + 1 if single.user in found else 0
        found[single.user] = single
        if in_vain > ENOUGH:
            raise LimaError(f"There are no {number} different dev requests, only {len(found)}.")
    return list(found.values())


def facts_of(request: str) -> dict[str, Any] | None:
    """What an answer to a request must state, and in which form, as the grader takes it; None where it is no such request"""
    brief = request.endswith(BRIEFLY)
    facts = _asked().get(request.removesuffix(BRIEFLY))
    if facts is None:
        return None
    required = [[fact.subject, fact.attribute, fact.value] for fact in facts]
    return {"required": required, "forms": [BARE if brief else SENTENCE]}


@cache
def _asked() -> dict[str, tuple[Fact, ...]]:
    """Every question by name in every wording, and every request to tell of somebody, with the facts that it asks for"""
    world: World = village()
    found = {
        world.ask(fact, wording, Subject.named(world[fact.subject].phrase)): (fact,)
        for fact in world.facts()
        for wording in BY_NAME[fact.attribute].wordings
    }
    for entity in world.entities.values():
        # It draws one of a few openings; whichever, the facts are the same.
        for seed in range(20):
            single = portrait(random.Random(seed), world, entity, "train")
            found[single.user] = single.facts
    return found


class Dev:
    """50 held-out requests with their answers; village-dev:N for another number."""

    description = "held-out questions about the village in wordings of their own, to choose an epoch by (village-dev:N)"
    licence = "Apache-2.0"

    def examples(self, argument: str | None) -> Iterable[Example]:
        """The requests, always the same ones"""
        from lima_village.registered import PROVENANCE, whole_number

        for index, single in enumerate(requests(whole_number(argument, "village-dev", NUMBER)), 1):
            yield Example(
                id=f"village-dev-{index:03d}",
                source="village-dev",
                licence=self.licence,
                provenance=PROVENANCE,
                prompt=single.user,
                response=single.reply,
            )
