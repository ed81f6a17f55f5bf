"""Imported by tests: sources that are wrong in one way each, by the check that must say so."""

import itertools
import json
import os
import random
import time
import unicodedata
from dataclasses import dataclass, replace
from pathlib import Path

from lima import Example, LimaError, Recognises, Record, Refused, TakesOptions
from lima.builtin import Pairs
from lima.testing import SourceContract
from registering import Registers

calls = itertools.count()


class Contract(SourceContract):
    name, abilities, reads_files, seconds = "odd", (Recognises, TakesOptions), True, 1.0

    def row(self, prompt, answer):
        return {"prompt": prompt, "response": answer}


def made(change):
    """A source whose examples are changed; `change` is given example and place"""

    class Changed(Pairs):
        def examples(self, argument):
            for place, one in enumerate(super().examples(argument)):
                yield change(one, place) if isinstance(one, Example) else one

    return Changed()


def each(do):
    """A source that does something for each example"""
    return made(lambda one, place: (do(), one)[1])


def recognising(recognise):
    """A source that recognises rows in its own way"""
    return type("Other", (Pairs,), {"recognises": lambda self, row: recognise(row)})()


def read_as(examples):
    """A source that reads in its own way"""
    return type("Other", (Pairs,), {"examples": examples})()


def rewritten(write):
    """A source that changes texts"""
    return made(lambda one, place: replace(one, prompt=write(one.prompt), response=write(one.response)))


@dataclass(frozen=True, kw_only=True)
class Live(Record):
    texts: list

    def content(self):
        return {"texts": self.texts}


@dataclass(frozen=True, kw_only=True)
class Telling(Example):
    def content(self):
        return super().content() | {"id": self.id}


class Shared(Pairs):
    left = ()

    def examples(self, argument):
        self.left = list(super().examples(argument))
        while self.left:
            yield self.left.pop(0)


class Kept(Pairs):
    known = {}

    def examples(self, argument):
        if argument is None or not Path(argument).is_file():
            return super().examples(argument)
        found = list(super().examples(argument))
        return self.known.setdefault(Path(argument).read_text(), found)


class FromTheEnd(Pairs):
    def examples(self, argument):
        found = list(super().examples(argument))
        for place, one in enumerate(found):
            yield replace(one, id=str(len(found) - place)) if isinstance(one, Example) else one


class Options(Pairs):
    mark = ""

    def with_options(self, values):
        self.mark = "!"
        return super().with_options(values)

    def examples(self, argument):
        for one in super().examples(argument):
            yield replace(one, response=one.response + self.mark) if isinstance(one, Example) else one


def lenient(self, argument):
    """Reads JSON as Python does"""
    if argument is None or not Path(argument).is_file():
        raise LimaError(f"There is no {argument}.")
    for number, line in enumerate(Path(argument).read_text().splitlines(), 1):
        row = json.loads(line)
        texts = [row.get(key) for key in ("prompt", "response")] if isinstance(row, dict) else [None]
        if all(isinstance(text, str) and text for text in texts):
            yield Example(id=str(number), source="odd", prompt=texts[0], response=texts[1])
        else:
            yield Refused(f"line {number}", "it has no texts")


def opened(self, argument):
    """Opens the file as any program does"""
    with open(argument or ""):
        yield from Pairs().examples(argument)


def trusting(self, argument):
    """Believes that every row is right"""
    for one in Pairs().examples(argument):
        if isinstance(one, Refused):
            for line in Path(argument).read_text().splitlines():
                assert isinstance(json.loads(line)["response"], str)
        yield one


def silent(self, argument):
    for one in Pairs().examples(argument):
        yield Refused("", "") if isinstance(one, Refused) else one


def without_refused(self, argument):
    return (one for one in Pairs().examples(argument) if not isinstance(one, Refused))


def in_another_order(self, argument):
    return sorted(Pairs().examples(argument), key=lambda one: hash(f"{one} {next(calls)}"))


def empty_too(self, argument):
    for one in Pairs().examples(argument):
        yield (
            Example(id="1", source="odd", prompt="a", response="") if "is empty" in getattr(one, "reason", "") else one
        )


def all_but_the_last(self, argument):
    """Yields an example where the next one begins, and so never the last of several"""
    found = list(Pairs().examples(argument))
    return found[:-1] or found


def for_ever(one, place):
    while len(one.response) > 50_000:
        pass
    return one


def no_options(self, values):
    return Pairs() if all(isinstance(key, str) for value in values.values() for key in value) else None


def nothing_there(self, argument):
    return Pairs().examples(argument) if argument and Path(argument).is_file() else iter(())


SOURCES = [
    ("test_is_registered", Registers()),
    ("test_is_registered", type("Half", (), {"description": "no examples", "licence": ""})()),
    ("test_abilities_are_those_that_are_named", type("Lost", (Pairs,), {"recognises": None})()),
    ("test_description_is_one_line", type("Two", (Pairs,), {"description": "two\nlines"})()),
    ("test_works", made(lambda one, place: replace(one, prompt=None))),
    ("test_works", made(lambda one, place: one.prompt)),
    ("test_works", made(lambda one, place: Refused("somewhere", "I do not want to"))),
    ("test_works", read_as(lambda self, argument: [])),
    ("test_same_twice", made(lambda one, place: replace(one, provenance=f"reading {next(calls)}"))),
    ("test_two_may_read_at_once", Shared()),
    ("test_what_it_yields_is_not_its_own", Kept()),
    (
        "test_what_it_yields_is_not_its_own",
        made(lambda one, place: Live(id=one.id, source="odd", texts=[one.prompt, one.response])),
    ),
    ("test_ids_are_unique", made(lambda one, place: replace(one, id="the same"))),
    ("test_ids_are_unique", made(lambda one, place: replace(one, id=" " * place))),
    ("test_ids_stay_when_rows_follow", FromTheEnd()),
    ("test_licence_is_named", type("Free", (Pairs,), {"licence": " "})()),
    ("test_source_is_named", made(lambda one, place: replace(one, source=""))),
    ("test_content_is_what_is_learnt", made(lambda one, place: Telling(**vars(one)))),
    ("test_prints_nothing", each(lambda: print("reading"))),
    ("test_changes_nothing_of_the_process", each(lambda: os.chdir("/"))),
    ("test_changes_nothing_of_the_process", each(lambda: os.environ.update(ODD="1"))),
    ("test_leaves_random_numbers_alone", each(lambda: random.seed(0))),
    ("test_leaves_random_numbers_alone", each(random.random)),
    ("test_no_exchange_is_lost", read_as(all_but_the_last)),
    ("test_texts_stay_as_they_are", rewritten(lambda text: unicodedata.normalize("NFC", text))),
    (
        "test_texts_stay_as_they_are",
        rewritten(lambda text: "\n".join(" ".join(line.split()) for line in text.split("\n"))),
    ),
    ("test_long_texts", rewritten(lambda text: text[:50_000])),
    ("test_long_texts", made(lambda one, place: (time.sleep(1.1 * (len(one.response) > 50_000)), one)[1])),
    ("test_long_texts", made(for_ever)),
    ("test_empty_answer_is_no_example", read_as(empty_too)),
    ("test_empty_answer_is_no_example", read_as(without_refused)),
    ("test_same_twice", read_as(in_another_order)),
    ("test_missing_file_is_an_error", read_as(opened)),
    ("test_missing_file_is_an_error", read_as(nothing_there)),
    ("test_recognises_its_own_rows", recognising(lambda row: False)),
    ("test_recognises_no_others", recognising(lambda row: True)),
    ("test_recognises_no_others", recognising(lambda row: "response" in row)),
    ("test_wrong_rows_are_refused", read_as(trusting)),
    ("test_wrong_rows_are_refused", read_as(silent)),
    ("test_half_characters_are_refused", read_as(lenient)),
    ("test_options_make_another_source", Options()),
    ("test_wrong_options_are_errors", type("Other", (Pairs,), {"with_options": lambda self, values: Pairs()})()),
    ("test_wrong_options_are_errors", type("Other", (Pairs,), {"with_options": no_options})()),
]
"""(the check that must fail, and no other; the source)"""
