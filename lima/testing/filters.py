"""The contract of a filter: it says what to leave out, each with a reason, the same each time, and changes nothing.

Knows nothing of why a filter leaves out what it does.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from lima.contract.examples import Example, Excluded, Record
from lima.contract.filters import Filter, FilterOptions
from lima.errors import LimaError
from lima.isolation.returned import shown
from lima.testing.contract import Contract, check, kept, within
from lima.testing.texts import EMPTY, HOSTILE, LONG, PLAIN, WORLD

_LONG = (
    "a" * 100_000,
    " " * 100_000,
    "." * 100_000 + "x",
    "…" * 100_000 + "x",
    "([{<" * 25_000,
    "\\[" * 50_000,
    "```a\n" * 20_000,
    "- $x\n" * 20_000,
    '"' + "a b" * 33_000,
    "| " * 50_000 + "x",
)


class FilterContract(Contract):
    """A filter of examples"""

    kind = "filters"
    settings: ClassVar[Mapping[str, Any]] = {}
    "The options with which it is tried; needed where it has one without a default"
    stays: ClassVar[Sequence[Record]] = ()
    "Examples that it leaves in, given alone"
    goes: ClassVar[Sequence[Record]] = ()
    "Examples of which it leaves out at least one"

    @kept
    def examples(self) -> list[Record]:
        """Examples of any kind: plain ones, empty, long and hostile ones, and those of this contract"""
        texts = [*PLAIN, *WORLD, LONG]
        made = [Example(id=str(n), source="kit", prompt=one.prompt, response=one.answer) for n, one in enumerate(texts)]
        odd = [
            Example(id=f"odd {n}", source="kit", prompt=text, response=text)
            for n, text in enumerate((*EMPTY, *HOSTILE))
        ]
        return [*made, *odd, *self.stays, *self.goes]

    @kept
    def tried(self) -> Filter:
        """The filter with the options of `settings`"""
        return self.thing.with_options(dict(self.settings)) if self.settings else self.thing

    def excluded(self, examples: Sequence[Record]) -> list[Excluded]:
        """What it leaves out"""
        return list(self.tried.excludes(examples))

    def use(self) -> None:
        list(self.bare(self.tried).excludes(self.examples))

    @check("test_is_registered")
    def test_works(self) -> None:
        """It takes examples of any text, and none at all: what it leaves out is an Excluded each"""
        assert self.excluded([]) == [], "of no examples it leaves some out"
        self.excluded(self.examples)

    @check("test_works")
    def test_places_are_of_the_examples(self) -> None:
        """What is left out is one of the examples, each once, with a reason"""
        found = self.excluded(self.examples)
        wrong = next((one for one in found if not 0 <= one.place < len(self.examples)), None)
        assert wrong is None, f"it leaves out place {wrong and wrong.place} of {len(self.examples)} examples"
        places = [one.place for one in found]
        assert len(places) == len({*places}), "it leaves out the same example twice"
        silent = next((one.place for one in found if not one.reason.strip()), None)
        assert silent is None, f"it gives no reason for place {silent}"

    @check("test_works")
    def test_same_twice(self) -> None:
        """The same examples lose the same ones each time"""
        assert self.excluded(self.examples) == self.excluded(self.examples), (
            "the second time it leaves out others: sort, and seed a generator of its own"
        )

    @check("test_works")
    def test_long_examples(self) -> None:
        """Examples of 100,000 characters are decided soon: words, one letter, spaces, dots, brackets, open marks"""
        for text in (LONG.answer, *_LONG):
            one = Example(id="long", source="kit", prompt=text, response=text)
            with within(self.seconds, f"an example of 100,000 characters, {text[:10]!r} …,"):
                self.excluded([one])

    @check("test_works", needs=("stays",))
    def test_stays(self) -> None:
        """It leaves in what it should"""
        found = self.excluded(self.stays)
        assert not found, f"it leaves out {self.stays[found[0].place].id!r}: {found[0].reason}"

    @check("test_works", needs=("goes",))
    def test_goes(self) -> None:
        """It leaves out what it should"""
        assert self.excluded(self.goes), "it leaves out none of those that it should"

    @check("test_same_twice", needs=(FilterOptions,))
    def test_wrong_options_are_errors(self) -> None:
        """A value that an option cannot have, and an option that it does not have, are a LimaError"""
        values = (object(), [object()], {"a": object()})
        for name, value in [*((name, value) for name in self.thing.options for value in values), ("no such option", 1)]:
            try:
                self.thing.with_options({name: value})
            except LimaError:
                continue
            raise AssertionError(f"it takes {name} = {shown(value)}; expected a LimaError that says what it may be")
