"""Near-duplicates by shingles: which texts share most of their runs of five words.

Jaccard similarity is the size of the intersection by that of the union. Knows nothing of dialogues; texts that are too short
have no shingles and are never alike.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

RUN = 5
"Words in a shingle"
FEWEST = 4
"A text with fewer shingles than this is left out"

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


def shingles(text: str) -> frozenset[tuple[str, ...]]:
    """The runs of five words in a text, without case and punctuation; empty for a text of fewer than eight words"""
    words = [word.lower() for word in _WORD.findall(text)]
    runs = frozenset(tuple(words[i : i + RUN]) for i in range(len(words) - RUN + 1))
    return runs if len(runs) >= FEWEST else frozenset()


def plain(text: str) -> str:
    """The words of a text, without case and punctuation"""
    return " ".join(word.lower() for word in _WORD.findall(text))


def alike(texts: Sequence[frozenset[tuple[str, ...]]], threshold: float) -> Iterator[tuple[int, int, float]]:
    """(earlier, later, similarity) for each pair of shingle sets that reaches the threshold"""
    where: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for later, runs in enumerate(texts):
        shared = Counter(earlier for run in runs for earlier in where[run])
        for earlier, both in sorted(shared.items()):
            similarity = both / (len(runs) + len(texts[earlier]) - both)
            if similarity >= threshold:
                yield earlier, later, similarity
        for run in runs:
            where[run].append(later)
