"""Words of a text in a form that can be compared: lower case, without endings; and how many dialogues have each.

Endings are cut by a few rules for English, which do little harm to other languages; thousands are joined ("16 800" is 16800).
Knows nothing of dialogues' turns or of meaning: "vegetarian" and "veggie" are two words.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

_WORD = re.compile(r"[^\W_]+(?:['’.,/^-][^\W_]+)*|√")
_THOUSANDS = re.compile(r"(?<=\d)[ ,\u00a0\u202f](?=\d{3}(?!\d))")
_UNIT = re.compile(r"^[^\W\d_]{1,3}(?=\d[\d.,]*\d{2}$)")
_CLITIC = re.compile(r"'(?:s|re|ve|ll|d|m)$")
_ENDINGS = ("ingly", "edly", "ings", "ing", "ies", "ied", "ed", "es", "ly", "s", "e", "y")
_SAME = {"her": "she", "hers": "she", "herself": "she", "him": "he", "his": "he", "himself": "he"}
"Pronouns that speak of one person"
LONGEST_STEM = 7
"Letters of a word that are compared, so that 'insure' and 'insurance' nearly meet"


@lru_cache(maxsize=5_000)
def stems(text: str) -> tuple[str, ...]:
    """The words of a text in their order, in lower case and without endings; numbers as they are"""
    return tuple(_stem(word) for word in _WORD.findall(_THOUSANDS.sub("", text)))


@lru_cache(maxsize=50_000)
def _stem(word: str) -> str:
    word = _UNIT.sub("", _CLITIC.sub("", word.lower().replace("’", "'")))
    if not word.isalpha() or word in _SAME:
        return _SAME.get(word, word)
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            break
    if len(word) > 3 and word[-1] == word[-2]:
        word = word[:-1]
    return word[:LONGEST_STEM]


@dataclass(frozen=True)
class Others:
    """How rare words are in other dialogues than the one that is looked at"""

    counts: Mapping[str, int]
    "In how many of all dialogues a stem occurs"
    left_out: tuple[frozenset[str], ...]
    "The stems of the dialogues that are not to be counted"
    size: int
    "How many dialogues remain"

    def rarity(self, stem: str) -> float:
        """0 for a word of every dialogue, log(n + 1) for one that none of the n others has (natural logarithm)"""
        having = self.counts.get(stem, 0) - sum(stem in stems for stems in self.left_out)
        return math.log((self.size + 1) / (having + 1))


class Background:
    """The dialogues against which a turn is held: their words, and how many of them have each"""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._stems = {name: frozenset(stems(text)) for name, text in texts.items()}
        self._counts = Counter(stem for found in self._stems.values() for stem in found)

    def without(self, names: Iterable[str]) -> Others:
        """The same without some dialogues, such as the one that is looked at"""
        left_out = tuple(self._stems[name] for name in set(names) if name in self._stems)
        return Others(self._counts, left_out, len(self._stems) - len(left_out))
