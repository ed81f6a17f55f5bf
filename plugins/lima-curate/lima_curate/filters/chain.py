"""A chain of filters on a set of examples: each sees what those before it left in; what went, why, and how many.

Read is kept and left out, for each filter and for the chain. Knows nothing of where the examples come from or go to.
"""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

from lima import Excluded, Filter, FilterOptions, LimaError, Plugins, Record, UsesStore, did_you_mean


@dataclass(frozen=True)
class Exclusion:
    """An example that a filter of the chain left out, as the database keeps it"""

    place: int
    "Among the examples that the chain was given, counted from 0"
    filter: str
    reason: str
    example: str
    "Its id"
    source: str
    content_hash: str


@dataclass(frozen=True)
class Pass:
    """What one filter of a chain did"""

    filter: str
    read: int
    left_out: int

    @property
    def kept(self) -> int:
        return self.read - self.left_out

    def row(self) -> dict[str, Any]:
        """For a table"""
        return {"filter": self.filter, "read": self.read, "left_out": self.left_out, "kept": self.kept}


@dataclass(frozen=True)
class Chosen:
    """What a chain of filters kept, and what it left out"""

    kept: "Sequence[Record]"
    "Of a large source they are read again whenever they are asked for"
    exclusions: tuple[Exclusion, ...]
    "In the order of the filters, and of the examples for each"
    passes: tuple[Pass, ...]
    "One a filter, in order"


class Part(Sequence[Record]):
    """Some of the examples of a sequence, in its order, without a copy of them"""

    def __init__(self, whole: Sequence[Record], places: Sequence[int]) -> None:
        self.whole, self.places = whole, places

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[Record]:
        wanted = iter(self.places)
        following = next(wanted, None)
        for place, one in enumerate(self.whole):
            if following is None:
                if place < len(self.whole) - 1:
                    continue  # a source that is read again is read to its end, where it is compared with the first reading
                return
            if place == following:
                yield one
                following = next(wanted, None)

    @overload
    def __getitem__(self, at: int) -> Record: ...
    @overload
    def __getitem__(self, at: slice) -> "Part": ...
    def __getitem__(self, at: int | slice) -> "Record | Part":
        return Part(self.whole, self.places[at]) if isinstance(at, slice) else self.whole[self.places[at]]


def open_filter(plugins: Plugins, name: str, values: Mapping[str, Any] | None = None, store: Any = None) -> Filter:
    """The filter of that name, with these options; LimaError for an unknown name or option, or a value that it cannot have

    `store` is the open database, for a filter that keeps something in it."""
    found: Any = plugins.registry("filters").find(name)
    known = found.options if isinstance(found, FilterOptions) else ()
    if unknown := next((key for key in values or () if key not in known), None):
        hint = did_you_mean(unknown, known) if known else " It has no options."
        raise LimaError(f"{unknown!r} is not an option of the filter {name!r}.{hint}")
    found = found.with_options(dict(values)) if values else found
    return found.with_store(store) if store is not None and isinstance(found, UsesStore) else found


def choose(examples: Sequence[Record], filters: Sequence[tuple[str, Filter]]) -> Chosen:
    """What a chain of (name, filter) keeps of the examples, and each exclusion with its reason

    LimaError of a filter that cannot decide, and for one that leaves out a place twice or one that is not there."""
    places: array[int] = array("Q", range(len(examples)))
    exclusions, passes = list[Exclusion](), list[Pass]()
    for name, one in filters:
        left: Sequence[Record] = examples if len(places) == len(examples) else Part(examples, places)
        reasons = _reasons(name, one, left)
        for place, record in enumerate(left) if reasons else ():
            if place in reasons:
                exclusions.append(
                    Exclusion(places[place], name, reasons[place], record.id, record.source, record.content_hash)
                )
        passes.append(Pass(name, len(left), len(reasons)))
        places = array("Q", (at for place, at in enumerate(places) if place not in reasons))
    kept: Sequence[Record] = examples if len(places) == len(examples) else Part(examples, places)
    return Chosen(kept, tuple(exclusions), tuple(passes))


def _reasons(name: str, one: Filter, examples: Sequence[Record]) -> dict[int, str]:
    """Why examples are left out, by their places"""
    reasons = dict[int, str]()
    for found in one.excludes(examples):
        if not isinstance(found, Excluded):
            raise LimaError(f"The filter {name!r} gave an object of {type(found).__name__}; expected lima.Excluded.")
        if not 0 <= found.place < len(examples):
            raise LimaError(
                f"The filter {name!r} leaves out place {found.place} of {len(examples):,} examples, which are counted from 0."
            )
        if found.place in reasons:
            raise LimaError(f"The filter {name!r} leaves out place {found.place} twice.")
        reasons[found.place] = found.reason
    return reasons
