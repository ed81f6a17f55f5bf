"""Whether a later user turn takes up what was said in this dialogue, or would do as well behind another one.

Everything counts only where it meets the history: words, the rarer in other dialogues the more; words of the last exchange; words
that the talk keeps using; pairs of words; a list's third item, a table, a quotation; and an answer to what was asked. A turn with
hardly a word of its own ("Why?") is judged by its form. Knows nothing of meaning: that "veggies" are the vegetarians of the
question is beyond it, and what it cannot tell it calls undecided.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from lima_dialogues.references import answers, pointers
from lima_dialogues.wording import Others, stems

LEANS, ALONE, UNDECIDED = "leans", "stands alone", "undecided"
"""The three verdicts: what was said is taken up; nothing of it is; cannot tell"""


@dataclass(frozen=True)
class Evidence:
    """What speaks for it that a turn belongs behind a history; rarities are natural logarithms"""

    mass: float
    "Rarity of all different words of the turn, added up"
    coverage: float
    "Share of it whose words are in the history, 0 to 1"
    recent: float
    "Rarity of the words that are in the last answer or the user turn before it"
    topical: float
    "Rarity of the known words, each by the logarithm of how often the history has it"
    phrases: float
    "Mean rarity of pairs of neighbouring words that the history has, added up"
    answers: int
    "1 where it follows an answer that asks, and does not begin with a question"
    hits: int
    "Things it points at that are in the history"
    misses: int
    "Things it points at that are not"
    size: float
    "Logarithm of the number of words of the history"
    length: float
    "Logarithm of the number of different words of the turn"


def evidence(turn: str, history: Sequence[tuple[str, str]], others: Others) -> Evidence:
    """What a user's turn shares with the (role, text) before it; others say how rare a word is"""
    words, before = stems(turn), [stems(text) for _, text in history]
    said = [word for text in before for word in text]
    often, last = Counter(said), {word for text in before[-2:] for word in text}
    rarity = {word: others.rarity(word) for word in words}
    known = {word: weight for word, weight in rarity.items() if word in often}
    pairs = set(zip(said, said[1:], strict=False)).intersection(zip(words, words[1:], strict=False))
    mass, (hits, misses) = sum(rarity.values()), pointers(turn, history)
    return Evidence(
        mass=mass,
        coverage=sum(known.values()) / mass if mass else 0.0,
        recent=sum(weight for word, weight in known.items() if word in last),
        topical=sum(weight * math.log(often[word]) for word, weight in known.items()),
        phrases=sum((rarity[a] + rarity[b]) / 2 for a, b in pairs),
        answers=int(answers(turn, history)),
        hits=hits,
        misses=misses,
        size=math.log(1 + len(said)),
        length=math.log(1 + len(rarity)),
    )
