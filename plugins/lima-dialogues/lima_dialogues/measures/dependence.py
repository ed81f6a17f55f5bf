"""Whether a later user turn takes up what was said in this dialogue, or would do as well behind another one.

Everything counts only where it meets the history: words, the rarer in other dialogues the more; among them words of the last
exchange, words of the user's and words that the talk keeps using; an answer to what was asked; and against it a list's third
item, a table or a quotation that is not there. A turn that is visibly a part of a talk and has hardly a word that would be out
of place in this one ("Why is that?") leans as well. Knows nothing of meaning: that "veggies" are the vegetarians of the
question is beyond it.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from lima_dialogues.measures.references import answers, fragment, pointers
from lima_dialogues.measures.wording import Others, stems

LEANS, ALONE, UNDECIDED = "leans", "stands alone", "undecided"
"The verdicts: takes up what was said; nothing in it does; cannot tell"
COVERED, RECENT, OWN, TOPICAL, ANSWERS, MISSES, SIZE = 6.5, 1.1, 0.7, 1.1, 0.6, -0.3, -0.47
CONSTANT = 0.2
"""What each piece of evidence counts, fitted (logistic regression) to the dialogues with odd numbers of lima-dialogues, each
later turn behind its own history and behind all others', and each opening behind all; from 0 on a turn leans"""
NEARLY = -0.1
"Scores from here to 0 decide nothing"
FEW = 4.0
"Rarity of a turn's unknown words, added up, that is too little to place it: one word that no other dialogue has is 3.4"


@dataclass(frozen=True)
class Evidence:
    """What speaks for it that a turn belongs behind a history; rarities are natural logarithms"""

    mass: float
    "Rarity of all different words of the turn, added up"
    coverage: float
    "Share of it whose words are in the history, 0 to 1"
    recent: float
    "Rarity of the words that are in the last answer or the user turn before it, added up, by the root of the number of words"
    own: float
    "Rarity of the words that the user has said before, likewise"
    topical: float
    "Rarity of the known words, each times the logarithm of how often the history has it, likewise"
    answers: bool
    "Whether it follows an answer that asks, and does not begin with a question"
    hits: int
    "Things it points at that are in the history"
    misses: int
    "Things it points at that are not"
    size: int
    "Words of the history"

    @property
    def score(self) -> float:
        """Above 0 the turn leans; about the logarithm of the odds that this is its history and not another's"""
        return (
            COVERED * self.coverage
            + RECENT * self.recent
            + OWN * self.own
            + TOPICAL * self.topical
            + ANSWERS * self.answers
            + MISSES * self.misses
            + SIZE * math.log(1 + self.size)
            + CONSTANT
        )


def judge(turn: str, history: Sequence[tuple[str, str]], others: Others) -> tuple[str, float]:
    """The verdict on a user's turn after the (role, text) before it, and its score; others say how rare a word is"""
    found = evidence(turn, history, others)
    few_unknown = found.mass * (1 - found.coverage) <= FEW and not found.misses
    if few_unknown and (fragment(turn) or found.hits):
        return LEANS, found.score
    if found.mass <= FEW and not found.misses:
        return UNDECIDED, found.score
    if found.score >= 0:
        return LEANS, found.score
    return (UNDECIDED if found.score >= NEARLY else ALONE), found.score


def evidence(turn: str, history: Sequence[tuple[str, str]], others: Others) -> Evidence:
    """What a user's turn shares with the (role, text) before it"""
    words, before = stems(turn), [stems(text) for _, text in history]
    said = [word for text in before for word in text]
    often, last = Counter(said), {word for text in before[-2:] for word in text}
    mine = {word for role, text in history if role != "assistant" for word in stems(text)}
    rarity = {word: others.rarity(word) for word in words}
    known = {word: weight for word, weight in rarity.items() if word in often}
    mass, root, (hits, misses) = sum(rarity.values()), math.sqrt(max(len(rarity), 1)), pointers(turn, history)
    return Evidence(
        mass=mass,
        coverage=sum(known.values()) / mass if mass else 0.0,
        recent=sum(weight for word, weight in known.items() if word in last) / root,
        own=sum(weight for word, weight in known.items() if word in mine) / root,
        topical=sum(weight * math.log(often[word]) for word, weight in known.items()) / root,
        answers=answers(turn, history),
        hits=hits,
        misses=misses,
        size=len(said),
    )
