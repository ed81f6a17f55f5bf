"""How far a prompt is from everything that a model was trained on: one minus the cosine to its nearest training prompt.

A prompt is its character n-grams, weighted by TF-IDF over the training prompts. That measures words and their parts, not meaning:
a paraphrase without a common word is far. Knows nothing of models.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from lima import Example, LimaError, Record
from lima_chat import Conversation

SHORTEST, LONGEST = 3, 5
DEFINITION = (
    f"Distance: 1 − the cosine to the nearest training prompt, over character n-grams of {SHORTEST} to {LONGEST} within words, "
    "lower case, weighted by TF-IDF over the training prompts; 0 is the same text, 1 has no n-gram in common with any. It "
    "compares words, not meaning."
)
_AT_ONCE = 200


@dataclass(frozen=True)
class Near:
    """How far a prompt is from its nearest training prompt, and which that is"""

    distance: float
    example: str
    "Its id"


def first_prompt(record: Record) -> str:
    """What an example's user says first; LimaError for a kind of example that has no prompt"""
    if isinstance(record, Example):
        return record.prompt
    if isinstance(record, Conversation):
        return next((turn.content for turn in record.turns if turn.role == "user"), "")
    raise LimaError(f"Example {record.id!r} is a {type(record).__name__}, whose prompt is not known.")


def nearest(prompts: Sequence[str], trained: Iterable[tuple[str, str]]) -> list[Near]:
    """For each prompt its nearest of the training prompts, which are (id, text); LimaError where there are none"""
    known = list(trained)
    if not known:
        raise LimaError("There is no training prompt to measure a distance to.")
    counts = [_grams(text) for _, text in known]
    frequency = Counter(gram for count in counts for gram in count)
    place = {gram: at for at, gram in enumerate(sorted(frequency))}
    weights = np.array([math.log((1 + len(known)) / (1 + frequency[gram])) + 1 for gram in place])
    base = _matrix(counts, place, weights)
    found: list[Near] = []
    for start in range(0, len(prompts), _AT_ONCE):
        some = _matrix([_grams(text) for text in prompts[start : start + _AT_ONCE]], place, weights)
        cosines = (some @ base.T).toarray()  # (prompts, training prompts)
        best = cosines.argmax(1)
        found += [
            Near(round(max(0.0, 1 - float(row[at])), 6), known[at][0]) for row, at in zip(cosines, best, strict=True)
        ]
    return found


def _grams(text: str) -> Counter[str]:
    """The n-grams of each word, with a space at its ends"""
    words = (f" {word} " for word in re.findall(r"\w+", text.casefold()))
    return Counter(
        word[at : at + n] for word in words for n in range(SHORTEST, LONGEST + 1) for at in range(len(word) - n + 1)
    )


def _matrix(counts: Sequence[Counter[str]], place: dict[str, int], weights: np.ndarray) -> csr_matrix:
    """(texts, n-grams) of unit length; an n-gram that no training prompt has counts in the length all the same"""
    rare = float(weights.max()) if len(weights) else 1.0
    rows, columns, values = [], [], []
    for row, count in enumerate(counts):
        weighed = {gram: n * (weights[place[gram]] if gram in place else rare) for gram, n in count.items()}
        length = math.sqrt(sum(value**2 for value in weighed.values())) or 1.0
        for gram, value in weighed.items():
            if gram in place:
                rows.append(row)
                columns.append(place[gram])
                values.append(value / length)
    return csr_matrix((values, (rows, columns)), shape=(len(counts), len(place)))
