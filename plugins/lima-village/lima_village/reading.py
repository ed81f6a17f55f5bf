"""Reading a reply: which facts it claims, about whom, and in which form. Knows nothing of grades or of what was asked for.

A claim's subject is None where the reply leaves it open (a bare value); a part that no wording of the village fits is kept, and
what the reply takes back afterwards is kept apart. What unread parts may still tell is for `free_words`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from lima_village.attributes import ATTRIBUTES
from lima_village.lexicon import POOLS
from lima_village.world import BY_NAME, PRONOUNS, Fact, World, village

SENTENCE, BARE, LIST, CARD = "sentence", "bare", "list", "card"
NAMES = {"person", "shop", "dish"}
RELATIONS = {
    word: attribute.name
    for attribute in ATTRIBUTES
    if attribute.follows
    for word in (("brother", "sister") if attribute.follows == "{r}" else (attribute.follows,))
}
"""the words that lead from somebody to an attribute's value, such as brother"""
LEAD = re.compile(r"(?:(?:because of an?|because of|in|from|on|the|an?) )?", re.IGNORECASE)
MARK = re.compile(r"(?:[-–—*•+]|\d{1,2}[.)]) *")
LISTED = re.compile(rf"{MARK.pattern}(?:the )?(\w+): *(.+?)\.?", re.IGNORECASE)
CARD_NAME = re.compile(r"Name: *(?:the )?(\w+)\.?", re.IGNORECASE)
PARTS = re.compile(r"(?<=[.!?])\s*")
CORRECTION = re.compile(r"(?:no|sorry|wait|or rather|i mean)[,:;] +", re.IGNORECASE)
RETRACTION = re.compile(
    r"\b(?:not (?:true|so|right|correct)|untrue|false|wrong|incorrect|mistaken|a lie)\b", re.IGNORECASE
)


@dataclass(frozen=True)
class Claim:
    """One statement of a reply."""

    form: str
    subject: str | None
    """also a name that the village does not know; None for a bare value"""
    attribute: str | None
    """None for a bare value, which any attribute with such values may mean"""
    value: str
    text: str
    exact: bool = True
    """whether nothing stands around the value"""


@dataclass
class Reading:
    """What a reply says, as far as it was understood."""

    claims: list[Claim] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    """the parts that no wording of the village fits"""
    withdrawn: list[str] = field(default_factory=list)
    """what was said first and then taken back"""

    def withdraw(self) -> None:
        """Take back all that was said so far"""
        self.withdrawn += [claim.text for claim in self.claims] + self.left
        self.claims, self.left = [], []


def read(reply: str, antecedents: Sequence[str]) -> Reading:
    """Read a reply; pronouns mean the last one named, else the last antecedent, and "her brother" is the first one's"""
    reading = Reading()
    name: str | None = None  # of the card that is being read
    heading = ""  # its first line, until another one follows
    for line in _lines(reply):
        mark = MARK.match(line)
        plain = line[mark.end() :] if mark else line
        begun = CARD_NAME.match(plain)
        found = None if begun else _listed(line) or _labelled(plain, name)
        if heading and (found is None or found.form != CARD):
            reading.left.append(heading)  # a name alone says nothing
        heading = ""
        if begun:
            name = entity(begun[1]) or begun[1]
            if begun.end() == len(plain):
                heading = line
            else:
                reading.left.append(line)
                if re.match(r"['’]s\b", plain[begun.end() :]):  # her sister's card
                    name = plain[begun.start(1) :]
        elif found:
            reading.claims.append(found)
        else:
            name = None
            for part in filter(None, PARTS.split(plain)):
                _take(part, reading, antecedents, SENTENCE if mark is None else LIST)
    if heading:
        reading.left.append(heading)
    return reading


def _lines(reply: str) -> list[str]:
    """The lines of a reply as a reader sees them: compatible letters are one, invisible ones and emphasis are nothing"""
    lines = (" ".join(line.split()) for line in unicodedata.normalize("NFKC", reply).splitlines())
    seen = ("".join(c for c in line if unicodedata.category(c) not in ("Cc", "Cf")) for line in lines)
    return [line for line in (re.sub(r"\*\*|__|`", "", line).strip() for line in seen) if line]


def _take(part: str, reading: Reading, antecedents: Sequence[str], form: str) -> None:
    """Add what one part of a line says, or withdraws; a sentence has the form of its line"""
    if begun := CORRECTION.match(part):
        reading.withdraw()
        part = part[begun.end() :]
    found = _sentence(part, reading.claims, antecedents)
    if found:
        reading.claims.append(replace(found, form=form) if found.form == SENTENCE else found)
        return
    if RETRACTION.search(part) and not part.endswith("?"):
        reading.withdraw()
    reading.left.append(part)


def _listed(line: str) -> Claim | None:
    """A line of a list: a mark, a name, a value"""
    match = LISTED.fullmatch(line)
    name = match and entity(match[1])
    return Claim(LIST, name, None, _value(match[2]), line) if match and name else None


def _labelled(line: str, name: str | None) -> Claim | None:
    """A line of a card: a label and a value; about the name above it, if there is one"""
    label, colon, value = line.partition(":")
    kind = village()[name].kind if name in village().entities else None
    key = label.strip().lower()
    attribute = _labels(kind).get(key) or _labels(None).get(key)
    return Claim(CARD, name, attribute, _value(value.strip().removesuffix(".")), line) if colon and attribute else None


def values_of(attribute: str) -> Sequence[str]:
    """Every value that an attribute can have"""
    kind = BY_NAME[attribute].values
    return [entity.name for entity in village().of_kind(kind)] if kind in NAMES else POOLS[kind]


@cache
def _labels(kind: str | None) -> dict[str, str]:
    """Attributes of one kind by their label; of every kind for None, where a person's wins over a shop's with the same label"""
    return {a.label.lower(): a.name for a in reversed(ATTRIBUTES) if kind in (None, a.kind)}


def _sentence(sentence: str, before: Sequence[Claim], antecedents: Sequence[str]) -> Claim | None:
    plain = _possessive(sentence.strip())
    for attribute, pattern in _patterns():
        if match := pattern.fullmatch(plain):
            groups = match.groupdict()
            value = _values().get(groups["v"].lower().removeprefix("the "), "")
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
    value = _value(sentence.strip().rstrip(".!"))
    return Claim(BARE, None, None, value, sentence) if value.lower() in _values() else None


def _possessive(sentence: str) -> str:
    """The same sentence with "Ada's home" for "the home of Ada" """
    return _of().sub(lambda match: f"{match['o']}'s {match['n']}", sentence)


@cache
def _of() -> re.Pattern[str]:
    heads = [re.match(r"\{p\} ([a-z ]+?) is\b", w) for attribute in ATTRIBUTES for w in attribute.statements]
    nouns = "|".join(sorted({head[1] for head in heads if head} | set(RELATIONS), key=len, reverse=True))
    names = "|".join(sorted(village().entities, key=len, reverse=True))
    return re.compile(rf"\bthe (?P<n>{nouns}) of (?P<o>(?:the )?(?:{names}))\b", re.IGNORECASE)


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
            found.append((attribute.name, re.compile(pattern.replace(r"\.", "[.!]?"), re.IGNORECASE)))
    return tuple(found)


def _subject(phrase: str, before: Sequence[Claim], antecedents: Sequence[str]) -> str | None:
    """Whom a phrase means: a name, a pronoun's antecedent, or whoever is related to either"""
    words = phrase.replace("’", "'").strip()
    for relation, attribute in RELATIONS.items():
        stem = words.removesuffix("'s")
        if stem.lower().endswith(f" {relation}"):
            whose = _subject(stem[: -len(relation) - 1], before, antecedents[:1])
            value = village()[whose].facts.get(attribute) if whose else None
            if attribute == "sibling" and value and relation != village().relation(Fact(whose or "", attribute, value)):
                return None  # her sister, where she has a brother
            return value
    words = words.removesuffix("'s")
    if named := entity(words.removeprefix("the ").removeprefix("The ")):
        return named
    gender = next(
        (g for g, forms in PRONOUNS.items() if words.lower() in forms or words.lower() == "him" and g == "m"), None
    )
    return next((name for name in _named_before(before, antecedents) if village()[name].gender == gender), None)


def _named_before(before: Sequence[Claim], antecedents: Sequence[str]) -> Iterator[str]:
    world: World = village()
    for claim in reversed(before):
        yield from (name for name in (claim.value, claim.subject) if name in world.entities)
    yield from reversed(antecedents)


def entity(word: str) -> str | None:
    """The name of the village that a word is, in whichever case; None for any other"""
    return _by_lower(village()).get(word.strip().lower())


@cache
def _by_lower(world: World) -> dict[str, str]:
    return {name.lower(): name for name in world.entities}


@cache
def _values() -> dict[str, str]:
    known = {value.lower(): value for pool in POOLS.values() for value in pool}
    return known | _by_lower(village())


def _value(text: str) -> str:
    """A value as the table spells it; before it may stand an article, or what stands there in a short answer"""
    lead = LEAD.match(text)
    bare = text[lead.end() :] if lead else text
    value = _values().get(bare.lower())
    return value if value and lead and lead[0].strip().lower() in _leads(value) else text


@cache
def _leads(value: str) -> set[str]:
    """What may stand before a value: "", "the", "a", and "in" where an attribute that has it is shortened to "In {v}." """
    shorts = {a.short.partition("{v}")[0].strip().lower() for a in ATTRIBUTES if value in values_of(a.name)}
    places = {"in", "on", "from"} if shorts & {"in", "on", "from"} else set()
    return {"", "the", "a", "an", *places, *shorts, *(re.sub(r" an?$", "", short) for short in shorts)}
