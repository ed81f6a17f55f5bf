"""The figures of a data set's card: sizes, tokens, lengths, kinds, licences, near-duplicates, languages, for all and by source.

Knows nothing of how they are shown.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

from lima import Record
from lima_chat import Conversation
from lima_curate.cards.gathered import Gathered
from lima_curate.cards.owed import conditions, counted
from lima_curate.filters.language import language_of
from lima_curate.filters.near_duplicates import NearDuplicates, text_of
from lima_curate.lengths import Counter as TokenCounter
from lima_curate.lengths import Lengths
from lima_curate.texts import messages_of

UNDECIDED = "not decided"
"The language of a text that is too short, or not like one language"


@dataclass(frozen=True)
class Spread:
    """How numbers are spread"""

    least: int
    quarter: float
    middle: float
    three_quarters: float
    most: int
    mean: float

    @classmethod
    def of(cls, values: Sequence[int]) -> "Spread":
        """Of one number or more"""
        low, _, high = quantiles(values, n=4, method="inclusive") if len(values) > 1 else (values[0],) * 3
        return cls(min(values), low, median(values), high, max(values), sum(values) / len(values))


@dataclass(frozen=True)
class Bin:
    """Numbers from `low` to below `high`"""

    low: int
    high: int
    count: int


def bins(values: Iterable[int]) -> list[Bin]:
    """Numbers in bins that double: 0, 1, 2 to 3, 4 to 7; none is left out between the first and the last"""
    counts = Counter(value.bit_length() for value in values)
    places = range(min(counts), max(counts) + 1) if counts else ()
    return [Bin(2 ** (place - 1) if place else 0, 2**place, counts[place]) for place in places]


@dataclass(frozen=True)
class Card:
    """All that a card shows"""

    sources: list[dict[str, Any]]
    totals: dict[str, Any]
    spreads: dict[str, Spread]
    "Of the tokens asked and answered in an example"
    lengths: dict[str, list[Bin]]
    turns: dict[int, int]
    "How many examples have so many answers"
    licences: dict[str, int]
    conditions: list[tuple[str, str]]
    languages: dict[str, int]
    counted: str
    "How tokens were counted"
    remarks: list[str]

    def as_json(self) -> dict[str, Any]:
        """For programs"""
        return {
            **vars(self),
            "spreads": {name: vars(one) for name, one in self.spreads.items()},
            "lengths": {name: [vars(one) for one in found] for name, found in self.lengths.items()},
        }


def card_of(sources: Sequence[Gathered], remarks: Sequence[str], counter: TokenCounter) -> Card:
    """The figures of sources with one example or more; near-duplicates are looked for in all of them together"""
    records = [one for source in sources for one in source.records]
    lengths = [counter.of(one) for one in records]
    answers = Counter(sum(m.role == "assistant" for m in messages_of(one)) for one in records)
    found = {"asked": [one.asked for one in lengths], "answered": [one.answered for one in lengths]}
    languages = Counter(language_of(text_of(one, "answer")) or UNDECIDED for one in records)
    return Card(
        sources=_by_source(sources, lengths),
        totals=_totals(records, lengths) | {"refused_rows": sum(one.refused for one in sources)},
        spreads={name: Spread.of(values) for name, values in found.items()},
        lengths={name: bins(values) for name, values in found.items()},
        turns=dict(sorted(answers.items())),
        licences=(licences := counted(records)),
        conditions=conditions(licences),
        languages=dict(languages.most_common()),
        counted=counter.how,
        remarks=list(remarks),
    )


def _totals(records: Sequence[Record], lengths: Sequence[Lengths]) -> dict[str, Any]:
    talks = [one for one in records if isinstance(one, Conversation)]
    several = sum(sum(turn.role == "assistant" for turn in one.turns) > 1 for one in talks)
    every = [message for one in records for message in messages_of(one)]
    return {
        "examples": len(records),
        "single": len(records) - several,
        "dialogues": several,
        "with_system": sum(one.turns[0].role == "system" for one in talks),
        "with_tools": sum(bool(one.tools) for one in talks),
        "answers": sum(message.role == "assistant" for message in every),
        "characters": sum(len(message.content) for message in every),
        "tokens_asked": sum(one.asked for one in lengths),
        "tokens_answered": sum(one.answered for one in lengths),
        "near_duplicates": sum(1 for _ in NearDuplicates().excludes(records)),
        "same_content": len(records) - len({one.content_hash for one in records}),
        "with_authors": sum(bool(one.credits) for one in records),
    }


def _by_source(sources: Sequence[Gathered], lengths: Sequence[Lengths]) -> list[dict[str, Any]]:
    """A row for each source; where one is given, for each that its examples name"""
    if len(sources) == 1:
        names = [one.source or sources[0].name for one in sources[0].records]
    else:
        names = [source.name for source in sources for _ in source.records]
    sums: dict[str, Lengths] = dict.fromkeys(names, Lengths())
    for name, one in zip(names, lengths, strict=True):
        sums[name] += one
    total = sum(lengths, Lengths())
    tokens, counts = total.asked + total.answered, Counter(names)
    return [
        {
            "source": name,
            "examples": counts[name],
            "tokens_asked": one.asked,
            "tokens_answered": one.answered,
            "share": (one.asked + one.answered) / tokens if tokens else 0.0,
            "share_of_loss": one.learnt / total.learnt if total.learnt else 0.0,
        }
        for name, one in sums.items()
    ]
