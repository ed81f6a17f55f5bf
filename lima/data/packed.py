"""What is kept of the examples, packed: a million take hundreds of bytes each as Python's objects, and tens in arrays.

Texts are not kept. Knows nothing of where examples come from, nor of what is done with them.
"""

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, overload

from lima.contract.rendered import Rendered


class Texts:
    """Short texts, one behind the other"""

    def __init__(self) -> None:
        self._bytes, self._ends = bytearray(), array("q", [0])

    def append(self, text: str) -> None:
        """One more; half characters are kept, too"""
        self._bytes += text.encode("utf-8", "surrogatepass")
        self._ends.append(len(self._bytes))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, at: int) -> str:
        return self._bytes[self._ends[at] : self._ends[at + 1]].decode("utf-8", "surrogatepass")


class Rows(Sequence[list[Rendered]]):
    """The rows that each example became, with their ids and weights and without their texts"""

    def __init__(self) -> None:
        self.sizes, self.trained = array("i"), array("i")
        "Of each row, its tokens and those that carry loss"
        self._ids, self._weights, self._places, self._values = array("i"), array("H"), dict[float, int](), list[float]()
        self._starts, self._examples = array("q", [0]), array("q", [0])
        self.several, self.whys = 0, set[str]()
        "How many examples became several rows, and why"

    def append(self, rows: Sequence[Rendered]) -> None:
        """The rows of one more example"""
        for row in rows:
            self._ids.extend(row.ids)
            for weight in set(row.weights).difference(self._places):
                self._places[weight] = len(self._values)
                self._values.append(weight)
            if len(self._values) > 2**16 and self._weights.typecode == "H":
                self._weights = array("L", self._weights)
            self._weights.extend(map(self._places.__getitem__, row.weights))
            self._starts.append(len(self._ids))
            self.sizes.append(len(row.ids))
            self.trained.append(row.trained)
        self._examples.append(len(self.sizes))
        if rows[0].why:
            self.several += 1
            self.whys |= {rows[0].why}

    def of(self, at: int) -> range:
        """Which rows are those of an example"""
        return range(self._examples[at], self._examples[at + 1])

    def __len__(self) -> int:
        return len(self._examples) - 1

    @overload
    def __getitem__(self, at: int) -> list[Rendered]: ...
    @overload
    def __getitem__(self, at: slice) -> list[list[Rendered]]: ...
    def __getitem__(self, at: int | slice) -> list[Rendered] | list[list[Rendered]]:
        if isinstance(at, slice):
            return [self[i] for i in range(*at.indices(len(self)))]
        if not -len(self) <= at < len(self):
            raise IndexError(at)
        return [self._row(number) for number in self.of(at % len(self))]

    def _row(self, number: int) -> Rendered:
        part = slice(self._starts[number], self._starts[number + 1])
        return Rendered(self._ids[part].tolist(), [self._values[place] for place in self._weights[part]], [])


STATUSES = ("kept", "cut", "dropped", "refused")
_COUNTS = ("tokens", "trained_tokens", "answers", "answers_kept")


class Examples(Sequence[dict[str, Any]]):
    """The rows of run_examples: every example of every source, the dropped and the refused ones too"""

    def __init__(self) -> None:
        self._sources, self._texts, self._reasons = list[str](), Texts(), dict[int, str]()
        self._source, self._status, self._hashes = array("I"), bytearray(), Texts()
        self._counts = [array("i") for _ in _COUNTS]
        self.refused = Counter[str]()
        "How many rows of each source were refused"
        self._same = dict[str, str]()
        "Reasons, each once: a million rows may have been refused for one"

    def begin(self, source: str) -> None:
        """What is added from now on is of this source"""
        self._sources.append(source)

    def add(self, example: str, hash: str, status: str, reason: str, *counts: int) -> None:
        """One more example: its id or place, its content hash or '', and the numbers that a refused one does not have"""
        if reason:
            self._reasons[len(self)] = self._same.setdefault(reason, reason)
        self._source.append(len(self._sources) - 1)
        self._texts.append(example)
        self._hashes.append(hash)
        self._status.append(STATUSES.index(status))
        for column, count in zip(self._counts, counts or (0, 0, 0, 0), strict=True):
            column.append(count)

    def refuse(self, where: str, reason: str, rows: int) -> None:
        """One more place of this source whose rows, mostly one, were refused"""
        self.add(where, "", "refused", reason)
        self.refused[self._sources[-1]] += rows

    def id(self, at: int) -> str:
        """The id of an example"""
        return self._texts[at]

    def __len__(self) -> int:
        return len(self._status)

    @overload
    def __getitem__(self, at: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, at: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, at: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        if isinstance(at, slice):
            return [self[i] for i in range(*at.indices(len(self)))]
        status = STATUSES[self._status[at]]
        row = {"source": self._sources[self._source[at]], "example": self._texts[at], "hash": self._hashes[at]}
        row |= {"status": status, "reason": self._reasons.get(at, "")}
        counts = {name: column[at] for name, column in zip(_COUNTS, self._counts, strict=True)}
        return {**row, **({"tokens": 0, "trained_tokens": 0} if status == "refused" else counts)}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return map(self.__getitem__, range(len(self)))
