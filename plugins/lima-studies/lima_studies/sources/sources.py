"""`sample:N/SEED/SOURCE`, N examples of a source, and `responses-only:SOURCE`, its examples without their requests.

Knows nothing of studies or models.
"""

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from lima import Example, LimaError, Record

Tables = dict[str, dict[str, Any]]
"A recipe's tables, one a plugin"

SAMPLE = "sample:N/SEED/SOURCE, such as sample:100/0/pairs.jsonl"


class Sample:
    """The first N examples of a source in an order that the seed draws: fewer are the first of more"""

    description = f"a number of examples of another source, drawn with a seed; fewer are the first of more: {SAMPLE}"
    licence = "as its source"

    def __init__(self, tables: Tables | None = None) -> None:
        self.tables = tables or {}

    def with_tables(self, tables: Tables) -> "Sample":
        """The same of a source with these options"""
        return Sample(tables)

    def examples(self, argument: str | None) -> Iterator[Record]:
        """The examples, in the order in which they were drawn"""
        from lima import load_plugins, open_source

        number, seed, source = _parsed(argument or "")
        records = open_source(source, load_plugins(), self.tables).records
        if number > len(records):
            raise LimaError(f"{source} has {len(records)} examples, fewer than the {number} of sample:{argument}.")
        order = list(range(len(records)))
        random.Random(f"lima sample {seed}").shuffle(order)
        for place in order[:number]:
            yield records[place]


def sample(number: int, seed: int | str, source: str) -> str:
    """The name of such a source"""
    return f"sample:{number}/{seed}/{source}"


def _parsed(argument: str) -> tuple[int, int, str]:
    parts = argument.split("/", 2)
    if len(parts) == 3 and parts[0].isdecimal() and int(parts[0]) and parts[1].isdecimal() and parts[2]:
        return int(parts[0]), int(parts[1]), parts[2]
    raise LimaError(f"The source sample:{argument} is not of the form {SAMPLE}.")


class ResponsesOnly:
    """Each response of a source as an example with an empty prompt (2409.14254)"""

    description = (
        "the responses of another source without their requests, each after an empty prompt: responses-only:SOURCE"
    )
    licence = "as its source"

    def __init__(self, tables: Tables | None = None) -> None:
        self.tables = tables or {}

    def with_tables(self, tables: Tables) -> "ResponsesOnly":
        """The same of a source with these options"""
        return ResponsesOnly(tables)

    def examples(self, argument: str | None) -> Iterator[Example]:
        """One example a response; of a conversation one for each answer that is trained"""
        from lima import load_plugins, open_source

        if not argument:
            raise LimaError("Name the source: responses-only:SOURCE.")
        for record in open_source(argument, load_plugins(), self.tables).records:
            yield from alone(record)


def alone(record: Record) -> Iterator[Example]:
    """The responses of a record, without anything before them; LimaError for one of another kind"""
    from lima_chat import Conversation

    about = {
        "source": record.source,
        "licence": record.licence,
        "provenance": record.provenance,
        "credits": record.credits,
    }
    if isinstance(record, Example):
        yield replace(record, prompt="")
    elif isinstance(record, Conversation):
        for number, turn in enumerate(record.turns, 1):
            if turn.role == "assistant" and turn.trained:
                yield Example(id=f"{record.id}/{number}", prompt="", response=turn.content, **about)
    else:
        raise LimaError(
            f"{record.id} is a {type(record).__name__}, and not a prompt with a response or a conversation."
        )
