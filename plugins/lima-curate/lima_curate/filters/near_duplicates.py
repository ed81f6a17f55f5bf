"""The filter `near-duplicates`: examples that say what an earlier one says, within the set and across sources.

The similarity of two texts is the share of their runs of three words that both have (Jaccard); a shorter text is one run,
and signs of arithmetic count as words. MinHash (`rensa`, 128 permutations) finds the candidates, and the similarity is then
counted exactly. Of a pair the later one goes. An example is compared with those that stay, so that a second pass finds
nothing. Whoever gives the examples in another order keeps another of each pair. Knows nothing of meaning: rewordings stay.
"""

import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from lima import Between, Excluded, Record, load_plugins, open_source, options_of, storable
from lima_curate.texts import messages_of
from lima_curate.words import words_of

_PERMUTATIONS, _SEED = 128, 1
_RUN = 3
_SIGN = re.compile(r"(?<=[\w)] )[-−+*/×÷=<>^](?= )|(?<=\d)[-−+*/×÷=<>^](?=\d)|(?<=[A-Za-z])(?:\+\+|#)")
_MISSED = 1e-6
"The share of pairs at the threshold that MinHash may miss"
_FAR = 0.25
"How far an estimate of 128 permutations is at most below the similarity: more than five standard deviations"

Compared = Literal["whole", "prompt", "answer"]


def text_of(record: Record, compared: Compared) -> str:
    """What is compared of an example: what the user says, what the assistant says, or both"""
    role = {"prompt": "user", "answer": "assistant"}.get(compared, "")
    return "\n\n".join(one.content for one in messages_of(record) if not role or one.role == role)


@dataclass(frozen=True)
class NearDuplicates:
    """Leaves out what is nearly the same as an earlier example, or as one of another source"""

    threshold: Annotated[float, Between(0.3, 1.0)] = 0.8
    compare: Compared = "whole"
    against: tuple[str, ...] = ()
    "Sources whose examples are compared with, and are not in the set"

    description = (
        "leaves out what is as similar as `threshold` to an earlier example, or to one of a source in `against`; `compare` says "
        "what of it: whole, prompt or answer"
    )
    options = ("threshold", "compare", "against")

    def with_options(self, values: dict[str, Any]) -> "NearDuplicates":
        """The same with what the mix says"""
        return options_of(NearDuplicates, "near-duplicates", values)

    def excludes(self, examples: Sequence[Record]) -> Iterator[Excluded]:
        """Each with the id of the example that it is most like, and how similar they are"""
        index = _Index(self.threshold)
        for spec in self.against if examples else ():
            for other in open_source(spec, load_plugins()).records:
                index.add(text_of(other, self.compare), f"{other.id!r} of {spec!r}")
        what = {"prompt": "Its prompt", "answer": "Its answer"}.get(self.compare, "It")
        for place, one in enumerate(examples):
            named = f"{one.id!r} of {one.source!r}" if one.source else repr(one.id)
            if like := index.add(text_of(one, self.compare), named):
                share, name = like
                whose = name if what == "It" else f"that of {name}"
                alike = "has the same words as" if share == 1 else f"is {100 * share:.1f} % the same as"
                yield Excluded(place, storable(f"{what} {alike} {whose}."))


@dataclass
class _Index:
    """The texts that stay"""

    threshold: float
    numbers: dict[str, int] = field(default_factory=dict)
    "Of words"
    texts: "list[tuple[str, array[int], Any]]" = field(default_factory=list)
    "Name, words by their numbers, MinHash"

    def __post_init__(self) -> None:
        from rensa import RMinHashLSH

        self.found = RMinHashLSH(threshold=self.threshold, num_perm=_PERMUTATIONS, num_bands=bands(self.threshold))

    def add(self, text: str, name: str) -> tuple[float, str] | None:
        """Similarity and name of the most similar text that stays; None where none is similar, and then this one stays, too"""
        from rensa import RMinHash

        words = words_of(text) + _SIGN.findall(text) or text.split()
        if not words:
            return None
        numbered = array("I", (self.numbers.setdefault(word, len(self.numbers)) for word in words))
        runs = _runs(numbered)
        made = RMinHash(num_perm=_PERMUTATIONS, seed=_SEED)
        made.update([" ".join(words[at : at + _RUN]) for at in range(max(1, len(words) - _RUN + 1))])
        best: tuple[float, str] | None = None
        for at in sorted(self.found.query(made)):
            other, numbers, others = self.texts[at]
            if min(len(numbers), len(numbered)) and others.jaccard(made) >= self.threshold - _FAR:
                share = _similarity(runs, _runs(numbers))
                if share >= self.threshold and (best is None or share > best[0]):
                    best = share, other
        if best is None:
            self.found.insert(len(self.texts), made)
            self.texts.append((name, numbered, made))
        return best


def bands(threshold: float) -> int:
    """Of how many bands one must be equal: the fewest of which so few pairs at the threshold are missed"""
    counts = [2**power for power in range(3, 8)]
    return next((n for n in counts if (1 - threshold ** (_PERMUTATIONS // n)) ** n < _MISSED), counts[-1])


def _runs(words: Sequence[int]) -> set[tuple[int, ...]]:
    return {*zip(words, words[1:], words[2:], strict=False)} or {tuple(words)}


def _similarity(one: set[tuple[int, ...]], other: set[tuple[int, ...]]) -> float:
    both = len(one & other)
    return both / (len(one) + len(other) - both)
