"""The 50 dev requests for choosing an epoch: questions about the validation entities in validation wordings.

None of them is a training request, and no test asks about their entities. This module also finds, from the words of any request,
the facts that it asks for. It knows nothing of grades.
"""

from __future__ import annotations

import random
from functools import cache
from typing import Any

from lima_village.conversations import cast_of
from lima_village.reading import BARE, SENTENCE
from lima_village.singles import Single, different, portrait, question
from lima_village.world import BY_NAME, Fact, Subject, village

NUMBER = 50
BRIEFLY = " Answer in a word or two."


def requests(number: int = NUMBER) -> list[Single]:
    """Different questions about each entity in turn; a smaller number gives the first ones of a larger one"""
    world, rng = village(), random.Random("dev 1")
    cast = [entity for entity in world.entities.values() if entity.name in cast_of("validation")]
    return different(number, lambda n: question(rng, world, cast[n % len(cast)], "validation"), "dev requests")


def facts_of(request: str) -> dict[str, Any] | None:
    """What an answer to a request must state, and in which form, for the grader; None for any other text"""
    brief = request.endswith(BRIEFLY)
    facts = _asked().get(request.removesuffix(BRIEFLY))
    if facts is None:
        return None
    required = [[fact.subject, fact.attribute, fact.value] for fact in facts]
    return {"required": required, "forms": [BARE if brief else SENTENCE]}


@cache
def _asked() -> dict[str, tuple[Fact, ...]]:
    """The facts asked for by every question in every wording, and by every request for a portrait"""
    world = village()
    found: dict[str, tuple[Fact, ...]] = {
        world.ask(fact, wording, Subject.named(world[fact.subject].phrase)): (fact,)
        for fact in world.facts()
        for wording in BY_NAME[fact.attribute].wordings
    }
    for entity in world.entities.values():
        for seed in range(20):  # each draws one of a few openings
            single = portrait(random.Random(seed), world, entity, "train")
            found[single.user] = single.facts
    return found
