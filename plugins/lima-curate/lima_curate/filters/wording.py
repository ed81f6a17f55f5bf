"""The filters `first-person`, `references` and `stands-alone`: what LIMA §2 leaves out of Stack Exchange for its wording.

English. The words are those by which lima-stackexchange chooses when it reads; code and quotations do not count. Knows
nothing of posts: any example has prompts and answers.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lima import Excluded, Record, options_of, storable
from lima_curate.texts import messages_of
from lima_stackexchange import FEWEST_WORDS, first_person, points_to_what_is_gone, prose, refers, stands_alone

TITLE = 150
"Characters of the longest title of Stack Exchange"
_NEAR = 40
"Characters that a reason shows before and behind the words"
_SENTENCES = re.compile(r"[.!?:;]['\")\]]*\s+\S|\n")
"More than one: a description"


def _around(text: str, words: str) -> str:
    """The words with what stands before and behind them"""
    whole = rf"(?<!\w){re.escape(words)}(?![\w.])"
    found = re.search(whole, text) or re.search(whole, text, re.I)
    if not found:
        return words
    start, stop = max(0, found.start() - _NEAR), found.end() + _NEAR
    near = " ".join(text[start:stop].split())
    return f"{'…' * (start > 0)}{near}{'…' * (stop < len(text))}"


def _answers(record: Record) -> Iterator[str]:
    return (prose(message.content) for message in messages_of(record) if message.role == "assistant")


@dataclass(frozen=True)
class FirstPerson:
    """Leaves out answers whose author speaks of himself"""

    description = "leaves out answers in the first person: I, me, my (English; LIMA §2)"

    def excludes(self, examples: Sequence[Record]) -> Iterator[Excluded]:
        """The first words of the first such answer decide"""
        for place, one in enumerate(examples):
            for text in _answers(one):
                if words := first_person(text):
                    yield Excluded(place, storable(f'An answer is in the first person: "{_around(text, words)}"'))
                    break


@dataclass(frozen=True)
class References:
    """Leaves out answers that speak of other answers, or of the thread around them"""

    gone: bool = False
    "Whether also those that point to a link, a picture or a note: where a source takes these out, they point to nothing"

    description = (
        "leaves out answers that speak of other answers, comments or votes, with `gone` also of links and pictures (English; "
        "LIMA §2)"
    )
    options = ("gone",)

    def with_options(self, values: dict[str, Any]) -> "References":
        """The same with what the mix says"""
        return options_of(References, "references", values)

    def excludes(self, examples: Sequence[Record]) -> Iterator[Excluded]:
        """The first words of the first such answer decide"""
        for place, one in enumerate(examples):
            for text in _answers(one):
                if words := refers(text):
                    yield Excluded(
                        place, storable(f'An answer speaks of what stands around it: "{_around(text, words)}"')
                    )
                    break
                if self.gone and (words := points_to_what_is_gone(text)):
                    yield Excluded(place, storable(f'An answer points to a link or picture: "{_around(text, words)}"'))
                    break


@dataclass(frozen=True)
class StandsAlone:
    """Leaves out examples that begin with a title which needs the question under it"""

    description = (
        f"leaves out titles of fewer than {FEWEST_WORDS} words, or with words such as 'this' (English; LIMA §2)"
    )

    def excludes(self, examples: Sequence[Record]) -> Iterator[Excluded]:
        """The first prompt decides, where it is a title: one sentence of at most 150 characters"""
        for place, one in enumerate(examples):
            title = next((message.content.strip() for message in messages_of(one) if message.role == "user"), "")
            if len(title) <= TITLE and not _SENTENCES.search(title) and not stands_alone(title):
                count = len(title.split())
                why = (
                    f"has fewer than {FEWEST_WORDS} words"
                    if count < FEWEST_WORDS
                    else "points to a text that is not there"
                )
                yield Excluded(place, storable(f'The title {why}: "{title}"'))
