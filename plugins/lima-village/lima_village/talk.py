"""Talks about the village: an opening question and follow-ups that refer to earlier turns, with the answers the facts give.

The corpus (plays, stories, interviews), the training dialogues and the test conversations all come from here; they differ in the
split of wordings and in the cast. To add a kind of follow-up, write one method of `Talk` and name it in `KINDS`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lima_village.attributes import FOLLOW_UPS, of_split
from lima_village.world import BY_NAME, Entity, Fact, Subject, World

OPENERS = ("", "", "And ", "Then ")


@dataclass(frozen=True)
class Exchange:
    """A user turn, and the answer that the facts give."""

    kind: str
    user: str
    reply: str
    facts: tuple[Fact, ...]
    """what the reply must state"""
    forms: tuple[str, ...]
    """allowed forms of the reply, the one asked for first: sentence, bare, list, card"""
    bridge: tuple[Fact, ...] = ()
    """facts that the reply may state on its way to those"""


class Talk:
    """The state of one talk: its topic, the last exchange, and what can be asked next."""

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
        self.banned = banned  # names that must not occur, not even in an answer
        self.topic: Entity | None = None
        self.last: Exchange | None = None
        self.asked: set[tuple[str, str]] = set()
        self.named: set[str] = set()

    # Possible next exchanges

    def opening(self) -> Exchange | None:
        """A question that names its subject"""
        entity = self._fresh()
        fact = self._new_fact(entity) if entity else None
        return self._question("opening", fact, Subject.named(entity.phrase), entity) if entity and fact else None

    def pronoun(self) -> Exchange | None:
        """Another question about the topic, by pronoun"""
        if self.topic is None or not self._clear():
            return None
        fact = self._new_fact(self.topic, but=("reason",))
        return self._by_pronoun("pronoun", fact, self.topic) if fact else None

    def why(self) -> Exchange | None:
        """Why the topic left home"""
        if self.topic is None or not self._clear() or "reason" not in self.topic.facts:
            return None
        fact = self._new_fact(self.topic, "reason")
        return self._by_pronoun("why", fact, self.topic) if fact else None

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
            fact = self._new_fact(target)
            if fact is None or fact.value == self.topic.name or target.name in self.named:
                continue
            subject = Subject.named(f"{Subject.pronoun(self.topic).possessive} {self.world.relation(bridge)}")
            return self._question("hop", fact, subject, target, self.rng.choice(OPENERS), bridge)
        return None

    def what_about(self) -> Exchange | None:
        """The same question about somebody else"""
        attribute = self._last_attribute()
        if self.last is None or attribute is None:
            return None
        entity = self._fresh(attribute)
        if entity is None:
            return None
        fact = self.world.fact(entity.name, attribute)
        # A card may answer "What about Boris?" after a card.
        forms = tuple(dict.fromkeys(("sentence", self.last.forms[0])))
        user = self._wording("what-about").format(n=entity.phrase)
        return self._say("what-about", user, self._sentences([fact]), (fact,), forms, entity)

    def same_for(self) -> Exchange | None:
        """The same question about two others at once"""
        attribute = self._last_attribute()
        if self.last is None or attribute is None:
            return None
        first = self._fresh(attribute)
        second = first and self._fresh(attribute, but=first)
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

    # Helpers

    def _by_pronoun(self, kind: str, fact: Fact, topic: Entity) -> Exchange:
        return self._question(kind, fact, Subject.pronoun(topic), topic, self.rng.choice(OPENERS))

    def _last_attribute(self) -> str | None:
        """The attribute of the last exchange; None if it has several"""
        attributes = {fact.attribute for fact in self.last.facts} if self.last else set()
        return attributes.pop() if len(attributes) == 1 else None

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

    def _fresh(self, attribute: str = "", but: Entity | None = None) -> Entity | None:
        """Somebody in the cast who has not been named yet, of whom this talk may mention the attribute"""
        left = [e for e in self.cast if e.name not in self.named and e is not but]
        if attribute:
            left = [e for e in left if self._allowed(e, attribute)]
        return self.rng.choice(left) if left else None

    def _new_fact(self, entity: Entity, attribute: str | None = None, but: Sequence[str] = ()) -> Fact | None:
        names = [a for a in entity.facts if a not in but and attribute in (None, a)]
        names = [a for a in names if (entity.name, a) not in self.asked and self._allowed(entity, a)]
        return self.world.fact(entity.name, self.rng.choice(names)) if names else None

    def _allowed(self, entity: Entity, attribute: str) -> bool:
        """Whether this talk may mention a fact"""
        return attribute in entity.facts and entity.facts[attribute] not in self.banned

    def _clear(self) -> bool:
        """Whether a pronoun for the topic is unambiguous: the last answer named nobody else of its gender"""
        if self.last is None or self.topic is None:
            return False
        facts = self.last.facts + self.last.bridge
        others = {fact.value for fact in facts if BY_NAME[fact.attribute].values == "person"} - {self.topic.name}
        return all(self.world.gender(other) != self.topic.gender for other in others)


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
    """One more exchange, of a kind drawn by weight among those that are possible now"""
    left = dict(weights)
    while left:
        kind = talk.rng.choices(list(left), list(left.values()))[0]
        if (exchange := KINDS[kind](talk)) is not None:
            return exchange
        del left[kind]
    return None
