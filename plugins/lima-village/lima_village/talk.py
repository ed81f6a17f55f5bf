"""Talks about the village: an opening question and follow-ups that lean on what was said, with the answers the facts give.

One engine serves the corpus (as plays, stories and interviews), the training dialogues and the test conversations; only the
split of wordings and the cast differ. To add a kind of follow-up, write one method of `Talk` and name it in `KINDS`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lima_village.attributes import of_split
from lima_village.follow_ups import FOLLOW_UPS
from lima_village.world import BY_NAME, Entity, Fact, Subject, World

OPENERS = ("", "", "And ", "Then ")


@dataclass(frozen=True)
class Exchange:
    """What one user turn asks for, and the answer that the facts give."""

    kind: str
    user: str
    reply: str
    facts: tuple[Fact, ...]
    """what the reply must state"""
    forms: tuple[str, ...]
    """the forms a reply may have, the one asked for first: sentence, bare, list, card"""
    bridge: tuple[Fact, ...] = ()
    """what the reply may state on its way"""


class Talk:
    """One talk as it goes on: whom it is about, what was said last, and what can be asked next."""

    def __init__(
        self,
        world: World,
        rng: random.Random,
        split: str,
        cast: Sequence[Entity],
        style: str = "name",
        banned: frozenset[str] = frozenset(),
    ) -> None:
        self.world, self.rng, self.split, self.cast, self.style = world, rng, split, list(cast), style
        self.banned = banned  # names that may not come up, not even in an answer
        self.topic: Entity | None = None
        self.last: Exchange | None = None
        self.asked: set[tuple[str, str]] = set()
        self.named: set[str] = set()

    # What a talk can do next

    def opening(self, attribute: str | None = None, entity: Entity | None = None) -> Exchange | None:
        """A question that names whom it is about"""
        entity = entity or self._fresh(lambda e: attribute is None or self._allowed(e, attribute))
        if entity is None:
            return None
        fact = self._new_fact(entity, attribute)
        return fact and self._question("opening", fact, Subject.named(entity.phrase), entity)

    def pronoun(self) -> Exchange | None:
        """Another question about the same one, by pronoun"""
        if self.topic is None or not self._clear():
            return None
        fact = self._new_fact(self.topic, None, but=("reason",))
        return fact and self._question(
            "pronoun", fact, Subject.pronoun(self.topic), self.topic, self.rng.choice(OPENERS)
        )

    def why(self) -> Exchange | None:
        """Why she left home"""
        if self.topic is None or not self._clear() or "reason" not in self.topic.facts:
            return None
        fact = self._new_fact(self.topic, "reason")
        return fact and self._question("why", fact, Subject.pronoun(self.topic), self.topic, self.rng.choice(OPENERS))

    def hop(self) -> Exchange | None:
        """A question about her brother, her best friend, its owner or her favourite dish"""
        if self.topic is None or not self._clear():
            return None
        ways = [
            self.world.fact(self.topic.name, a)
            for a in self.topic.facts
            if BY_NAME[a].follows and self.topic.facts[a] in self.world.entities and self._allowed(self.topic, a)
        ]
        self.rng.shuffle(ways)
        for bridge in ways:
            target = self.world[bridge.value]
            fact = self._new_fact(target, None)
            if fact is None or fact.value == self.topic.name or target.name in self.named:
                continue
            subject = Subject.named(f"{Subject.pronoun(self.topic).possessive} {self.world.relation(bridge)}")
            return self._question("hop", fact, subject, target, self.rng.choice(OPENERS), bridge)
        return None

    def what_about(self) -> Exchange | None:
        """The same question about somebody else"""
        if self.last is None or len({fact.attribute for fact in self.last.facts}) != 1:
            return None
        attribute = self.last.facts[0].attribute
        entity = self._fresh(lambda e: self._allowed(e, attribute))
        if entity is None:
            return None
        fact, forms = self.world.fact(entity.name, attribute), ("sentence",)
        if self.last.forms[0] != "sentence":  # "What about Boris?" after a card may be answered by a card
            forms += self.last.forms[:1]
        user = self._wording("what-about").format(n=entity.phrase)
        return self._say("what-about", user, self._sentences([fact]), (fact,), forms, entity)

    def same_for(self) -> Exchange | None:
        """The same question about two others at once"""
        if self.last is None or len({fact.attribute for fact in self.last.facts}) != 1:
            return None
        attribute = self.last.facts[0].attribute
        first = self._fresh(lambda e: self._allowed(e, attribute))
        second = first and self._fresh(lambda e: self._allowed(e, attribute) and e is not first)
        if first is None or second is None:
            return None
        facts = tuple(self.world.fact(entity.name, attribute) for entity in (first, second))
        user = self._wording("same-for").format(names=f"{first.phrase} and {second.phrase}")
        self.named |= {first.name, second.name}
        forms = ("sentence",) if self.last.forms[0] in ("sentence", "bare") else ("sentence", self.last.forms[0])
        return self._say("same-for", user, self._sentences(facts), facts, forms, None)

    def shorter(self) -> Exchange | None:
        """The last answer again, as its bare value"""
        if self.last is None or len(self.last.facts) != 1 or self.last.forms[0] == "bare":
            return None
        fact = self.last.facts[0]
        return self._say("shorter", self._wording("shorter"), self.world.shorten(fact), (fact,), ("bare",), self.topic)

    def reformat(self) -> Exchange | None:
        """The last answer again, as a list of names and values or as a card about one"""
        if self.last is None or self.last.forms[0] in ("list", "card"):
            return None
        facts = self.last.facts
        form = "card" if len(facts) == 1 else "list"
        text = self.as_card(facts) if form == "card" else self.as_list(facts)
        return self._say("reformat", self._wording(form), text, facts, (form,), self.topic)

    # Forms

    @staticmethod
    def as_list(facts: Sequence[Fact]) -> str:
        """A line with name and value for each fact"""
        return "\n".join(f"- {fact.subject}: {fact.value}" for fact in facts)

    @staticmethod
    def as_card(facts: Sequence[Fact]) -> str:
        """The name on the first line, then label and value for each fact"""
        return "\n".join([f"Name: {facts[0].subject}", *(f"{BY_NAME[f.attribute].label}: {f.value}" for f in facts)])

    def _sentences(self, facts: Sequence[Fact]) -> str:
        if self.style == "bare":
            return " ".join(self.world.shorten(fact) for fact in facts)
        statement = 0 if self.style == "name" else self.rng.randrange(4)
        return " ".join(self.world.state(fact, statement) for fact in facts)

    # Inner workings

    def _question(
        self, kind: str, fact: Fact, subject: Subject, entity: Entity, opener: str = "", bridge: Fact | None = None
    ) -> Exchange:
        wording = self.rng.choice(of_split(BY_NAME[fact.attribute].wordings, self.split))
        user = self.world.ask(fact, wording, subject)
        if opener:
            user = opener + user[0].lower() + user[1:]
        reply = self._sentences([fact])
        if bridge is not None and self.style != "bare":
            reply = f"{self.world.state(bridge)} {reply}"
        elif self.style == "pronoun" and kind != "opening" and entity is self.topic:
            reply = self.world.state(fact, self.rng.randrange(4), Subject.pronoun(entity))
        return self._say(kind, user, reply, (fact,), ("sentence",), entity, (bridge,) if bridge else ())

    def _say(
        self,
        kind: str,
        user: str,
        reply: str,
        facts: tuple[Fact, ...],
        forms: tuple[str, ...],
        topic: Entity | None,
        bridge: tuple[Fact, ...] = (),
    ) -> Exchange:
        self.last = Exchange(kind, user, reply, facts, forms, bridge)
        self.topic = topic
        self.asked |= {(fact.subject, fact.attribute) for fact in facts + bridge}
        if topic is not None:
            self.named.add(topic.name)
        return self.last

    def _wording(self, kind: str) -> str:
        return self.rng.choice(of_split(FOLLOW_UPS[kind], self.split))

    def _fresh(self, fits: Callable[[Entity], bool]) -> Entity | None:
        """Somebody of the cast who was not named yet"""
        left = [entity for entity in self.cast if entity.name not in self.named and fits(entity)]
        return self.rng.choice(left) if left else None

    def _new_fact(self, entity: Entity, attribute: str | None, but: Sequence[str] = ()) -> Fact | None:
        names = [
            a for a in entity.facts if a not in but and (entity.name, a) not in self.asked and self._allowed(entity, a)
        ]
        if attribute is not None:
            names = [a for a in names if a == attribute]
        return self.world.fact(entity.name, self.rng.choice(names)) if names else None

    def _allowed(self, entity: Entity, attribute: str) -> bool:
        """Whether a fact may come up in this talk"""
        return attribute in entity.facts and entity.facts[attribute] not in self.banned

    def _clear(self) -> bool:
        """Whether a pronoun for the topic can mean nobody else: no other of its kind was named in the last answer"""
        if self.last is None or self.topic is None:
            return False
        gender = self.topic.gender
        for fact in self.last.facts + self.last.bridge:
            values = BY_NAME[fact.attribute].values
            other = fact.value if values == "person" else None
            if other and other != self.topic.name and self.world.gender(other) == gender:
                return False
        return True


KINDS: dict[str, Callable[[Talk], Exchange | None]] = {
    "pronoun": Talk.pronoun,
    "what-about": Talk.what_about,
    "hop": Talk.hop,
    "shorter": Talk.shorter,
    "same-for": Talk.same_for,
    "reformat": Talk.reformat,
    "why": Talk.why,
}


def carry_on(talk: Talk, weights: dict[str, float]) -> Exchange | None:
    """One more exchange of a kind drawn by weight among those that are possible now"""
    left = dict(weights)
    while left:
        kind = talk.rng.choices(list(left), list(left.values()))[0]
        exchange = KINDS[kind](talk)
        if exchange is not None:
            return exchange
        del left[kind]
    return None
