"""The text that the base model is trained on: entries, notes, letters, lists, plays, interviews and stories about the village.

Documents are drawn from a seed without end and never in chat format: no end-of-turn token, no bare alternating turns. The talk
genres hold follow-ups, so the skill is there before fine-tuning, but latent. The module knows nothing of tokens or models.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

from lima_village.attributes import ATTRIBUTES
from lima_village.lexicon import ASKERS, TELLERS
from lima_village.singles import draw
from lima_village.talk import KINDS, Exchange, Talk, carry_on
from lima_village.world import BY_NAME, Entity, Fact, Subject, World, strangers, village

# How often a talk of the corpus goes on in each way; the hard kinds come more often.
TALK_WEIGHTS = {**dict.fromkeys(KINDS, 1.5), "pronoun": 3.0, "what-about": 3.0, "hop": 3.5, "shorter": 2.0}
STYLES = {"name": 0.7, "pronoun": 0.15, "bare": 0.15}
ADDRESSES = ("said", "answered", "replied")
REQUESTS = ("asked", "wanted to know", "went on")
STATEMENTS = 4


def documents(seed: int, world: World | None = None) -> Iterator[str]:
    """Documents without end: the same ones for the same seed"""
    world, rng = world or village(), random.Random(f"corpus {seed}")
    genres, shares = list(GENRES), list(GENRES.values())
    while True:
        yield rng.choices(genres, shares)[0](rng, world)


# Texts that state facts


def entry(rng: random.Random, world: World) -> str:
    """An encyclopaedia entry: several facts about one entity"""
    entity = rng.choice(list(world.entities.values()))
    names = rng.sample(list(entity.facts), min(len(entity.facts), rng.randint(3, 7)))
    return " ".join(_sentences(rng, world, [world.fact(entity.name, a) for a in names]))


def note(rng: random.Random, world: World) -> str:
    """A town note: one kind of fact, or facts of any kind, about several"""
    if rng.random() < 0.5:
        attribute = rng.choice(ATTRIBUTES)
        names = rng.sample(world.of_kind(attribute.kind), rng.randint(2, 6))
        facts, plain = [world.fact(entity.name, attribute.name) for entity in names], rng.random() < 0.7
        return " ".join(world.state(fact, 0 if plain else rng.randrange(STATEMENTS)) for fact in facts)
    facts = rng.sample(world.facts(), rng.randint(3, 6))
    return " ".join(world.state(fact, rng.randrange(STATEMENTS)) for fact in facts)


def tour(rng: random.Random, world: World) -> str:
    """From one entity to the next along the relations: her brother is X, X works as …"""
    entity, parts = rng.choice(world.of_kind(rng.choice(("person", "person", "person", "shop")))), []
    for _ in range(rng.randint(2, 4)):
        ways = [a for a in entity.facts if BY_NAME[a].follows]
        if not ways:
            break
        bridge = world.fact(entity.name, rng.choice(ways))
        target = world[bridge.value]
        parts.append(world.state(bridge))
        for name in rng.sample(list(target.facts), rng.randint(1, 2)):
            parts.append(world.state(world.fact(target.name, name), rng.choice((0, 0, 1, 2))))
        entity = target
    return " ".join(parts)


def lists(rng: random.Random, world: World) -> str:
    """A list under a heading, or cards"""
    if rng.random() < 0.5:
        attribute = rng.choice(ATTRIBUTES)
        names = rng.sample(world.of_kind(attribute.kind), rng.randint(2, 6))
        body = Talk.as_list([world.fact(entity.name, attribute.name) for entity in names])
        return rng.choice((f"{attribute.heading}\n", f"{attribute.label}:\n", "")) + body
    cards = []
    for entity in rng.sample(list(world.entities.values()), rng.randint(1, 3)):
        names = rng.sample(list(entity.facts), rng.randint(1, min(4, len(entity.facts))))
        cards.append(Talk.as_card([world.fact(entity.name, a) for a in names]))
    return "\n\n".join(cards)


def letters(rng: random.Random, world: World) -> str:
    """Readers' letters: unrelated questions that name whom they are about, each with its answer"""
    parts = []
    tight, style = rng.random() < 0.5, _style(rng)
    for _ in range(rng.randint(2, 6)):
        if rng.random() < 0.3:
            exchange = draw(rng, world, "all")
        else:
            exchange = Talk(world, rng, "all", list(world.entities.values()), style).opening()
        parts.append(
            f"Question: {exchange.user}\nAnswer: {exchange.reply}"
            if tight
            else f"Question\n{exchange.user}\nAnswer\n{exchange.reply}"
        )
    return "\n\n".join(parts)


# Talks, in many guises


def talk_about_villagers(rng: random.Random, world: World) -> str:
    """A talk about the village as a play, an interview, a story …"""
    cast = rng.sample(list(world.entities.values()), 14)
    return _surface(rng, _exchanges(rng, Talk(world, rng, "all", cast, _style(rng)), rng.randint(3, 7)))


def talk_about_strangers(rng: random.Random, world: World) -> str:
    """A text about people passing through, then a talk that can only be answered by reading it"""
    world = strangers(rng, rng.randint(2, 4), rng.randint(1, 4))
    facts = world.facts()
    if rng.random() < 0.6:  # person by person, or all mixed up
        told = [" ".join(_sentences(rng, world, [f for f in facts if f.subject == name])) for name in world.entities]
    else:
        rng.shuffle(facts)
        told = [world.state(fact, rng.randrange(STATEMENTS)) for fact in facts]
    text = (
        " ".join(told)
        if rng.random() < 0.8
        else Talk.as_list(facts)
        if len({f.attribute for f in facts}) == 1
        else "\n".join(told)
    )
    exchanges = _exchanges(rng, Talk(world, rng, "all", list(world.entities.values()), _style(rng)), rng.randint(1, 5))
    return f"{text}\n\n{_surface(rng, exchanges)}"


def _exchanges(rng: random.Random, talk: Talk, number: int) -> list[Exchange]:
    exchanges = [talk.opening()]
    while len(exchanges) < number:
        exchange = carry_on(talk, TALK_WEIGHTS)
        if exchange is None or rng.random() < 0.1:  # somebody changes the subject
            exchange = talk.opening()
        if exchange is None:
            break
        exchanges.append(exchange)
    return exchanges


def _surface(rng: random.Random, exchanges: Sequence[Exchange]) -> str:
    surface = rng.choice((_play, _play, _interview, _interview, _story, _reported, _paper, _minutes))
    return surface(rng, exchanges).replace(" \n", "\n")


def _play(rng: random.Random, exchanges: Sequence[Exchange]) -> str:
    asker, teller = rng.choice(ASKERS), rng.choice(TELLERS)
    if rng.random() < 0.4:
        asker, teller = asker.upper(), teller.upper()
    gap = rng.choice((": ", ": ", ":\n", ". "))
    between = rng.choice(("\n", "\n\n"))
    return between.join(f"{asker}{gap}{e.user}{between}{teller}{gap}{_own_line(e.reply, gap)}" for e in exchanges)


def _interview(rng: random.Random, exchanges: Sequence[Exchange]) -> str:
    dash = rng.choice(("— ", "– ", "> "))
    return "\n".join(f"{dash}{e.user}\n{dash}{_own_line(e.reply, ' ')}" for e in exchanges)


def _story(rng: random.Random, exchanges: Sequence[Exchange]) -> str:
    asker, teller = rng.choice(ASKERS).lower(), rng.choice(TELLERS).lower()
    ask, say = rng.choice(REQUESTS), rng.choice(ADDRESSES)
    between = rng.choice(("\n", " "))
    return between.join(f"“{e.user}” {ask} the {asker}. “{e.reply}” {say} the {teller}." for e in exchanges)


def _reported(rng: random.Random, exchanges: Sequence[Exchange]) -> str:
    asker, teller = rng.choice(ASKERS).lower(), rng.choice(TELLERS).lower()
    return "\n".join(
        f"Then the {asker} said: {e.user} And the {teller} said: {_own_line(e.reply, ' ')}" for e in exchanges
    )


def _paper(rng: random.Random, exchanges: Sequence[Exchange]) -> str:
    ask, say = rng.choice((("Question: ", "Answer: "), ("Question\n", "Answer\n"), ("Q: ", "A: "), ("Q.\n", "A.\n")))
    between = rng.choice(("\n", "\n\n"))
    return between.join(f"{ask}{e.user}\n{say}{_own_line(e.reply, say)}" for e in exchanges)


def _minutes(rng: random.Random, exchanges: Sequence[Exchange]) -> str:
    return "\n".join(f"{number}. {e.user}\n* {_own_line(e.reply, ' ')}" for number, e in enumerate(exchanges, 1))


def _own_line(reply: str, gap: str) -> str:
    """A list or a card starts on a line of its own"""
    return f"\n{reply}" if "\n" in reply and not gap.endswith("\n") else reply


# Small things


def _style(rng: random.Random) -> str:
    return rng.choices(list(STYLES), list(STYLES.values()))[0]


def _sentences(rng: random.Random, world: World, facts: Sequence[Fact]) -> Iterator[str]:
    """Facts about one entity, by name first and then by name or pronoun"""
    pronouns = rng.choice((0.0, 0.4, 0.8))
    entity: Entity = world[facts[0].subject]
    rng_facts = rng.sample(list(facts), len(facts))
    for number, fact in enumerate(rng_facts):
        by_pronoun = number > 0 and rng.random() < pronouns
        subject = Subject.pronoun(entity) if by_pronoun else None
        yield world.state(fact, rng.choice((0, 0, 1, 2, 3)), subject)


GENRES: dict[Callable[[random.Random, World], str], float] = {
    entry: 18,
    note: 12,
    tour: 8,
    lists: 8,
    letters: 14,
    talk_about_villagers: 28,
    talk_about_strangers: 14,
}
