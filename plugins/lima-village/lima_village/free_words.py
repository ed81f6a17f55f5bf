"""What words that fit no wording of the village still tell: a value, of whoever is named with it.

A question tells nothing, nor does a denial, nor words that name somebody who was not asked about. Nor do words that say
another thing: between a name and a value only words may stand with which that attribute is said, and idle ones. A list of
names and a list of values belong together in order. Knows no grammar beyond that, so what it finds is good for a Pass and
no more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache

from lima_village.lexicon import HEDGES, IDLE, RELATIVES
from lima_village.reading import PARTS, RELATIONS, RETRACTION, all_leads, sayings, values_of
from lima_village.world import BY_NAME, PRONOUNS, Fact, village

DENIAL = re.compile(
    r"\b(?:not(?! (?:quite |entirely )?(?:sure|certain)\b)|never|no|nobody|none|cannot|neither|nor|hardly|used to|formerly"
    r"|hates?|dislikes?)\b"
    r"|n['’]t\b",
    re.IGNORECASE,
)
UNREAL = re.compile(
    r"\b(?:if(?! (?:i|you|we)\b)|unless|whether|wish\w*|doubt\w*|imagine|pretend\w*|until)\b", re.IGNORECASE
)
CONTRAST = re.compile(r"[,(]\s*(?:and |but )?(?:not|never)\b[^,.;!?]*", re.IGNORECASE)
"""lives here, not there: says more than was asked for, but denies nothing that was"""


def told(words: str, attribute: str, subjects: Sequence[str], bridge: Sequence[Fact]) -> dict[str, set[str]]:
    """The values of an attribute that these words give to each of the subjects; empty where they give none"""
    text = _asserted(words, attribute)
    names = named(text, village().entities)
    values = [(at, name) for at, name in _values_in(text, attribute) if name not in subjects]
    about = [(at, name) for at, name in names if name in subjects]
    helpers = {fact.subject for fact in bridge} - set(subjects)
    others = [(at, name) for at, name in names if name not in subjects and (at, name) not in values]
    spans = [(at, at + len(name)) for at, name in about]
    pronoun = _pronoun(text, subjects[0]) if len(subjects) == 1 and not about and not others else None
    if pronoun:
        about, spans = [(0, subjects[0])], [pronoun.span()]
    away = relative(text, attribute, *(fact.attribute for fact in bridge))
    if not about or not values or away or any(name not in helpers for _, name in others):
        return {}
    if not _linked(text, attribute, spans, (values[0][0], values[0][0] + len(values[0][1]))):
        return {}
    if len(values) == len(about) > 1:
        return {name: {value} for (_, name), (_, value) in zip(about, values, strict=True)}
    before = [(at, name) for at, name in about + others if at < values[0][0]]
    if before and max(before)[1] not in subjects:
        return {}  # the value stands with a name on the way to the one that was asked about
    return {name: {value for _, value in values} for _, name in about}


def answered(words: str, attribute: str) -> set[str]:
    """The values of an attribute in words that begin with one and name nobody, so that they answer a question about one"""
    text = _asserted(words, attribute)
    values = _values_in(text, attribute)
    lead = "|".join(sorted({"an", "the", *_words(" ".join(all_leads()))}))
    start = re.match(rf"(?:(?:it|that)(?: is| was|['’]s) )?(?:(?:{lead}) )*", text, re.IGNORECASE)
    if not values or start is None or values[0][0] != start.end() or relative(text, attribute):
        return set()
    rest = text[start.end() + len(values[0][1]) :]
    if re.search(r"(?!\bI\b)[A-Z]", rest):
        return set()  # a name, perhaps of somebody whom the village does not know
    if (follows := re.match(r"\s*(\w+)", rest)) and follows[1].lower() not in HEDGES:
        return set()  # the value does something: "Otto avoids her."
    return {value for _, value in values}


def among(words: str, attribute: str) -> str | None:
    """The one value of an attribute that a line of a list or a card gives among other words; None where it gives none"""
    words = _without_contrast(words, attribute)
    values = _values_in(words, attribute)
    if len(values) != 1:
        return None
    at, value = values[0]
    end = at + len(value)
    first, *further = PARTS.split(words[end:])
    if first.endswith("?") and re.search(r"\w", first):
        first = ""  # a question of its own, which denies nothing
    withdrawn = any(RETRACTION.search(part) and not part.endswith("?") for part in further)
    said = _asserted(words[:end] + first, attribute) and not withdrawn
    return value if said and _words(words[:at]) <= _vocabulary(attribute)[0] | _idle() else None


def named(text: str, words: Iterable[str]) -> list[tuple[int, str]]:
    """Which of the words stand in a text, in order, each once with its place; "mirrorsAnd" still has mirrors in it"""
    found: dict[str, int] = {}
    known = tuple(words)
    spelling = {word.lower(): word for word in known}
    for match in _any_of(known).finditer(text):
        found.setdefault(spelling[match[0].lower()], match.start())
    return sorted((at, word) for word, at in found.items())


def _values_in(text: str, attribute: str) -> list[tuple[int, str]]:
    """The values that are named; a cook's helper is no cook"""
    return named(re.sub(r"\w+(?=['’]s \w)", lambda match: "·" * len(match[0]), text), values_of(attribute))


def _asserted(words: str, attribute: str) -> str:
    """The words that say something: nothing of a question, a denial or a wish, but a denial of another value is left out"""
    text = _without_contrast(words, attribute).strip()
    return "" if text.endswith("?") or any(sign.search(text) for sign in (DENIAL, RETRACTION, UNREAL)) else text


def _without_contrast(words: str, attribute: str) -> str:
    """The words without ", not a dog"; with it where it names no other value"""
    left = CONTRAST.sub("", words)
    denied = {value for part in CONTRAST.findall(words) for _, value in named(part, values_of(attribute))}
    return left if denied and denied.isdisjoint(value for _, value in named(left, values_of(attribute))) else words


def _linked(text: str, attribute: str, subjects: Sequence[tuple[int, int]], value: tuple[int, int]) -> bool:
    """Whether the words from a subject to a value, or back, say this attribute, as in "lives in lovely Mill Lane" """
    before = [subject for subject in subjects if subject[1] <= value[0]]
    subject = before[-1] if before else subjects[0]
    first, last = sorted((subject, value))
    between = re.sub(r"^['’]s\b", "", text[first[1] : last[0]])
    between = re.sub(r",[^,]*,", "", between)  # "Ida, who lives in Mill Lane, enjoys chess."
    link, saying = _words(between), _vocabulary(attribute)[0 if before else 1]
    if not link <= saying | _idle():
        return False
    own = (link | _words(text[last[1] :])) & saying - _idle()
    return bool(own) or link <= _words(" ".join(all_leads())) or ("is" in link and _is_said_by_being(attribute))


@cache
def _vocabulary(attribute: str) -> tuple[frozenset[str], frozenset[str]]:
    """The words of the sentences that say an attribute: of those with the subject before the value, and of the others"""
    forward, backward = _words(BY_NAME[attribute].label), frozenset[str]()
    for way in sayings(attribute):
        if DENIAL.search(way):
            continue  # "does not open on {v}": its words say the opposite when the denial is left out
        if way.index("{v}") > min(way.index(slot) for slot in ("{s}", "{p}", "{o}") if slot in way):
            forward |= _fixed(way)
        else:
            backward |= _fixed(way)
    return forward, backward


@cache
def _is_said_by_being(attribute: str) -> bool:
    """Whether a sentence for an attribute has no word of its own, as in "Ada is a cook." """
    return any(_fixed(way) <= _idle() for way in sayings(attribute))


def _fixed(way: str) -> frozenset[str]:
    """The words of a wording that stand whatever it is about; both brother and sister for {r}"""
    return _words(re.sub(r"\{[spov]\}", " ", way.replace("{r}", "brother sister")))


@cache
def _idle() -> frozenset[str]:
    """Words that say nothing, and what stands before a value in any short answer: a wrong one of those is a wrong form"""
    return _words(" ".join((*IDLE, *all_leads())))


def _words(text: str) -> frozenset[str]:
    """The words of a text, without the s of a verb or a plural"""
    found = re.findall(r"[a-z]+", text.lower())
    return frozenset({"has": "have", "are": "is"}.get(word) or re.sub(r"(?<=..[^s])s$", "", word) for word in found)


@cache
def _any_of(words: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    return re.compile(rf"(?<![A-Za-z0-9])(?<!\w-)(?i:{longest_first})(?!-\w)(?:(?<=[a-z])(?![a-z0-9])|(?!\w))")


def relative(words: str, *allowed: str) -> bool:
    """Whether somebody comes up by what they are to another one, such as her mother; not by the attributes that are allowed"""
    means = {**dict.fromkeys(RELATIVES, ""), "friend": "friend", **RELATIONS}
    return any(means[match[0].lower()] not in allowed for match in _any_of(tuple(means)).finditer(words))


def _pronoun(text: str, name: str) -> re.Match[str] | None:
    """The beginning of a text up to the pronoun that this name has, if that stands there"""
    subject = PRONOUNS[village()[name].gender][0]
    return re.match(rf"(?:(?:but|and|so|yes|well|actually|in fact)[, ]+)*{subject}\b", text, re.IGNORECASE)
