"""The filters `longest`, `random` and `diverse`: k of all examples, the same ones in whatever order these come.

The first two are baselines of any choice (2402.04833: the thousand longest answers beat LIMA; 2410.09335: many choices are
no better than a random one). Ties go by content hash. Knows nothing of sources or quality.
"""

import hashlib
import heapq
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from lima import Between, Excluded, LimaError, Record, options_of
from lima_curate.texts import messages_of
from lima_curate.words import words_of
from lima_dialogue_eval import count_of

_COUNT = Between(0, 1_000_000_000)
_SLOTS = 27
"Bits of a run's hash: of a million runs that are covered, about 1 % of others seem so, too"


def _check_k(name: str, k: int) -> None:
    if not k:
        raise LimaError(f"The filter {name!r} needs k, the number of examples to keep: k = 1000, or --set k=1000.")


def _left_out(examples: Sequence[Record], kept: set[int], reason: str) -> Iterator[Excluded]:
    return (Excluded(place, reason) for place in range(len(examples)) if place not in kept)


def _named(one: Record) -> tuple[str, str, str]:
    """What decides between examples that are equal otherwise"""
    return one.content_hash, one.source, one.id


@dataclass(frozen=True)
class Longest:
    """Keeps the k examples with the longest answers"""

    k: Annotated[int, _COUNT] = 0

    description = "keeps the `k` examples whose answers have most characters (2402.04833)"
    options = ("k",)

    def with_options(self, values: dict[str, Any]) -> "Longest":
        """The same with what the mix says"""
        return options_of(Longest, "longest", values)

    def excludes(self, examples: Sequence[Record]) -> Iterator[Excluded]:
        """The answers of a dialogue count together"""
        if not examples:
            return
        _check_k("longest", self.k)
        keyed = [(-_length(one), _named(one), place) for place, one in enumerate(examples)]
        chosen = heapq.nsmallest(self.k, keyed)
        kept, least = {place for *_, place in chosen}, -chosen[-1][0]
        for length, _, place in sorted(keyed, key=lambda one: one[-1]):
            if place not in kept:
                yield Excluded(
                    place,
                    f"Its answers have {-length:,} characters; those of the {self.k:,} kept have {least:,} or more.",
                )


def _length(one: Record) -> int:
    return sum(len(message.content) for message in messages_of(one) if message.role == "assistant")


@dataclass(frozen=True)
class Random:
    """Keeps k examples by a seed"""

    k: Annotated[int, _COUNT] = 0
    seed: Annotated[int, Between(0, 2**63)] = 0

    description = "keeps `k` examples drawn by `seed`: the baseline of any choice (2410.09335)"
    options = ("k", "seed")

    def with_options(self, values: dict[str, Any]) -> "Random":
        """The same with what the mix says"""
        return options_of(Random, "random", values)

    def excludes(self, examples: Sequence[Record]) -> Iterator[Excluded]:
        """Those whose hash with the seed is smallest stay"""
        if not examples:
            return
        _check_k("random", self.k)
        drawn = heapq.nsmallest(self.k, ((self._ticket(one), place) for place, one in enumerate(examples)))
        reason = f"Not among the {self.k:,} that seed {self.seed} draws of {len(examples):,}."
        yield from _left_out(examples, {place for _, place in drawn}, reason)

    def _ticket(self, one: Record) -> bytes:
        text = "\0".join((str(self.seed), *_named(one)))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


@dataclass(frozen=True)
class Diverse:
    """Keeps k examples that have together as many different runs of words as a greedy choice finds"""

    k: Annotated[int, _COUNT] = 0
    n: Annotated[int, Between(1, 5)] = 2

    description = (
        "keeps `k` examples: each time the one with most runs of `n` words that none before it has; long ones first"
    )
    options = ("k", "n")

    def with_options(self, values: dict[str, Any]) -> "Diverse":
        """The same with what the mix says"""
        return options_of(Diverse, "diverse", values)

    def excludes(self, examples: Sequence[Record]) -> Iterator[Excluded]:
        """Greedy, within 1 − 1/e of the most runs that k examples can have; all messages count, runs within each"""
        if not examples:
            return
        _check_k("diverse", self.k)
        chosen = self._chosen(examples)
        reason = (
            f"It adds too few runs of {count_of(self.n, 'word')} to the {self.k:,} that are kept of {len(examples):,}."
        )
        yield from _left_out(examples, chosen, reason)

    def _chosen(self, examples: Sequence[Record]) -> set[int]:
        import numpy

        hashes = dict[str, int]()
        runs, waiting = [], []
        for place, one in enumerate(examples):
            runs.append(self._runs(one, hashes))
            waiting.append((-len(runs[-1]), _named(one), place))
        heapq.heapify(waiting)
        covered, chosen = numpy.zeros(1 << _SLOTS, dtype=bool), set[int]()
        while waiting and len(chosen) < self.k:
            _, named, place = waiting[0]
            gain = len(runs[place]) - int(covered[runs[place]].sum())
            # What an example adds only shrinks, so one that still adds as much as the next one did is the best.
            best = (-gain, named, place)
            if len(waiting) > 1 and best > min(waiting[1:3]):
                heapq.heapreplace(waiting, best)
                continue
            heapq.heappop(waiting)
            covered[runs[place]] = True
            chosen.add(place)
        return chosen

    def _runs(self, one: Record, hashes: dict[str, int]) -> Any:
        """The different runs of n words in the messages of an example, each as a number"""
        import numpy

        found = []
        for message in messages_of(one):
            words = words_of(message.content)
            for word in words:
                if word not in hashes:
                    hashes[word] = zlib.crc32(word.encode("utf-8", "surrogatepass"))
            numbers = numpy.array([hashes[word] for word in words], dtype=numpy.uint64)
            total = numpy.zeros(max(0, len(words) - self.n + 1), dtype=numpy.uint64)
            for at in range(self.n):
                total = (total + numbers[at : at + len(total)]) * numpy.uint64(0x9E3779B97F4A7C15)
            found.append((total >> numpy.uint64(64 - _SLOTS)).astype(numpy.uint32))
        return numpy.unique(numpy.concatenate(found))
