"""Finds values in words that match no wording of the village, for whoever is named beside them.

Questions, denials, and words that name somebody who was not asked about state nothing. Between a name and a value only words
may stand that say this attribute, or idle words; others say something else. A list of names and a list of values are paired in
order. There is no further grammar, so a value found here is enough for a Pass and no more.
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
""""here, not there": says more than was asked for, but does not deny the answer"""


def told(words: str, attribute: str, subjects: Sequence[str], bridge: Sequence[Fact]) -> dict[str, set[str]]:
    """The values of an attribute that these words give to each of the subjects; empty if they give none"""
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
        return {}  # the value belongs to a name on the way to the one that was asked about
    return {name: {value for _, value in values} for _, name in about}


def answered(words: str, attribute: str) -> set[str]:
    """The values of an attribute in words that begin with one and name nobody: an answer to a question about one subject"""
    text = _asserted(words, attribute)
    values = _values_in(text, attribute)
    lead = "|".join(sorted({"an", "the", *_words(" ".join(all_leads()))}))
    start = re.match(rf"(?:(?:it|that)(?: is| was|['’]s) )?(?:(?:{lead}) )*", text, re.IGNORECASE)
    if not values or start is None or values[0][0] != start.end() or relative(text, attribute):
        return set()
    rest = text[start.end() + len(values[0][1]) :]
    if re.search(r"(?!\bI\b)[A-Z]", rest):
        return set()  # a name, perhaps not of the village
    if (follows := re.match(r"\s*(\w+)", rest)) and follows[1].lower() not in HEDGES:
        return set()  # the value is a subject: "Otto avoids her."
    return {value for _, value in values}


def among(words: str, attribute: str) -> str | None:
    """The only value of an attribute among the words of a line of a list or a card; None if there is none or several"""
    words = _without_contrast(words, attribute)
    values = _values_in(words, attribute)
    if len(values) != 1:
        return None
    at, value = values[0]
    end = at + len(value)
    first, *further = PARTS.split(words[end:])
    if first.endswith("?") and re.search(r"\w", first):
        first = ""  # a separate question, which denies nothing
    withdrawn = any(RETRACTION.search(part) and not part.endswith("?") for part in further)
    said = _asserted(words[:end] + first, attribute) and not withdrawn
    return value if said and _words(words[:at]) <= _vocabulary(attribute)[0] | _idle() else None


def named(text: str, words: Iterable[str]) -> list[tuple[int, str]]:
    """(place, word) of those words that occur in a text, in order, each once; "mirrorsAnd" contains mirrors"""
    found: dict[str, int] = {}
    known = tuple(words)
    spelling = {word.lower(): word for word in known}
    for match in _any_of(known).finditer(text):
        found.setdefault(spelling[match[0].lower()], match.start())
    return sorted((at, word) for word, at in found.items())


def _values_in(text: str, attribute: str) -> list[tuple[int, str]]:
    """The values that are named; "a cook's helper" does not name cook"""
    return named(re.sub(r"\w+(?=['’]s \w)", lambda match: "·" * len(match[0]), text), values_of(attribute))


def _asserted(words: str, attribute: str) -> str:
    """The words without a denial of another value; empty for a question, a denial or a wish"""
    text = _without_contrast(words, attribute).strip()
    return "" if text.endswith("?") or any(sign.search(text) for sign in (DENIAL, RETRACTION, UNREAL)) else text


def _without_contrast(words: str, attribute: str) -> str:
    """The words without ", not a dog", if that names another value"""
    left = CONTRAST.sub("", words)
    denied = {value for part in CONTRAST.findall(words) for _, value in named(part, values_of(attribute))}
    return left if denied and denied.isdisjoint(value for _, value in named(left, values_of(attribute))) else words


def _linked(text: str, attribute: str, subjects: Sequence[tuple[int, int]], value: tuple[int, int]) -> bool:
    """Whether the words between a subject and a value say this attribute, as in "lives in lovely Mill Lane" """
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
    """The words of the sentences that say an attribute: those with the subject before the value, and the others"""
    forward, backward = _words(BY_NAME[attribute].label), frozenset[str]()
    for way in sayings(attribute):
        if DENIAL.search(way):
            continue  # "does not open on {v}": without the denial its words say the opposite
        if way.index("{v}") > min(way.index(slot) for slot in ("{s}", "{p}", "{o}") if slot in way):
            forward |= _fixed(way)
        else:
            backward |= _fixed(way)
    return forward, backward


@cache
def _is_said_by_being(attribute: str) -> bool:
    """Whether a sentence that says it has only idle words, as in "Ada is a cook." """
    return any(_fixed(way) <= _idle() for way in sayings(attribute))


def _fixed(way: str) -> frozenset[str]:
    """The words of a wording without its placeholders; brother and sister for {r}"""
    return _words(re.sub(r"\{[spov]\}", " ", way.replace("{r}", "brother sister")))


@cache
def _idle() -> frozenset[str]:
    """Words that say nothing, and the leads of short answers, since a wrong lead is only a wrong form"""
    return _words(" ".join((*IDLE, *all_leads())))


def _words(text: str) -> frozenset[str]:
    """The words of a text, without the s of verbs and plurals"""
    found = re.findall(r"[a-z]+", text.lower())
    return frozenset({"has": "have", "are": "is"}.get(word) or re.sub(r"(?<=..[^s])s$", "", word) for word in found)


@cache
def _any_of(words: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    return re.compile(rf"(?<![A-Za-z0-9])(?<!\w-)(?i:{longest_first})(?!-\w)(?:(?<=[a-z])(?![a-z0-9])|(?!\w))")


def relative(words: str, *allowed: str) -> bool:
    """Whether the words mention somebody by a relation, such as her mother, other than the allowed attributes"""
    means = {**dict.fromkeys(RELATIVES, ""), "friend": "friend", **RELATIONS}
    return any(means[match[0].lower()] not in allowed for match in _any_of(tuple(means)).finditer(words))


def _pronoun(text: str, name: str) -> re.Match[str] | None:
    """The beginning of a text up to the pronoun for this name, if it begins with that"""
    subject = PRONOUNS[village()[name].gender][0]
    return re.match(rf"(?:(?:but|and|so|yes|well|actually|in fact)[, ]+)*{subject}\b", text, re.IGNORECASE)
