"""Imported by tests: filters that are wrong in one way each, by the check that must say so."""

import itertools
import time

from lima import Example, Excluded, FilterOptions, LimaError
from lima.testing import FilterContract

calls = itertools.count()


def example(response, id="1"):
    return Example(id=id, prompt="Why?", response=response)


class Contract(FilterContract):
    name, abilities, seconds = "odd", (FilterOptions,), 1.0
    stays, goes = (example("So it is."),), (example("So it is!"),)


class Good:
    description, options = "leaves out what shouts", ("mark",)

    def __init__(self, mark="!"):
        self.mark = mark

    def with_options(self, values):
        if values.keys() - {"mark"} or not all(isinstance(one, str) for one in values.values()):
            raise LimaError("odd.mark is not a text.")
        return type(self)(**values)

    def excludes(self, examples):
        for place, one in enumerate(examples):
            if self.mark in one.response:
                yield Excluded(place, f"It has a {self.mark}")


def choosing(change):
    """A filter that changes what it leaves out, given with the examples"""

    class Changed(Good):
        def excludes(self, examples):
            return change(list(super().excludes(examples)), examples)

    return Changed()


class Anything(Good):
    def with_options(self, values):
        return self


class AnyName(Good):
    def with_options(self, values):
        return super().with_options({"mark": values["mark"]} if "mark" in values else {})


class Unset(Good):
    def excludes(self, examples):
        if self.mark == "!" and examples:
            raise LimaError("odd.mark is needed.")
        return super().excludes(examples)


def slow(found, examples):
    time.sleep(1.1 * any(len(one.response) > 90_000 and "  " in one.response for one in examples))
    return found


def again(found, examples):
    return [Excluded(one.place, f"{one.reason}, time {next(calls)}") for one in found]


FILTERS = [
    ("test_works", choosing(lambda found, examples: [*found, 7])),
    ("test_works", choosing(lambda found, examples: None)),
    ("test_works", choosing(lambda found, examples: 1 / 0)),
    ("test_works", choosing(lambda found, examples: found or [Excluded(0, "why not")])),
    ("test_works", Unset()),
    (
        "test_places_are_of_the_examples",
        choosing(lambda found, examples: [*found, Excluded(len(examples), "?")] if found[1:] else found),
    ),
    ("test_places_are_of_the_examples", choosing(lambda found, examples: [*found, *found[:1]])),
    ("test_places_are_of_the_examples", choosing(lambda found, examples: [Excluded(one.place, " ") for one in found])),
    ("test_same_twice", choosing(again)),
    ("test_long_examples", choosing(slow)),
    (
        "test_stays",
        choosing(lambda found, examples: [Excluded(0, "alone")] if len(examples) == 1 and not found else found),
    ),
    ("test_goes", choosing(lambda found, examples: found[1:])),
    ("test_wrong_options_are_errors", Anything()),
    ("test_wrong_options_are_errors", AnyName()),
]
"""(the check that must fail, and no other; the filter)"""
