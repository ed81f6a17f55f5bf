"""What is trained on, example by example: rendered, cut to max_tokens, checked, counted and packed.

Knows nothing of how a source is read or of how an example is rendered.
"""

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from itertools import chain, compress, islice
from typing import Any, overload

from lima.contract.examples import Record
from lima.contract.rendered import Rendered
from lima.contract.runs import SourceRow
from lima.data.packed import Examples, Rows
from lima.data.reader import EVERY, OnExample
from lima.data.rendering import Rendering, fit_rows, with_prompt_weight
from lima.data.sources import Source
from lima.errors import LimaError
from lima.isolation import named_interrupt
from lima.model.build import Longest
from lima.recipe import Recipe

FIRST = 20
"Records that are kept, however large the sources are, for whoever needs a few when the files may be gone: at a run's end"


class TrainingSet:
    """The examples of all sources as they come, one after the other"""

    def __init__(
        self,
        recipe: Recipe,
        tokenizer: Any,
        new_ids: list[int],
        embedded: int,
        eot_id: int,
        on_example: OnExample | None = None,
    ) -> None:
        """`embedded` is how many rows the base's embedding has, besides which those of the `new_ids` are made"""
        self.recipe, self.tokenizer, self.new_ids, self.embedded, self.eot_id = (
            recipe,
            tokenizer,
            new_ids,
            embedded,
            eot_id,
        )
        self.rows, self.examples, self.sources = Rows(), Examples(), list[SourceRow]()
        self.first = list[Record]()
        self.places = array("q")
        "Where in `examples` each one is that is trained on"
        self.longest = Longest("", 0)
        self._on_example = on_example

    def add(self, source: Source, rendering: Rendering) -> None:
        """All of a source. LimaError for an example with a token that has no row in the base's embedding"""
        self.examples.begin(source.name)
        counts = Counter[str]()
        done = 0
        with named_interrupt(lambda: f"while rendering the source {source.name!r}, after {done:,} examples"):
            for record, rows in rendering.each(source.records):
                counts.update(self._one(record, rows))
                done += 1
                if self._on_example and done % EVERY == 0:
                    self._on_example(source.name, done, len(source.records))
        for one in source.refused:
            self.examples.refuse(one.where, one.reason, one.rows)
        self.sources.append(_source_row(source, counts))

    def _one(self, record: Record, whole: list[Rendered]) -> dict[str, int]:
        """One example; what it adds to the counts of its source"""
        kept, status, reason = fit_rows(whole, self.recipe.max_tokens, self.eot_id, self.recipe.trim)
        if kept:
            kept = [with_prompt_weight(row, self.recipe.prompt_weight) for row in kept]
            self._check_tokens(record, kept)
            self.places.append(len(self.examples))
            self.rows.append(kept)
            if len(self.first) < FIRST:
                self.first.append(record)
            self.longest = max(self.longest, longest_of(record, kept), key=lambda one: one.tokens)
        counts = {
            "tokens": sum(len(row.ids) for row in kept),
            "trained_tokens": sum(row.trained for row in kept),
            "answers": sum(len(row.spans) for row in whole),
            "answers_kept": sum(len(row.spans) for row in kept),
        }
        self.examples.add(record.id, record.content_hash, status, reason, *counts.values())
        return {status: 1, **counts}

    def _check_tokens(self, record: Record, rows: Sequence[Rendered]) -> None:
        for one in rows:
            ids = set(one.ids)
            if (min(ids) < 0 or max(ids) >= self.embedded) and (
                rowless := sorted({i for i in ids if not 0 <= i < self.embedded} - {*self.new_ids})
            ):
                token = self.tokenizer.convert_ids_to_tokens(rowless[0]) if 0 <= rowless[0] < 2**31 else None
                what = repr(token) if token else f"the id {rowless[0]}"
                raise LimaError(
                    f"Example {record.id!r} of source {record.source!r} has {what}, and the base model's embedding of "
                    f"{self.embedded} rows has none for it. Take it out of the text, or use another base."
                )

    def check(self) -> None:
        """Raise LimaError where every example was dropped"""
        if not self.rows:
            dropped = [row for row in self.examples if row["status"] == "dropped"]
            raise LimaError(
                f"All {len(dropped)} examples were dropped; the first: {dropped[0]['example']!r}, {dropped[0]['reason']}. "
                "Raise max_tokens."
            )

    def twins(self, hashes: Set[str], ids: Set[tuple[int, ...]]) -> dict[str | tuple[int, ...], str]:
        """The ids of the examples that are trained on with one of these content hashes or token ids, by these"""
        found: dict[str | tuple[int, ...], str] = {}
        if not hashes:
            return found
        for place, rows in zip(self.places, self.rows, strict=True):
            about, last = self.examples[place], tuple(rows[-1].ids)
            found |= {key: about["example"] for key in (about["hash"], last) if key in hashes or key in ids}
        return found

    def records(self, opened: Sequence[Source]) -> Sequence[Record]:
        """The records that are trained on, in their order"""
        lengths = [len(source.records) + len(source.refused) for source in opened]
        return Trained(opened, self.places, lengths, self.first)


class Trained(Sequence[Record]):
    """The records of several sources that are trained on, out of those that are not"""

    def __init__(
        self, sources: Sequence[Source], places: Sequence[int], lengths: Sequence[int], first: Sequence[Record]
    ) -> None:
        """`places` among all that was read, of each source as much as its length; the `first` ones are asked no source again"""
        self._sources, self._places, self._lengths, self._first = sources, places, lengths, first

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[Record]:
        used = bytearray(sum(self._lengths))
        for place in self._places:
            used[place] = 1
        starts = [sum(self._lengths[:number]) for number in range(len(self._lengths))]
        return chain.from_iterable(
            compress(source.records, used[start:])  # behind its records are the rows that it refused
            for source, start in zip(self._sources, starts, strict=True)
        )

    @overload
    def __getitem__(self, at: int) -> Record: ...
    @overload
    def __getitem__(self, at: slice) -> list[Record]: ...
    def __getitem__(self, at: int | slice) -> Record | list[Record]:
        if isinstance(at, slice):
            places = range(*at.indices(len(self)))
            last = max(places, default=-1)
            wanted = enumerate(islice(self if last >= len(self._first) else self._first, last + 1))
            found = {number: one for number, one in wanted if number in places}
            return [found[number] for number in places]
        if not -len(self) <= at < len(self):
            raise IndexError(at)
        at %= len(self)
        return next(islice(self if at >= len(self._first) else self._first, at, None))


def longest_of(record: Record, rows: Sequence[Rendered]) -> Longest:
    """The longest row of an example"""
    return Longest(f"Example {record.id!r} of source {record.source!r}", max(len(row.ids) for row in rows))


def _source_row(source: Source, counts: Counter[str]) -> SourceRow:
    return {
        "source": source.name,
        "owner": source.owner,
        "licence": source.licence,
        "hash": source.hash,
        "examples": counts["kept"] + counts["cut"],
        "cut": counts["cut"],
        "dropped": counts["dropped"],
        "answers": counts["answers"],
        "answers_kept": counts["answers_kept"],
        "tokens": counts["tokens"],
        "trained_tokens": counts["trained_tokens"],
    }
