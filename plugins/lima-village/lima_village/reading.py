"""Parses a reply: which facts it claims, about whom, and in which form.

A claim's subject is None if the reply leaves it open (a bare value). Parts that match no wording of the village are kept, and so
are claims that the reply withdraws; `free_words` looks at the unmatched parts. This module does not know what was asked for, and
nothing of grades.
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
"""words that lead from somebody to an attribute's value, such as brother"""
SLOTS = ("s", "p", "o")
"""places for a subject in a wording, in the order of a pronoun's cases"""
FORMS = frozenset(form for forms in PRONOUNS.values() for form in forms)
MARK = re.compile(r"(?:[-–—*•+]|\d{1,2}[.)]) *")
LISTED = re.compile(rf"{MARK.pattern}((?:the )?\w+): *(.+?)\.?", re.IGNORECASE)
CARD_NAME = re.compile(r"Name: *((?:the )?(\w+))\.?", re.IGNORECASE)
QUOTED = re.compile(r"“([^“”]*)”|\"([^\"]*)\"|„([^„“”]*)[“”]|«([^«»]*)»|(?<!\w)[‘']([^‘’']*)[’'](?!\w)")
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
    """a name, not necessarily of the village; None for a bare value"""
    attribute: str | None
    """None for a bare value, which may belong to any attribute that has such values"""
    value: str
    text: str
    exact: bool = True
    """whether the value has no other words around it than its lead"""
    lead: str = ""
    """the words before a value outside a sentence, such as "in"; lower case"""
    formed: bool = True
    """whether pronoun and lead have the right form"""


@dataclass
class ParsedReply:
    """What a reply says, as far as it could be parsed."""

    claims: list[Claim] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    """the parts that match no wording of the village"""
    withdrawn: list[str] = field(default_factory=list)
    """what the reply said and then took back"""

    def withdraw(self) -> None:
        """Take back everything said so far"""
        self.withdrawn += [claim.text for claim in self.claims] + self.left
        self.claims, self.left = [], []


def read(reply: str, antecedents: Sequence[str]) -> ParsedReply:
    """Parse a reply; a pronoun means whoever was named last, else the last antecedent; "her brother" is the first antecedent's"""
    reading = ParsedReply()
    name: str | None = None  # of the current card
    heading = ""  # the card's first line until another line of it follows
    for line in _lines(reply):
        mark = MARK.match(line)
        plain = line[mark.end() :] if mark else line
        begun = CARD_NAME.match(plain)
        found = None if begun else _listed(line) or _labelled(plain, name)
        if heading and (found is None or found.form != CARD):
            reading.left.append(heading)  # a name without a line below it says nothing
        heading = ""
        if begun:
            name = entity(begun[2]) or begun[2]
            if begun.end() == len(plain) and (entity(begun[1]) or begun[1] == begun[2]):
                heading = line
            else:
                reading.left.append(line)
                if re.match(r"['’]s\b", plain[begun.end() :]):  # her sister's card
                    name = plain[begun.start(2) :]
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
    """The lines of a reply as a reader sees them: Unicode-normalised, without invisible letters, emphasis and quotation marks"""
    lines = (" ".join(line.split()) for line in unicodedata.normalize("NFKC", reply).splitlines())
    seen = ("".join(c for c in line if unicodedata.category(c) not in ("Cc", "Cf")) for line in lines)
    bare = (QUOTED.sub(lambda match: match[match.lastindex or 0], re.sub(r"\*\*|__|`", "", line)) for line in seen)
    return [line.strip() for line in bare if line.strip()]


def _take(part: str, reading: ParsedReply, antecedents: Sequence[str], form: str) -> None:
    """Add what one part of a line says, or withdraw what came before; a sentence has the form of its line"""
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
    if match is None or name is None:
        return None
    lead, value = _value(match[2])
    return Claim(LIST, name, None, value, line, lead=lead)


def _labelled(line: str, name: str | None) -> Claim | None:
    """A line of a card, a label and a value, about the name above it if there is one"""
    label, colon, value = line.partition(":")
    kind = village()[name].kind if name and name in village().entities else None
    key = label.strip().lower()
    attribute = _labels(kind).get(key) or _labels(None).get(key)
    if not colon or attribute is None:
        return None
    lead, value = _value(value.strip().removesuffix("."))
    return Claim(CARD, name, attribute, value, line, lead=lead)


def values_of(attribute: str) -> Sequence[str]:
    """Every value that an attribute can have"""
    kind = BY_NAME[attribute].values
    return [entity.name for entity in village().of_kind(kind)] if kind in NAMES else POOLS[kind]


@cache
def _labels(kind: str | None) -> dict[str, str]:
    """Attributes of one kind by their label; for None of every kind, and a person's label wins over a shop's"""
    return {a.label.lower(): a.name for a in reversed(ATTRIBUTES) if kind in (None, a.kind)}


def _sentence(sentence: str, before: Sequence[Claim], antecedents: Sequence[str]) -> Claim | None:
    plain = _possessive(sentence.strip())
    for attribute, pattern in _patterns():
        if match := pattern.fullmatch(plain):
            groups = match.groupdict()
            value = _values().get(groups["v"].lower(), "")
            if value not in values_of(attribute):
                continue
            slot = next((slot for slot in SLOTS if slot in groups), None)
            if slot is None:
                return Claim(BARE, None, attribute, value, sentence, lead=_lead(BY_NAME[attribute].short))
            relation = (groups.get("r") or "").lower()
            if relation and relation != ("sister" if village().gender(value) == "f" else "brother"):
                return None  # a sister who is a brother states nothing
            subject = _subject(groups[slot], before, antecedents)
            if subject is not None and attribute in village()[subject].facts:
                return Claim(SENTENCE, subject, attribute, value, sentence, formed=_formed(groups[slot], slot))
    lead, value = _value(sentence.strip().rstrip(".!"))
    return Claim(BARE, None, None, value, sentence, lead=lead) if value.lower() in _values() else None


def _formed(phrase: str, slot: str) -> bool:
    """Whether a pronoun has the case of its place: she lives, her home, made her leave"""
    word, *more = phrase.lower().split()
    case = SLOTS.index("p" if more else slot)
    return word not in FORMS or any(forms[case] == word for forms in PRONOUNS.values())


def _possessive(sentence: str) -> str:
    """The sentence with "Ada's home" instead of "the home of Ada" """
    return _of().sub(lambda match: f"{match['o']}'s {match['n']}", sentence)


@cache
def _of() -> re.Pattern[str]:
    heads = [re.match(r"\{p\} ([a-z ]+?) is\b", w) for attribute in ATTRIBUTES for w in attribute.statements]
    nouns = "|".join(sorted({head[1] for head in heads if head} | set(RELATIONS), key=len, reverse=True))
    names = "|".join(sorted(village().entities, key=len, reverse=True))
    return re.compile(rf"\bthe (?P<n>{nouns}) of (?P<o>(?:the )?(?:{names}))\b", re.IGNORECASE)


@cache
def sayings(attribute: str) -> tuple[str, ...]:
    """Every sentence that says an attribute: those of the table, and "{p} job is {v}." turned into "{v} is {p} job." """
    known = (*BY_NAME[attribute].statements, *BY_NAME[attribute].also)
    turned = (re.sub(r"^\{p\} (.+?) is ((?:\w+ )?)\{v\}\.$", r"\2{v} is {p} \1.", wording) for wording in known)
    return tuple(dict.fromkeys((*known, *turned)))


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Every saying and short form as a pattern with groups s, p or o (the subject), v and r; pronouns in any case"""
    phrases = sorted((entity.phrase for entity in village().entities.values()), key=len, reverse=True)
    names = "|".join(re.sub("^the ", "(?:the )?", phrase) for phrase in phrases)
    relations, pronouns = "|".join(RELATIONS), "|".join(sorted(FORMS))
    owned = rf"(?:(?:{names})['’]s|{pronouns})"
    plain = rf"(?:{names}|{pronouns}|{owned} (?:{relations}))"
    phrase = {"s": plain, "p": rf"(?:{owned}|{owned} (?:{relations})['’]s)", "o": plain}
    found = []
    for attribute in ATTRIBUTES:
        for wording in (*sayings(attribute.name), attribute.short):
            pattern = (
                re.escape(wording).replace(r"\{v\}", r"(?P<v>[\w -]+?)").replace(r"\{r\}", "(?P<r>brother|sister)")
            )
            for key, alternatives in phrase.items():
                pattern = pattern.replace(rf"\{{{key}\}}", f"(?P<{key}>{alternatives})")
            found.append((attribute.name, re.compile(pattern.replace(r"\.", "[.!]?"), re.IGNORECASE)))
    return tuple(found)


def _subject(phrase: str, before: Sequence[Claim], antecedents: Sequence[str]) -> str | None:
    """Whom a phrase means: a name, a pronoun's antecedent, or a relation of either"""
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
    if named := entity(words):
        return named
    gender = next((g for g, forms in PRONOUNS.items() if words.lower() in forms), None)
    return next((name for name in _named_before(before, antecedents) if village()[name].gender == gender), None)


def _named_before(before: Sequence[Claim], antecedents: Sequence[str]) -> Iterator[str]:
    for claim in reversed(before):
        yield from (name for name in (claim.value, claim.subject) if name and name in village().entities)
    yield from reversed(antecedents)


def entity(word: str) -> str | None:
    """The entity that a word names, in any case, with or without the "the" of its phrase; None for any other word"""
    return _by_lower(village()).get(word.strip().lower())


@cache
def _by_lower(world: World) -> dict[str, str]:
    return {word.lower(): entity.name for entity in world.entities.values() for word in (entity.name, entity.phrase)}


@cache
def _values() -> dict[str, str]:
    known = {value.lower(): value for pool in POOLS.values() for value in pool}
    return known | _by_lower(village())


def _value(text: str) -> tuple[str, str]:
    """The lead and the value of a short answer, spelled as in the table; "" and the text itself if it has no value"""
    for lead in all_leads():
        before = f"{lead} " if lead else ""
        value = _values().get(text[len(before) :].lower()) if text.lower().startswith(before) else None
        if value:
            return lead, value
    return "", text


@cache
def all_leads() -> tuple[str, ...]:
    """The leads of every attribute, the longest first"""
    found = {lead for attribute in ATTRIBUTES for lead in leads(attribute.name)}
    return tuple(sorted(found, key=lambda lead: (-len(lead), lead)))


@cache
def leads(attribute: str) -> frozenset[str]:
    """What may stand before an attribute's bare value: the lead of its short form, the article in it, or nothing

    If the short form has a lead, those of the statements count too: "In Gillan." answers "Where was she born?"."""
    short = _lead(BY_NAME[attribute].short)
    if not short:
        return frozenset({""})
    known = {_lead(other.short) for other in ATTRIBUTES} - {""}
    before = [wording.lower().partition("{v}")[0] for wording in BY_NAME[attribute].statements]
    stated = {max((lead for lead in known if text.endswith(f" {lead} ")), key=len, default="") for text in before}
    return frozenset({"", short, *stated, *re.findall(r"\b(?:an?|the)$", short)})


def _lead(short: str) -> str:
    return short.lower().partition("{v}")[0].strip()
