"""Grades a reply by the facts of the village, Excellent, Pass or Fail as in the paper, with a reason.

Fail: a requested fact is missing, wrong, or about the wrong subject. Excellent: all requested facts and nothing else, in the
right form, and the model ended its turn itself. Pass: everything between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Any

from lima import UNDECIDED, Example, Record, Verdict, blank
from lima_dialogue_eval.conversation.grade import ENDED, GradedTurn
from lima_village.free_words import among, answered, named, relative, told
from lima_village.reading import BARE, CARD, LIST, SENTENCE, Claim, ParsedReply, leads, read, values_of
from lima_village.world import BY_NAME, Fact, village

EMPTY = "The reply is empty."
ASKED = {SENTENCE: "a sentence", BARE: "only the value", LIST: "a list", CARD: "a card"}


def judge(facts: dict[str, Any], reply: str, stop: str) -> tuple[str, str]:
    """(grade, reason) of one reply to a turn with the facts of `conversations.as_facts`"""
    required = [Fact(*fact) for fact in facts["required"]]
    bridge = [Fact(*fact) for fact in facts.get("bridge", ())]
    if blank(reply):
        return "fail", EMPTY
    reading = read(reply, [*(fact.subject for fact in bridge), *_clear(required)])
    claims = [_settled(claim, required) for claim in reading.claims]
    for fact in required:
        if problem := _missing(fact, _values(fact, claims, reading, required, bridge), claims, required):
            return "fail", problem
    faults = [f"Not ended by the model (stop: {stop})."] if stop not in ENDED else []
    faults += _form_faults(claims, facts["forms"])
    faults += _beside(claims, required, bridge)
    faults += [f"Taken back: {part[:80]}" for part in reading.withdrawn[:2]]
    faults += [f"Not understood: {part[:80]}" for part in reading.left[:2]]
    if faults:
        return "pass", " ".join(["The facts are right.", *faults])
    return "excellent", "The facts are right, in the form asked for, with nothing beside them."


def _clear(required: Sequence[Fact]) -> list[str]:
    """Whom a pronoun may mean before anybody is named: the subjects in question, unless two of them share a pronoun"""
    subjects = list(dict.fromkeys(fact.subject for fact in required))
    genders = [village()[subject].gender for subject in subjects]
    return [subject for subject, gender in zip(subjects, genders, strict=True) if genders.count(gender) == 1]


def _settled(claim: Claim, required: Sequence[Fact]) -> Claim:
    """Give a claim with an open attribute the one that was asked for, and find its value among further words"""
    for fact in required:
        if not _may_mean(claim, fact.attribute):
            continue
        if claim.value in values_of(fact.attribute):
            return replace(claim, attribute=fact.attribute, formed=claim.formed and claim.lead in leads(fact.attribute))
        if claim.form in (LIST, CARD) and (value := among(claim.value, fact.attribute)):
            return replace(claim, attribute=fact.attribute, value=value, exact=False)
    return claim


def _may_mean(claim: Claim, attribute: str) -> bool:
    """Whether a claim can be about an attribute: a list and a bare value leave it open, a card without a name says its label"""
    if claim.form == BARE or claim.attribute is None:
        return True
    if claim.subject is None:
        return BY_NAME[claim.attribute].label == BY_NAME[attribute].label
    return claim.attribute == attribute


def _values(
    fact: Fact, claims: Sequence[Claim], reading: ParsedReply, required: Sequence[Fact], bridge: Sequence[Fact]
) -> set[str]:
    """The values that a reply gives for a fact, in wordings of the village or in free words"""
    subjects = list(dict.fromkeys(other.subject for other in required))
    values = {
        claim.value
        for claim in claims
        if (claim.subject, claim.attribute) == (fact.subject, fact.attribute) and not _beclouds(claim, fact)
    }
    for part in reading.left:
        values |= told(part, fact.attribute, subjects, bridge).get(fact.subject, set())
    if values or len(required) > 1:
        return values
    # A bare value belongs to the subject that was asked about, if it was only one and nobody else was named before.
    involved = {None, fact.subject, *(name for helper in bridge for name in (helper.subject, helper.value))}
    away = set(village().entities) - involved - set(values_of(fact.attribute))  # "Her brother is Boris. A fisher."
    fitting = takewhile(lambda claim: claim.subject in involved and claim.value not in away, claims)
    values = {
        claim.value
        for claim in fitting
        if (claim.subject, claim.attribute) == (None, fact.attribute)
        and not (claim.form == CARD and _of_another(reading, fact, {*involved, fact.value}))
    }
    return values.union(*(answered(part, fact.attribute) for part in reading.left))


def _beclouds(claim: Claim, fact: Fact) -> bool:
    """Whether a claim has the right value among words that do not state it, such as "not chess" """
    return claim.value != fact.value and bool(named(claim.value, [fact.value]))


def _of_another(reading: ParsedReply, fact: Fact, involved: set[str | None]) -> bool:
    """Whether unparsed words name somebody else, so that a card is about them"""
    return any(
        relative(part, fact.attribute) or any(name not in involved for _, name in named(part, village().entities))
        for part in reading.left
    )


def _missing(fact: Fact, values: set[str], claims: Sequence[Claim], required: Sequence[Fact]) -> str:
    """Why a required fact is not stated; empty if it is"""
    if values == {fact.value}:
        return ""
    if len(values) > 1:
        return f"Several values for the {fact.attribute} of {fact.subject}: {', '.join(sorted(values))}."
    if values:
        return f"Wrong value: {values.pop()} is not the {fact.attribute} of {fact.subject}, {fact.value} is."
    spoken_of = {claim.subject for claim in claims if claim.attribute == fact.attribute and claim.subject}
    if others := spoken_of - {other.subject for other in required}:
        return f"Wrong subject: speaks of {', '.join(sorted(others))}, not of {fact.subject}."
    return f"Not stated: the {fact.attribute} of {fact.subject}, {fact.value}."


def _beside(claims: Sequence[Claim], required: Sequence[Fact], bridge: Sequence[Fact]) -> list[str]:
    """Faults of the other claims: wrong, not asked for, badly formed, or made twice"""
    faults, said = [], []
    for claim in claims:
        asked = [
            fact for fact in required if claim.subject in (fact.subject, None) and fact.attribute == claim.attribute
        ]
        fact = Fact(asked[0].subject if asked else claim.subject or "", claim.attribute or "", claim.value)
        said.append(fact)
        known = village().entities.get(fact.subject)
        if not claim.exact:
            faults.append(f"Not understood: {claim.text[:80]}")
        elif fact not in (*required, *bridge):
            true = known and known.facts.get(fact.attribute) == fact.value
            faults.append(f"{'Not asked for' if true else 'Wrong beside it'}: {claim.text[:80]}")
        elif not claim.formed:
            faults.append(f"Not well formed: {claim.text[:80]}")
    return faults + (["Something is said twice."] if len(said) > len(set(said)) else [])


def _form_faults(claims: Sequence[Claim], forms: Sequence[str]) -> list[str]:
    used = {claim.form for claim in claims}
    if used and not any(used == {form} for form in forms):
        wanted = " or ".join(ASKED[form] for form in forms)
        return [f"Not in the form asked for ({wanted}), but as {', '.join(ASKED[form] for form in sorted(used))}."]
    nameless = used == {CARD} and any(claim.subject is None for claim in claims)
    return ["The card has no name."] if nameless else []


class Facts:
    """The grader that `lima` finds under the name village-facts."""

    description = "the facts of the village: what was asked for, about the right subject, in the right form"

    def grade(self, turn: GradedTurn) -> Verdict:
        """Grade one reply; a turn without facts of the village is undecided"""
        facts = turn.conversation.turns[turn.index].facts
        if blank(turn.reply):
            return Verdict("fail", EMPTY)
        if "required" not in facts:
            return Verdict(None, "This turn has no facts of the village to check the reply against.", UNDECIDED)
        return Verdict(*judge(facts, turn.reply, turn.stop))

    def grade_reply(self, example: Record, reply: str, stop: str) -> Verdict:
        """Grade the reply to a single request by the facts that its words ask for; any other example is undecided"""
        from lima_village.dev import facts_of

        if blank(reply):
            return Verdict("fail", EMPTY)
        facts = facts_of(example.prompt) if isinstance(example, Example) else None
        if facts is None:
            return Verdict(None, "This is not a single request about the village.", UNDECIDED)
        return Verdict(*judge(facts, reply, stop))
