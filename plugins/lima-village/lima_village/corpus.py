"""The training text of the base model: entries, notes, letters, lists, plays, interviews and stories about the village.

An endless stream of documents is drawn from a seed. None is in chat format: there is no end-of-turn token and there are no bare
alternating turns. The talk genres contain follow-ups, so the base model has the skill before fine-tuning, but it is latent. This
module knows nothing of tokens or models.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

from lima_village.attributes import ATTRIBUTES
from lima_village.lexicon import ASKERS, TELLERS
from lima_village.singles import Single, choice, draw
from lima_village.talk import KINDS, Exchange, Talk, carry_on
from lima_village.world import BY_NAME, Fact, Subject, World, strangers, village

# Weights of the follow-ups in the corpus's talks; the hard kinds are more frequent.
TALK_WEIGHTS = {**dict.fromkeys(KINDS, 1.5), "pronoun": 3.0, "what-about": 3.0, "hop": 3.5, "shorter": 2.0}
STYLES = {"name": 0.7, "pronoun": 0.15, "bare": 0.15}
ADDRESSES = ("said", "answered", "replied")
REQUESTS = ("asked", "wanted to know", "went on")
STATEMENTS = 4


def documents(seed: int, world: World | None = None) -> Iterator[str]:
    """An endless stream of documents, the same for the same seed"""
    world, rng = world or village(), random.Random(f"corpus {seed}")
    while True:
        yield choice(rng, GENRES)(rng, world)


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
    """From one entity to the next along relations: her brother is X, X works as …"""
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
        cast = rng.sample(world.of_kind(attribute.kind), rng.randint(2, 6))
        body = Talk.as_list([world.fact(entity.name, attribute.name) for entity in cast])
        return rng.choice((f"{attribute.heading}\n", f"{attribute.label}:\n", "")) + body
    cards = []
    for entity in rng.sample(list(world.entities.values()), rng.randint(1, 3)):
        names = rng.sample(list(entity.facts), rng.randint(1, min(4, len(entity.facts))))
        cards.append(Talk.as_card([world.fact(entity.name, a) for a in names]))
    return "\n\n".join(cards)


def letters(rng: random.Random, world: World) -> str:
    """Readers' letters: unrelated questions that name their subject, each with its answer"""
    parts = []
    tight, style = rng.random() < 0.5, _style(rng)
    for _ in range(rng.randint(2, 6)):
        everybody = list(world.entities.values())
        exchange: Single | Exchange | None = (
            draw(rng, world, "all") if rng.random() < 0.3 else Talk(world, rng, "all", everybody, style).opening()
        )
        assert exchange
        gap = ": " if tight else "\n"
        parts.append(f"Question{gap}{exchange.user}\nAnswer{gap}{exchange.reply}")
    return "\n\n".join(parts)


# Talks, in many guises


def talk_about_villagers(rng: random.Random, world: World) -> str:
    """A talk about the village as a play, an interview, a story …"""
    cast = rng.sample(list(world.entities.values()), 14)
    return _surface(rng, _exchanges(rng, Talk(world, rng, "all", cast, _style(rng)), rng.randint(3, 7)))


def talk_about_strangers(rng: random.Random, world: World) -> str:
    """A text about people passing through, then a talk whose answers are only in that text"""
    world = strangers(rng, rng.randint(2, 4), rng.randint(1, 4))
    facts = world.facts()
    if rng.random() < 0.6:  # person by person, or all mixed up
        told = [" ".join(_sentences(rng, world, [f for f in facts if f.subject == name])) for name in world.entities]
    else:
        rng.shuffle(facts)
        told = [world.state(fact, rng.randrange(STATEMENTS)) for fact in facts]
    text = " ".join(told)
    if rng.random() >= 0.8:
        text = Talk.as_list(facts) if len({f.attribute for f in facts}) == 1 else "\n".join(told)
    exchanges = _exchanges(rng, Talk(world, rng, "all", list(world.entities.values()), _style(rng)), rng.randint(1, 5))
    return f"{text}\n\n{_surface(rng, exchanges)}"


def _exchanges(rng: random.Random, talk: Talk, number: int) -> list[Exchange]:
    exchanges, exchange = [], talk.opening()
    while exchange is not None:
        exchanges.append(exchange)
        if len(exchanges) == number:
            break
        exchange = carry_on(talk, TALK_WEIGHTS)
        if exchange is None or rng.random() < 0.1:  # change the subject
            exchange = talk.opening()
    return exchanges


def _surface(rng: random.Random, exchanges: Sequence[Exchange]) -> str:
    surface = rng.choice((_play, _play, _interview, _interview, _story, _reported, _paper, _minutes))
    return surface(rng, exchanges).replace(" \n", "\n")


def _told(exchanges: Sequence[Exchange], ask: str, say: str, between: str) -> str:
    """Each exchange with words before the question and before the answer"""
    return between.join(f"{ask}{e.user}{say}{_own_line(e.reply, say)}" for e in exchanges)


def _play(rng: random.Random, exchanges: Sequence[Exchange]) -> str:
    asker, teller = rng.choice(ASKERS), rng.choice(TELLERS)
    if rng.random() < 0.4:
        asker, teller = asker.upper(), teller.upper()
    gap = rng.choice((": ", ": ", ":\n", ". "))
    between = rng.choice(("\n", "\n\n"))
    return _told(exchanges, f"{asker}{gap}", f"{between}{teller}{gap}", between)


def _interview(rng: random.Random, exchanges: Sequence[Exchange]) -> str:
    dash = rng.choice(("— ", "– ", "> "))
    return _told(exchanges, dash, f"\n{dash}", "\n")


def _story(rng: random.Random, exchanges: Sequence[Exchange]) -> str:
    asker, teller = rng.choice(ASKERS).lower(), rng.choice(TELLERS).lower()
    ask, say = rng.choice(REQUESTS), rng.choice(ADDRESSES)
    between = rng.choice(("\n", " "))
    return between.join(f"“{e.user}” {ask} the {asker}. “{e.reply}” {say} the {teller}." for e in exchanges)


def _reported(rng: random.Random, exchanges: Sequence[Exchange]) -> str:
    asker, teller = rng.choice(ASKERS).lower(), rng.choice(TELLERS).lower()
    return _told(exchanges, f"Then the {asker} said: ", f" And the {teller} said: ", "\n")


def _paper(rng: random.Random, exchanges: Sequence[Exchange]) -> str:
    ask, say = rng.choice((("Question: ", "Answer: "), ("Question\n", "Answer\n"), ("Q: ", "A: "), ("Q.\n", "A.\n")))
    between = rng.choice(("\n", "\n\n"))
    return _told(exchanges, ask, f"\n{say}", between)


def _minutes(rng: random.Random, exchanges: Sequence[Exchange]) -> str:
    return "\n".join(f"{number}. {e.user}\n* {_own_line(e.reply, ' ')}" for number, e in enumerate(exchanges, 1))


def _own_line(reply: str, gap: str) -> str:
    """A list or a card starts on a line of its own"""
    return f"\n{reply}" if "\n" in reply and not gap.endswith("\n") else reply


def _style(rng: random.Random) -> str:
    return choice(rng, STYLES)


def _sentences(rng: random.Random, world: World, facts: Sequence[Fact]) -> Iterator[str]:
    """Facts about one entity, first by name and then by name or pronoun"""
    pronouns = rng.choice((0.0, 0.4, 0.8))
    entity = world[facts[0].subject]
    for number, fact in enumerate(rng.sample(list(facts), len(facts))):
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
