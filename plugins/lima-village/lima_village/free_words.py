"""What words that fit no wording of the village still tell: a value, of whoever is named with it.

A question tells nothing, nor does a denial, nor words that name somebody who was not asked about. A list of names and a list
of values belong together in order. Knows no grammar beyond that, so what it finds is good for a Pass and no more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache

from lima_village.lexicon import RELATIVES
from lima_village.reading import RELATIONS, values_of
from lima_village.world import PRONOUNS, Fact, village

DENIAL = re.compile(
    r"\b(?:not(?! (?:quite |entirely )?(?:sure|certain)\b)|never|no|nobody|none|cannot|neither|nor|hardly|used to|formerly"
    r"|hates?|dislikes?)\b"
    r"|n['’]t\b",
    re.IGNORECASE,
)
CONTRAST = re.compile(r",\s*(?:and |but )?not\b[^,.;!?]*", re.IGNORECASE)
"""lives here, not there: says more than was asked for, but denies nothing that was"""


def told(words: str, attribute: str, subjects: Sequence[str], bridge: Sequence[Fact]) -> dict[str, set[str]]:
    """The values of an attribute that these words give to each of the subjects; empty where they give none"""
    text = _asserted(words)
    names = named(text, village().entities)
    values = [(at, name) for at, name in named(text, values_of(attribute)) if name not in subjects]
    about = [(at, name) for at, name in names if name in subjects]
    helpers = {fact.subject for fact in bridge} - set(subjects)
    others = [(at, name) for at, name in names if name not in subjects and (at, name) not in values]
    if not about and not others and len(subjects) == 1 and _pronoun(text, subjects[0]):
        about = [(0, subjects[0])]
    away = relative(text, attribute, *(fact.attribute for fact in bridge))
    if not about or not values or away or any(name not in helpers for _, name in others):
        return {}
    if len(values) == len(about) > 1:
        return {name: {value} for (_, name), (_, value) in zip(about, values, strict=True)}
    before = [(at, name) for at, name in about + others if at < values[0][0]]
    if before and max(before)[1] not in subjects:
        return {}  # the value stands with a name on the way to the one that was asked about
    return {name: {value for _, value in values} for _, name in about}


def answered(words: str, attribute: str) -> set[str]:
    """The values of an attribute in words that begin with one and name nobody, so that they answer a question about one"""
    text = _asserted(words)
    values = named(text, values_of(attribute))
    start = re.match(r"(?:(?:because of|in|from|on|an?|the) )*", text, re.IGNORECASE)
    if not values or start is None or values[0][0] != start.end() or relative(text, attribute):
        return set()
    if re.search(r"[A-Z]", text[start.end() + len(values[0][1]) :]):
        return set()  # a name, perhaps of somebody whom the village does not know
    return {value for _, value in values}


def named(text: str, words: Iterable[str]) -> list[tuple[int, str]]:
    """Which of the words stand in a text, in order, each once with its place; "mirrorsAnd" still has mirrors in it"""
    found: dict[str, int] = {}
    known = tuple(words)
    spelling = {word.lower(): word for word in known}
    for match in _any_of(known).finditer(text):
        found.setdefault(spelling[match[0].lower()], match.start())
    return sorted((at, word) for word, at in found.items())


def _asserted(words: str) -> str:
    """The words that say something: nothing of a question or a denial, but a denial of something else is left out"""
    text = CONTRAST.sub("", words).strip()
    return "" if text.endswith("?") or DENIAL.search(text) else text


@cache
def _any_of(words: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    return re.compile(rf"(?<![A-Za-z0-9])(?i:{longest_first})(?:(?<=[a-z])(?![a-z0-9])|(?!\w))")


def relative(words: str, *allowed: str) -> bool:
    """Whether somebody comes up by what they are to another one, such as her mother; not by the attributes that are allowed"""
    means = {**dict.fromkeys(RELATIVES, ""), "friend": "friend", **RELATIONS}
    return any(means[match[0].lower()] not in allowed for match in _any_of(tuple(means)).finditer(words))


def _pronoun(text: str, name: str) -> bool:
    """Whether a text begins with the pronoun that this name has"""
    subject = PRONOUNS[village()[name].gender][0]
    return re.match(rf"(?:(?:but|and|so|yes|well|actually|in fact)[, ]+)*{subject}\b", text, re.IGNORECASE) is not None
