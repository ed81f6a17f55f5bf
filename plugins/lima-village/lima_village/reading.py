"""Reading a reply: which facts it claims, about whom, and in which form. Knows nothing of grades or of what was asked for.

A claim's subject is None where the reply leaves it open (a bare value); a part that no wording of the village fits is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from lima_village.attributes import ATTRIBUTES
from lima_village.lexicon import POOLS
from lima_village.world import BY_NAME, PRONOUNS, World, village

SENTENCE, BARE, LIST, CARD, FREE = "sentence", "bare", "list", "card", "free"
NAMES = {"person", "shop", "dish"}
RELATIONS = {
    "brother": "sibling",
    "sister": "sibling",
    "best friend": "friend",
    "owner": "owner",
    "favourite dish": "dish",
}
NEGATIONS = re.compile(r"\b(not|never|no|nobody|none|cannot)\b|n['’]t\b", re.IGNORECASE)


@dataclass(frozen=True)
class Claim:
    """One statement of a reply."""

    form: str
    subject: str | None
    attribute: str | None
    """None for a bare value, which any attribute with such values may mean"""
    value: str
    text: str


def read(reply: str, antecedents: Sequence[str]) -> tuple[list[Claim], list[str]]:
    """The claims of a reply and the parts that could not be read; pronouns mean the last one named, else an antecedent"""
    claims: list[Claim] = []
    left: list[str] = []
    lines = [line.strip() for line in reply.strip().splitlines() if line.strip()]
    if lines and (card := _card(lines)) is not None:
        return card, []
    for line in lines:
        if match := re.fullmatch(r"[-*•] *(?:the )?([A-Z]\w+): *(.+?)\.?", line, re.IGNORECASE):
            name, value = _entity(match[1]), match[2]
            if name:
                claims.append(Claim(LIST, name, None, _value(value), line))
                continue
        label, colon, value = line.partition(":")
        if colon and (attribute := _labels().get(label.strip().lower())):  # a card without its name
            claims.append(Claim(CARD, None, attribute, _value(value.strip().removesuffix(".")), line))
            continue
        for sentence in re.split(r"(?<=[.!?])\s+", line):
            found = _sentence(sentence, claims, antecedents)
            if found is None:
                left.append(sentence)
            else:
                claims.append(found)
    return claims, left


def loosely(text: str, subject: str, values: Sequence[str], value: str) -> bool:
    """Whether free words name this subject and this value, no other of either, and deny nothing"""

    def word(name: str) -> bool:
        return re.search(rf"\b{re.escape(name)}\b", text, re.IGNORECASE) is not None

    others = [name for name in village().entities if name not in (subject, value) and word(name)]
    rivals = [other for other in values if other != value and word(other)]
    return word(subject) and word(value) and not others and not rivals and not NEGATIONS.search(text)


def values_of(attribute: str) -> Sequence[str]:
    """Every value that an attribute can have"""
    kind = BY_NAME[attribute].values
    return [entity.name for entity in village().of_kind(kind)] if kind in NAMES else POOLS[kind]


def _card(lines: Sequence[str]) -> list[Claim] | None:
    """The claims of a card, or None where the lines are no card"""
    first = re.fullmatch(r"Name: *(?:the )?(\w+)\.?", lines[0], re.IGNORECASE)
    name = first and _entity(first[1])
    if not name:
        return None
    labels = {
        attribute.label.lower(): attribute.name for attribute in ATTRIBUTES if attribute.kind == village()[name].kind
    }
    claims = []
    for line in lines[1:]:
        label, colon, value = line.partition(":")
        if not colon or label.strip().lower() not in labels:
            return None
        claims.append(Claim(CARD, name, labels[label.strip().lower()], _value(value.strip().removesuffix(".")), line))
    return claims


@cache
def _labels() -> dict[str, str]:
    """Attributes by their label; one that is a person's wins over a shop's with the same label"""
    return {attribute.label.lower(): attribute.name for attribute in reversed(ATTRIBUTES)}


def _sentence(sentence: str, before: Sequence[Claim], antecedents: Sequence[str]) -> Claim | None:
    for attribute, pattern in _patterns():
        if match := pattern.fullmatch(sentence.strip()):
            groups = match.groupdict()
            value = _value(groups["v"])
            if value not in values_of(attribute):
                continue
            if "s" not in groups:
                return Claim(BARE, None, attribute, value, sentence)
            relation = (groups.get("r") or "").lower()
            if relation and relation != ("sister" if village().gender(value) == "f" else "brother"):
                return None  # a sister who is a brother is no reading of anything
            subject = _subject(groups["s"], before, antecedents)
            if subject is not None and attribute in village()[subject].facts:
                return Claim(SENTENCE, subject, attribute, value, sentence)
    value = _value(sentence.strip().removesuffix("."))
    return Claim(BARE, None, None, value, sentence) if value.lower() in _values() else None


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Every statement and short form of the table as a pattern with groups s (whom it is about), v and r"""
    names = "|".join(sorted(village().entities, key=len, reverse=True))
    relations = "|".join(RELATIONS)
    plain = rf"(?:the )?(?:{names})|she|he|it|him|her"
    owned = rf"(?:the )?(?:{names})['’]s|her|his|its"
    phrase = {"s": rf"(?:{plain}|(?:{owned}) (?:{relations}))", "p": rf"(?:{owned}|(?:{owned}) (?:{relations})['’]s)"}
    phrase["o"] = phrase["s"]
    found = []
    for attribute in ATTRIBUTES:
        for wording in (*attribute.statements, attribute.short):
            pattern = (
                re.escape(wording).replace(r"\{v\}", r"(?P<v>[\w -]+?)").replace(r"\{r\}", "(?P<r>brother|sister)")
            )
            for key, alternatives in phrase.items():
                pattern = pattern.replace(rf"\{{{key}\}}", f"(?P<s>{alternatives})")
            found.append((attribute.name, re.compile(pattern.replace(r"\.", r"\.?"), re.IGNORECASE)))
    return tuple(found)


def _subject(phrase: str, before: Sequence[Claim], antecedents: Sequence[str]) -> str | None:
    """Whom a phrase means: a name, a pronoun's antecedent, or whoever is related to either"""
    words = phrase.replace("’", "'").strip()
    for relation, attribute in RELATIONS.items():
        stem = words.removesuffix("'s")
        if stem.lower().endswith(f" {relation}"):
            whose = _subject(stem[: -len(relation) - 1], before, antecedents[:1])
            return village()[whose].facts.get(attribute) if whose else None
    words = words.removesuffix("'s")
    if named := _entity(words.removeprefix("the ").removeprefix("The ")):
        return named
    gender = next(
        (g for g, forms in PRONOUNS.items() if words.lower() in forms or words.lower() == "him" and g == "m"), None
    )
    return next((name for name in _named_before(before, antecedents) if village()[name].gender == gender), None)


def _named_before(before: Sequence[Claim], antecedents: Sequence[str]) -> Iterator[str]:
    world: World = village()
    for claim in reversed(before):
        if claim.value in world.entities:
            yield claim.value
        if claim.subject:
            yield claim.subject
    yield from antecedents


def _entity(word: str) -> str | None:
    return _by_lower(village()).get(word.strip().lower())


@cache
def _by_lower(world: World) -> dict[str, str]:
    return {name.lower(): name for name in world.entities}


@cache
def _values() -> dict[str, str]:
    known = {value.lower(): value for pool in POOLS.values() for value in pool}
    return known | _by_lower(village())


def _value(text: str) -> str:
    """A value as the table spells it; an article or a preposition before it is allowed"""
    bare = re.sub(r"^(a|an|in|from|on|the|because of a|because of)\s+", "", text.strip(), flags=re.IGNORECASE)
    return _values().get(bare.lower(), bare)
