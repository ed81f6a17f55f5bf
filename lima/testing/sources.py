"""The contract of a source: what it yields, that it yields it again, and what it does with files that are wrong.

Knows nothing of formats: the contract of a source that reads files says how an exchange is written in its own.
"""

import copy
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Any, ClassVar

from lima.contract.examples import Record, Refused
from lima.contract.kinds import ExampleSource, Recognises, TakesOptions
from lima.errors import LimaError, PluginFailed
from lima.testing.contract import Contract, check, kept, within
from lima.testing.texts import HALF, LONG, ODD_ROWS, PLAIN, WORLD, Exchange, damaged, texts_in, write_jsonl


class SourceContract(Contract):
    """A source of examples; one that reads files says how an exchange is written in them"""

    kind = "sources"
    argument: ClassVar[str | None] = None
    "What it is opened with, as in NAME:ARGUMENT; of a source that reads files the kit writes one"
    reads_files: ClassVar[bool] = False
    "Whether its argument is a file: then give `row()`, or `text()` where it has no rows"
    reads_folders: ClassVar[bool] = False
    "Whether its argument is a folder, in which the kit writes the file (with `reads_files`)"
    suffix: ClassVar[str] = ".jsonl"
    "How the names of its files end"
    options: ClassVar[dict[str, Any]] = {}
    "Values for the options that it takes (`lima.TakesOptions`)"

    def row(self, prompt: str, answer: str) -> Any:
        """An exchange as a row of a file that it reads, ready for JSON"""
        raise NotImplementedError("give row(), or text() where the source has no rows")

    def text(self, exchanges: Sequence[Exchange]) -> str:
        """The text of a file with these exchanges: by default a row each, as JSON lines"""
        return "".join(json.dumps(self.row(*one)) + "\n" for one in exchanges)

    def read(self, thing: Any, exchanges: Sequence[Exchange] = PLAIN) -> list[Record | Refused]:
        """What it yields: of a file with these exchanges, where it reads files"""
        return list(thing.examples(self.given(exchanges)))

    def given(self, exchanges: Sequence[Exchange] = PLAIN) -> str | None:
        """The argument: the file with these exchanges, or that of the contract"""
        if not self.reads_files:
            return self.argument
        (self.folder / "given").mkdir(exist_ok=True)
        file = self.folder / "given" / f"file{self.suffix}"
        file.write_text(self.text(exchanges), encoding="utf-8")
        return str(file.parent if self.reads_folders else file)

    def use(self) -> None:
        self.read(self.own)

    @kept
    def records(self) -> list[Record]:
        """What it yields of plain exchanges, but for what it refuses"""
        return [one for one in self.read(self.thing) if isinstance(one, Record)]

    @check("test_is_registered")
    def test_works(self) -> None:
        """It yields examples, and of a file with nothing wrong it refuses nothing"""
        found = self.read(self.thing)
        refused = [f"{one.where}: {one.reason}" for one in found if isinstance(one, Refused) and one.fault]
        assert not refused, f"it refuses {refused[0]}"
        assert self.records, "it yields no example"

    @check("test_works")
    def test_same_twice(self) -> None:
        """Read again, it yields the same examples in the same order: a run can be repeated, and resumed"""
        pairs = zip_longest(self.records, [one for one in self.read(self.thing) if isinstance(one, Record)])
        different = [i for i, (one, again) in enumerate(pairs) if one != again]
        assert not different, (
            f"read again, example {different[0] + 1} is another: sort, and seed a generator of its own"
        )

    @check("test_same_twice")
    def test_two_may_read_at_once(self) -> None:
        """Two readings at once do not take examples from each other, and one may be left before its end"""
        given = self.given()
        left = iter(self.own.examples(given))
        next(left)
        both = zip_longest(self.own.examples(given), self.own.examples(given))
        for readings in zip(*both, strict=True):
            found = [one for one in readings if isinstance(one, Record)]
            assert found == self.records, "two readings at once differ from one: keep the place in the generator"

    @check("test_same_twice")
    def test_what_it_yields_is_not_its_own(self) -> None:
        """Changes to what it yielded, also to lists within an example's content, are not seen by who reads it next"""
        found = self.own.examples(self.given())
        if isinstance(found, list):
            found.clear()
        again = [one for one in self.read(self.thing) if isinstance(one, Record)]
        assert again == self.records, "it hands out a list of its own, which others can change: yield, or give a copy"
        before = [one.content_hash for one in again]
        for one in again:
            _spoil(one.content())
        assert [one.content_hash for one in again] == before, (
            "content() hands out an object of the example's own, which others can change: make it anew each time"
        )

    @check("test_works")
    def test_ids_are_unique(self) -> None:
        """Every example has an id of its own, which is not empty"""
        ids = [one.id for one in self.records]
        twice = next((id for id in ids if ids.count(id) > 1 or not id.strip()), None)
        assert twice is None, f"the id {twice!r} is empty, or of several examples"

    @check("test_works")
    def test_licence_is_named(self) -> None:
        """Every example has a licence, or else the source has one"""
        without = [one.id for one in self.records if not one.licence.strip()]
        assert self.thing.licence.strip() or not without, (
            f"example {without[:1]} has no licence, and neither has the source"
        )

    @check("test_works")
    def test_source_is_named(self) -> None:
        """Every example says which source it is from"""
        without = next((one.id for one in self.records if not one.source.strip()), None)
        assert without is None, f"example {without!r} has no `source`"

    @check("test_works")
    def test_content_is_what_is_learnt(self) -> None:
        """Content is JSON and not empty, and knows nothing of id, licence and origin: the same content has the same hash"""
        for one in self.records:
            assert texts_in(json.loads(json.dumps(one.content()))), f"example {one.id!r} has no text in its content"
            other = replace(one, id=f"{one.id}-b", source="b", licence="b", provenance="b")
            assert other.content_hash == one.content_hash, f"content() of example {one.id!r} says where it is from"

    @check("test_same_twice", needs=("reads_files",))
    def test_ids_stay_when_rows_follow(self) -> None:
        """Examples keep their ids when others are added at the end of the file"""
        fewer = [one.id for one in self.read(self.thing, PLAIN[:2]) if isinstance(one, Record)]
        more = [one.id for one in self.records][: len(fewer)]
        assert fewer == more, f"the ids {fewer} become {more} when an exchange is added at the end"

    @check("test_works", needs=("reads_files",))
    def test_no_exchange_is_lost(self) -> None:
        """Every exchange of a file is in what it yields, the first and the last, too"""
        found = [text for one in self.records for text in texts_in(one.content())]
        lost = [text for exchange in PLAIN for text in exchange if not any(text.strip() in one for one in found)]
        assert not lost, f"of a file with {len(PLAIN)} exchanges it leaves out {lost[0]!r}, and refuses nothing"

    @check("test_works", needs=("reads_files",))
    def test_texts_stay_as_they_are(self) -> None:
        """Prompts and answers of any script come out as they are in the file, character by character"""
        self._round_trip(WORLD)

    @check("test_works", needs=("reads_files",))
    def test_long_texts(self) -> None:
        """An answer of 100,000 characters is read whole, and soon"""
        argument = self.given([LONG])
        with within(self.seconds, "a text of 100,000 characters"):
            list(self.thing.examples(argument))
        self._round_trip([LONG])

    def _round_trip(self, exchanges: Sequence[Exchange]) -> None:
        for exchange in exchanges:
            found = [
                text
                for one in self.read(self.thing, [exchange])
                if isinstance(one, Record)
                for text in texts_in(one.content())
            ]
            for text in exchange:
                assert any(text.strip() in one for one in found), (
                    f"{text[:60]!r} is not among what was read: {str(found)[:300]}"
                )

    @check("test_works", needs=("reads_files",))
    def test_empty_answer_is_no_example(self) -> None:
        """An exchange without an answer is refused with its place, or an error; never an example"""
        argument = self.given([Exchange("What now?", "")])
        found = self._found(self.thing, argument)
        assert not any(isinstance(one, Record) for one in found), (
            f"it yields {found[0]!r} of an exchange without an answer"
        )
        said = found or self._error(self.thing, argument)
        assert said, (
            "of an exchange without an answer it yields nothing: yield Refused, so that nothing is lost without a word"
        )

    @check("test_works", needs=("reads_files",))
    def test_missing_file_is_an_error(self) -> None:
        """No file, and a file that is not there, are each a LimaError, which names the file"""
        gone = str(self.folder / ("gone" if self.reads_folders else f"gone{self.suffix}"))
        for argument, named in ((None, ""), (gone, gone)):
            error = self._error(self.thing, argument)
            assert error is not None, f"with {argument!r} it yields examples, or nothing; expected a LimaError"
            assert named in str(error), f"with {argument!r} it says {error}; expected that name in it"

    @check("test_works", needs=(Recognises, "reads_files"))
    def test_recognises_its_own_rows(self) -> None:
        """It recognises rows of its format"""
        assert self.thing.recognises(self.row(*PLAIN[0])), f"it does not recognise {self.row(*PLAIN[0])}"

    @check("test_works", needs=(Recognises, "reads_files"))
    def test_recognises_no_others(self) -> None:
        """It says of any row of JSON whether it is of its format, and that rows of none are not"""
        for row in ODD_ROWS:
            assert self.thing.recognises(row) is False, f"it recognises {row!r}"

    @check("test_works", needs=(Recognises, "reads_files"))
    def test_wrong_rows_are_refused(self) -> None:
        """Rows with values of wrong types are refused, each with its place and a reason, or are a LimaError"""
        for row in (*ODD_ROWS, *damaged(self.row(*PLAIN[0]))):
            for one in self._said_of([row]):
                if isinstance(one, Refused):
                    assert all(map(str.strip, (one.where, one.reason))), f"of the row {row!r} it yields {one!r}"
                else:
                    json.dumps(one.content())

    @check("test_works", needs=(Recognises, "reads_files"))
    def test_half_characters_are_refused(self) -> None:
        """A lone surrogate, which JSON can spell and no database holds, is refused"""
        for row in (self.row(HALF, "So."), self.row("Why?", HALF)):
            found = self._said_of([row])
            assert not any(isinstance(one, Record) for one in found), "it yields an example with half a character"

    def _said_of(self, rows: list[Any]) -> list[Any]:
        file = self.folder / f"rows{self.suffix}"
        write_jsonl(file, rows)
        return self._found(self.thing, str(file))

    def _found(self, thing: ExampleSource, argument: str | None) -> list[Any]:
        """What it yields; nothing where it is a LimaError, which is an answer, too"""
        try:
            return list(thing.examples(argument))
        except PluginFailed:
            raise
        except LimaError:
            return []

    def _error(self, thing: ExampleSource, argument: str | None) -> LimaError | None:
        try:
            list(thing.examples(argument))
        except PluginFailed:
            raise
        except LimaError as e:
            return e
        return None

    @check("test_what_it_yields_is_not_its_own", needs=(TakesOptions,))
    def test_options_make_another_source(self) -> None:
        """With options it is another source, and stays itself what it was"""
        other = self.thing.with_options(copy.deepcopy(self.options))
        list(other.examples(self.given()))
        again = [one for one in self.read(self.thing) if isinstance(one, Record)]
        assert again == self.records, "with_options() changes the source that is registered: return another one"

    @check("test_same_twice", needs=(TakesOptions,))
    def test_wrong_options_are_errors(self) -> None:
        """A value that an option cannot have is a LimaError"""
        for name in self.thing.options:
            for value in (object(), [object()], {"a": object()}):
                try:
                    self.thing.with_options({name: value})
                except PluginFailed as e:
                    raise AssertionError(f"with {name} = {value!r}: {e}") from e
                except LimaError:
                    continue
                raise AssertionError(f"it takes {name} = {value!r}; expected a LimaError that says what it may be")


def _spoil(value: Any) -> None:
    """Empty all lists and dictionaries within"""
    inner: Iterable[Any] = (
        list(value.values()) if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    )
    for one in inner:
        _spoil(one)
    if isinstance(value, dict | list):
        value.clear()
