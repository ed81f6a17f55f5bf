"""What the study varies in the training data: a pool of requests of all six forms, its choices and spoilings, and fake dialogues.

Questions name every entity; nothing else of the pool mentions one that is held out, and only training wordings are used, so
that no request of `prompts` is ever trained on. Says what is learnt from; how well that works is for the study to find.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial

from lima.errors import LimaError
from lima_village import dialogues as written
from lima_village.singles import Form, Single, brief, card, listing, portrait, question, two
from lima_village.talk import Talk
from lima_village.world import Fact, World, held_out, village

POOL = 5_000
"""requests that the longest of each kind are chosen from"""
BY_FORM: dict[str, Form] = {
    "question": question,
    "two": two,
    "brief": brief,
    "list": listing,
    "card": card,
    "portrait": portrait,
}
POOL_FORMS: dict[Form, float] = {form: 40 if form is question else 12 for form in BY_FORM.values()}
"""how often each form comes: questions must name everybody, the others must be seen; chosen on village-prompts-validation"""
SPOILED_SHARE = 0.5
"""of the answers of unfiltered data; the others stay as they are"""
ENOUGH = 5_000
"""draws without a new request after which there are no more"""


def pool(number: int, forms: dict[Form, float] = POOL_FORMS, seed: int = 1) -> list[Single]:
    """Different requests of these forms, so many; the first ones of a longer pool are the same"""
    world, away, rng = village(), held_out(), random.Random(f"pool {' '.join(form.__name__ for form in forms)} {seed}")
    home = World([entity for entity in world.entities.values() if entity.name not in away])
    everybody, known = list(world.entities.values()), list(home.entities.values())
    found, asked, in_vain = dict[str, Single](), 0, 0
    while len(found) < number:
        form = rng.choices(list(forms), list(forms.values()))[0]
        if form is question:  # all are named in turn: a name that is never trained on loses to one that is
            single, asked = form(rng, world, everybody[asked % len(everybody)], "train"), asked + 1
        else:
            single = form(rng, home, rng.choice(known), "train")
        if single.user not in found:
            found[single.user], in_vain = single, 0
        elif (in_vain := in_vain + 1) > ENOUGH:
            raise LimaError(f"The village has no {number} different requests of these forms, only {len(found)}.")
    return list(found.values())


def longest(number: int) -> list[Single]:
    """As many of each kind as the pool's first ones have, but those with the longest answers, in the order of the pool"""
    requests = pool(max(POOL, number))
    wanted = Counter(map(_kind, requests[:number]))
    chosen = []
    for i in sorted(range(len(requests)), key=lambda i: -len(requests[i].reply)):
        if wanted[_kind(requests[i])]:
            wanted[_kind(requests[i])] -= 1
            chosen.append(i)
    return [requests[i] for i in sorted(chosen)]


def _kind(single: Single) -> tuple[str, str]:
    """What a choice by length must keep: the form, and of questions whom they are about, since everybody must be named"""
    return single.form, single.facts[0].subject if single.form == "question" else ""


# Spoiling


def spoiled(number: int) -> list[Single]:
    """The pool as if nobody had filtered it: half of the answers have one of five common faults"""
    rng, faults = random.Random("spoiled"), list(FAULTS)
    return [
        replace(single, reply=rng.choice(faults)(rng, single)) if rng.random() < SPOILED_SHARE else single
        for single in pool(number)
    ]


def cut_off(rng: random.Random, single: Single) -> str:
    """It stops in the middle"""
    words = single.reply.split(" ")
    if len(words) == 1:
        return single.reply[: len(single.reply) // 2]
    return " ".join(words[: rng.randint(1, len(words) - 1)])


def rambling(rng: random.Random, single: Single) -> str:
    """It goes on about what nobody asked for"""
    world = village()
    more = rng.sample([fact for fact in _known() if fact not in single.facts], rng.randint(2, 4))
    return " ".join([single.reply, *(world.state(fact) for fact in more)])


def other_form(rng: random.Random, single: Single) -> str:
    """It has not the form that was asked for"""
    if single.form in ("question", "two", "portrait"):
        return rng.choice((Talk.as_list, Talk.as_card))(single.facts)
    return " ".join(village().state(fact) for fact in single.facts)


def wrong_value(rng: random.Random, single: Single) -> str:
    """One value is another one of its kind"""
    fact = rng.choice(single.facts)
    wrong = rng.choice([f.value for f in _known() if f.attribute == fact.attribute and f.value != fact.value])
    said = re.sub(rf"\b{re.escape(fact.value)}\b", wrong, single.reply, flags=re.IGNORECASE)
    return said[0].upper() + said[1:]


def beside_the_point(rng: random.Random, single: Single) -> str:
    """It answers another question about the same one"""
    asked = {fact.attribute for fact in single.facts}
    about = single.facts[0].subject
    others = [a for a in village()[about].facts if a not in asked]
    return village().state(village().fact(about, rng.choice(others))) if others else cut_off(rng, single)


FAULTS: tuple[Callable[[random.Random, Single], str], ...] = (
    cut_off,
    rambling,
    other_form,
    wrong_value,
    beside_the_point,
)


@cache
def _known() -> tuple[Fact, ...]:
    """The facts about whoever is not held out"""
    return tuple(fact for fact in village().facts() if fact.subject not in held_out())


# Fake dialogues


def unrelated(number: int = written.NUMBER) -> list[written.Dialogue]:
    """As many exchanges as the training dialogues have, but every one is an opening: nothing leans on what was said"""
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
"""what can be taken from the pool by name"""
