"""What the study varies in the training data: a pool of requests, selections of it, spoiled answers, and fake dialogues.

Questions name every entity. Other requests of the pool name no held-out entity, and only training wordings are used, so no
request of `prompts` is ever trained on. This module does not know how well any of it works.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, partial
from itertools import cycle

from lima_village import dialogues as written
from lima_village.singles import FORMS, Form, Single, choice, different, question
from lima_village.talk import Talk
from lima_village.world import Fact, World, held_out, village

POOL = 5_000
"""number of requests from which the longest are chosen"""
BY_FORM = dict(zip(("question", "two", "brief", "list", "card", "portrait"), FORMS, strict=True))
POOL_FORMS: dict[Form, float] = {form: 40 if form is question else 12 for form in BY_FORM.values()}
"""weight of each form: questions must name everybody, the others must occur; chosen on village-prompts-validation"""
SPOILED_SHARE = 0.5
"""share of the answers that are spoiled in unfiltered data"""


def pool(number: int, forms: Mapping[Form, float] = POOL_FORMS, seed: int = 1) -> list[Single]:
    """`number` different requests of these forms; a smaller number gives the first ones of a larger one"""
    world, away, rng = village(), held_out(), random.Random(f"pool {' '.join(form.__name__ for form in forms)} {seed}")
    home = World([entity for entity in world.entities.values() if entity.name not in away])
    everybody, known = cycle(world.entities.values()), list(home.entities.values())

    def draw(_: int) -> Single:
        form = choice(rng, forms)
        if form is question:  # everybody takes turns: a name that is never trained on loses to one that is
            return form(rng, world, next(everybody), "train")
        return form(rng, home, rng.choice(known), "train")

    return different(number, draw)


def longest(number: int) -> list[Single]:
    """The requests with the longest answers, as many of each kind as among the first of the pool, in the order of the pool"""
    requests = pool(max(POOL, number))
    wanted = Counter(map(_kind, requests[:number]))
    chosen = []
    for i in sorted(range(len(requests)), key=lambda i: -len(requests[i].reply)):
        if wanted[_kind(requests[i])]:
            wanted[_kind(requests[i])] -= 1
            chosen.append(i)
    return [requests[i] for i in sorted(chosen)]


def _kind(single: Single) -> tuple[str, str]:
    """What a choice by length must keep: the form, and whom a question is about, since everybody must be named"""
    return single.form, single.facts[0].subject if single.form == "question" else ""


def spoiled(number: int) -> list[Single]:
    """The pool as unfiltered data: half of the answers have one of five common faults"""
    rng, faults = random.Random("spoiled"), list(FAULTS)
    return [
        replace(single, reply=rng.choice(faults)(rng, single)) if rng.random() < SPOILED_SHARE else single
        for single in pool(number)
    ]


def cut_off(rng: random.Random, single: Single) -> str:
    """The answer stops in the middle"""
    words = single.reply.split(" ")
    if len(words) == 1:
        return single.reply[: len(single.reply) // 2]
    return " ".join(words[: rng.randint(1, len(words) - 1)])


def rambling(rng: random.Random, single: Single) -> str:
    """The answer adds facts that nobody asked for"""
    world = village()
    more = rng.sample([fact for fact in _known() if fact not in single.facts], rng.randint(2, 4))
    return " ".join([single.reply, *(world.state(fact) for fact in more)])


def other_form(rng: random.Random, single: Single) -> str:
    """The answer is in another form than the one asked for"""
    if single.form in ("question", "two", "portrait"):
        return rng.choice((Talk.as_list, Talk.as_card))(single.facts)
    return " ".join(village().state(fact) for fact in single.facts)


def wrong_value(rng: random.Random, single: Single) -> str:
    """One value is replaced by another of its kind"""
    fact = rng.choice(single.facts)
    wrong = rng.choice([f.value for f in _known() if f.attribute == fact.attribute and f.value != fact.value])
    said = re.sub(rf"\b{re.escape(fact.value)}\b", wrong, single.reply, flags=re.IGNORECASE)
    return said[0].upper() + said[1:]


def beside_the_point(rng: random.Random, single: Single) -> str:
    """The answer belongs to another question about the same subject"""
    asked = {fact.attribute for fact in single.facts}
    about = single.facts[0].subject
    others = [a for a in village()[about].facts if a not in asked]
    return village().state(village().fact(about, rng.choice(others))) if others else cut_off(rng, single)


Fault = Callable[[random.Random, Single], str]
FAULTS: tuple[Fault, ...] = (cut_off, rambling, other_form, wrong_value, beside_the_point)


@cache
def _known() -> tuple[Fact, ...]:
    """The facts about entities that are not held out"""
    return tuple(fact for fact in village().facts() if fact.subject not in held_out())


def unrelated(number: int = written.NUMBER) -> list[written.Dialogue]:
    """Dialogues as long as the training dialogues, in which every exchange is an opening and refers to nothing earlier"""
    away = held_out()
    cast = [entity for entity in village().entities.values() if entity.name not in away]
    found = []
    for real in written.dialogues(number):
        talk = Talk(village(), random.Random(f"unrelated {real.id}"), "train", cast, banned=away)
        exchanges = [talk.opening() for _ in real.exchanges]
        found.append(written.Dialogue(real.id.replace("dialogue", "unrelated"), tuple(filter(None, exchanges))))
    return found


CHOICES: dict[str, Callable[[int], list[Single]]] = {
    "spoiled": spoiled,
    "longest": longest,
    **{name: partial(pool, forms={form: 1}) for name, form in BY_FORM.items()},
}
"""selections of the pool by name"""
