"""Grades a reply by the facts of the village, Excellent, Pass or Fail as in the paper, each with its reason.

Fail: a fact that was asked for is missing, wrong, or said of the wrong one. Excellent: all are there, nothing wrong or not
asked for stands beside them, the form is right and the model ended its turn itself. Pass: everything between.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lima_village.reading import BARE, CARD, LIST, SENTENCE, Claim, loosely, read, values_of
from lima_village.world import Fact, village

if TYPE_CHECKING:
    from lima_dialogue_eval.grade import GradedTurn, Verdict

ENDED = frozenset({"eot", "eos", "stop", "end_turn", "stop_sequence"})
ASKED = {SENTENCE: "a sentence", BARE: "only the value", LIST: "a list", CARD: "a card"}


def judge(facts: dict[str, Any], reply: str, stop: str) -> tuple[str, str]:
    """(grade, reason) of one reply to a turn whose facts are those of `conversations.as_facts`"""
    required = [Fact(*fact) for fact in facts["required"]]
    bridge = [Fact(*fact) for fact in facts.get("bridge", ())]
    forms: Sequence[str] = facts["forms"]
    if not reply.strip():
        return "fail", "The reply is empty."
    antecedents = [fact.subject for fact in (*bridge, *required)]
    claims, left = read(reply, antecedents)
    claims = [_settled(claim, required) for claim in claims]
    for fact in required:
        if problem := _missing(fact, claims, left, lone=len(required) == 1):
            return "fail", problem
    faults = [f"Not ended by the model (stop: {stop})."] if stop not in ENDED else []
    faults += _form_faults(claims, left, forms)
    for claim in claims:
        claimed = (claim.subject, claim.attribute, claim.value)
        if claimed in [(f.subject, f.attribute, f.value) for f in required] or claim.subject is None:
            continue
        if village()[claim.subject].facts.get(claim.attribute or "") != claim.value:
            faults.append(f"Wrong beside it: {claim.text}")
        elif claimed not in [(f.subject, f.attribute, f.value) for f in bridge]:
            faults.append(f"Not asked for: {claim.text}")
    if len(claims) > len({(c.subject, c.attribute, c.value) for c in claims}):
        faults.append("Something is said twice.")
    if faults:
        return "pass", " ".join(["The facts are right.", *faults])
    return "excellent", "The facts are right, in the form asked for, with nothing beside them."


def _settled(claim: Claim, required: Sequence[Fact]) -> Claim:
    """A list's value or a bare value belongs to the attribute that was asked for, where it can be one of its values"""
    if claim.form == LIST or claim.subject is None:
        for fact in required:
            if claim.value in values_of(fact.attribute):
                return Claim(claim.form, claim.subject, fact.attribute, claim.value, claim.text)
    return claim


def _missing(fact: Fact, claims: Sequence[Claim], left: Sequence[str], lone: bool) -> str:
    """Why a required fact is not stated; empty where it is"""
    about = [claim for claim in claims if claim.attribute == fact.attribute]
    # A bare value speaks of whoever was asked about, if it was only one.
    own = [claim for claim in about if claim.subject == fact.subject or (claim.subject is None and lone)]
    values = {claim.value for claim in own}
    if values == {fact.value}:
        return ""
    if len(values) > 1:
        return f"Several values for the {fact.attribute} of {fact.subject}: {', '.join(sorted(values))}."
    if values:
        return f"Wrong value: {values.pop()} is not the {fact.attribute} of {fact.subject}, {fact.value} is."
    if any(loosely(part, fact.subject, values_of(fact.attribute), fact.value) for part in left):
        return ""
    others = sorted({claim.subject for claim in about if claim.subject})
    if others:
        return f"Wrong subject: speaks of {', '.join(others)}, not of {fact.subject}."
    return f"Not stated: the {fact.attribute} of {fact.subject}, {fact.value}."


def _form_faults(claims: Sequence[Claim], left: Sequence[str], forms: Sequence[str]) -> list[str]:
    faults = [f"Not understood: {part[:80]}" for part in left[:2]]
    used = {claim.form for claim in claims}
    if used and not any(used == {form} for form in forms):
        wanted = " or ".join(ASKED[form] for form in forms)
        faults.append(
            f"Not in the form asked for ({wanted}), but as {', '.join(ASKED[form] for form in sorted(used))}."
        )
    return faults


class Facts:
    """The grader that `lima` finds under the name village-facts."""

    description = "the facts of the village: what was asked, about the right one, in the right form"

    def grade(self, turn: GradedTurn) -> Verdict:
        """Grade one reply; a turn without the village's facts needs a person"""
        from lima_dialogue_eval.grade import NEEDS_PERSON, Verdict

        facts = turn.conversation.turns[turn.index].facts
        if "required" not in facts:
            return Verdict(None, "This turn has no facts of the village to hold the reply to.", NEEDS_PERSON)
        return Verdict(*judge(facts, turn.reply, turn.stop))
