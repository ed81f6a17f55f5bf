"""A source read example by example, of which no more is kept than a few thousand; what is asked for again is read again.

Knows nothing of how a source is found, nor of tokens.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, overload

from lima.contract.examples import Record, Refused
from lima.errors import LimaError
from lima.isolation import plugin_code

KEPT = 10_000
"Examples of a source that are kept in memory; of a source with more none is"

OnExample = Callable[[str, int, int], None]
"Called with (a source, how many of its examples were read, 0) and then (a source, how many were rendered, all of them)"

EVERY = 500
"Examples from one call to the next"


class Reader:
    """What a source yields, counted and hashed, each time it is iterated"""

    def __init__(
        self, spec: str, owner: str, read: Callable[[], Iterator[Any]], place: str, on_example: OnExample | None = None
    ) -> None:
        """`spec` as the recipe has it; `read` begins a pass over what the plugin `owner` yields in this `place`"""
        self.spec, self.owner, self.place, self.on_example = spec, owner, place, on_example
        self._read = read
        self.records, self.hash = 0, ""
        "Of the last pass: its records so far, and at its end the SHA-256 over their content hashes"

    def __iter__(self) -> Iterator[Record | Refused]:
        digest, self.records = hashlib.sha256(), 0
        try:
            for number, one in enumerate(self._each(), 1):
                if not isinstance(one, Record | Refused):
                    raise LimaError(
                        f"Source {self.spec!r} of plugin {self.owner!r} yielded {type(one).__name__}; expected lima.Example, "
                        "Record or Refused."
                    )
                if isinstance(one, Record):
                    digest.update(f"{chr(10) * bool(self.records)}{one.content_hash}".encode())
                    self.records += 1
                if self.on_example and number % EVERY == 0:
                    self.on_example(self.spec, self.records, 0)
                yield one
        except KeyboardInterrupt as e:
            raise KeyboardInterrupt(f"while reading the source {self.spec!r}, after {self.records:,} examples") from e
        self.hash = digest.hexdigest()

    def _each(self) -> Iterator[Any]:
        """What the plugin yields; only its own code is watched, not that of who asks for it"""
        with plugin_code(self.place, self.owner):
            found = iter(self._read())
        while True:
            with plugin_code(self.place, self.owner):
                one = next(found, _END)
            if one is _END:
                return
            yield one


class ReadAgain(Sequence[Record]):
    """The records of a source that was read to its end, each time read again; LimaError where they are not the same"""

    def __init__(self, reader: Reader) -> None:
        self._reader, self._count, self._hash = reader, reader.records, reader.hash
        reader.on_example = None  # who reads it again knows how far it is

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Record]:
        yield from (one for one in self._reader if isinstance(one, Record))
        if self._reader.hash != self._hash:
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


_END = object()
