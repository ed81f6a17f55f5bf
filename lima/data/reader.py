"""A source read example by example, of which no more is kept than a few thousand; what is asked for again is read again.

Knows nothing of how a source is found, nor of tokens.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from typing import Any, Generic, TypeVar, overload

from lima.contract.examples import Record, Refused
from lima.errors import LimaError
from lima.isolation import named_interrupt

KEPT = 10_000
"Examples of a source that are kept in memory; of a source with more none is"

Made = TypeVar("Made")
"What is made of a row: a Record, or what an evaluation asks"

OnExample = Callable[[str, int, int], None]
"Called with (a source, how many of its examples were read, 0) and then (a source, how many were rendered, all of them)"

EVERY = 500
"Examples from one call to the next"


class Reader(Generic[Made]):
    """What a source yields, counted each time it is iterated"""

    def __init__(
        self,
        spec: str,
        name: str,
        owner: str,
        read: Callable[[], Iterable[Any]],
        kind: type[Made],
        expected: str,
        on_example: OnExample | None = None,
    ) -> None:
        """`spec` as the recipe has it, `name` as the plugin `owner` registered it; `read` begins a pass over what it yields

        Anything that is neither of the `kind` nor Refused is a LimaError with what was `expected`."""
        self.spec, self.name, self.owner, self.kind, self.expected = spec, name, owner, kind, expected
        self.on_example = on_example
        self._read = read
        self.count = 0
        "Objects of the kind in the last pass, so far"

    def __iter__(self) -> Iterator[Made | Refused]:
        self.count = 0
        with self.named():
            for number, one in enumerate(self._read(), 1):
                if not isinstance(one, self.kind | Refused):
                    raise LimaError(
                        f"Source {self.name!r} of plugin {self.owner!r} yielded {type(one).__name__}; expected {self.expected}."
                    )
                self.count += not isinstance(one, Refused)
                if self.on_example and number % EVERY == 0:
                    self.on_example(self.spec, self.count, 0)
                yield one

    def named(self) -> AbstractContextManager[None]:
        """Within it Ctrl-C names the source, and how far the pass is"""
        return named_interrupt(lambda: f"while reading the source {self.spec!r}, after {self.count:,} examples")


class Digest:
    """SHA-256 over the content hashes of records, in their order, as they come"""

    def __init__(self) -> None:
        self._sha, self.count = hashlib.sha256(), 0

    def add(self, record: Record) -> None:
        """One more; TypeError for a hash that is none"""
        found: object = record.content_hash  # a property, which a plugin may have written
        if not isinstance(found, str):
            raise TypeError(f"content_hash is {found!r}; expected text")
        self._sha.update(f"{chr(10) * bool(self.count)}{found}".encode())
        self.count += 1

    @property
    def value(self) -> str:
        """Of those so far, in hexadecimal"""
        return self._sha.hexdigest()


class ReadAgain(Sequence[Record]):
    """The records of a source that was read to its end, each time read again; LimaError where they are not the same"""

    def __init__(self, reader: Reader[Record], read: Digest) -> None:
        """`read` is of the whole first pass"""
        self._reader, self._count, self._hash = reader, read.count, read.value
        reader.on_example = None  # who reads it again knows how far it is

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Record]:
        digest = Digest()
        for one in self._reader:
            if not isinstance(one, Refused):
                digest.add(one)
                yield one
        if digest.value != self._hash:
            raise LimaError(
                f"The source {self._reader.spec!r} gave other examples when it was read again. A large source is read several "
                "times, so it must give the same each time: do not change it meanwhile."
            )

    @overload
    def __getitem__(self, at: int) -> Record: ...
    @overload
    def __getitem__(self, at: slice) -> list[Record]: ...
    def __getitem__(self, at: int | slice) -> Record | list[Record]:
        if isinstance(at, slice):
            places = range(*at.indices(self._count))
            wanted = islice(self, max(places, default=-1) + 1)
            found = {number: one for number, one in enumerate(wanted) if number in places}
            return [found[number] for number in places]
        if not -self._count <= at < self._count:
            raise IndexError(at)
        return next(islice(self, at % self._count, None))
