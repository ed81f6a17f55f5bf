"""What max_tokens costs: which examples are too long to be tokenized at all, and a sentence for what was cut and dropped.

Knows nothing of how an example is cut, which is `lima.data.rendering.fit`.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from lima.contract.examples import Record
from lima.contract.runs import SourceRow
from lima.errors import LimaError

CHARACTERS = 100
"A token has hardly ever more"

ALWAYS = 1_000_000
"Characters that are tokenized whatever max_tokens is: it takes about a second"


def longest(max_tokens: int) -> int:
    """How many characters of an example are tokenized at most"""
    return max(ALWAYS, CHARACTERS * max_tokens)


def length_of(record: Record) -> int:
    """The characters of all texts of an example"""
    return sum(map(len, _texts(record.content())))


def check_length(record: Record, max_tokens: int) -> None:
    """Raise LimaError, before it is tokenized, for an example that is far longer than max_tokens"""
    most, length = longest(max_tokens), length_of(record)
    if length > most:
        raise LimaError(
            f"Example {record.id!r} of source {record.source!r} has {length:,} characters, and max_tokens is {max_tokens:,}: "
            f"more than {most:,} are not even tokenized. Leave it out, or shorten it."
        )


def _texts(value: Any) -> Iterable[str]:
    """Every text in a JSON-ready value"""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list | tuple):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)


def losses(sources: Sequence[SourceRow], max_tokens: int) -> str:
    """What was cut and dropped of all sources, as '26 of 30 examples cut, 1 dropped: 130 answers → 34 (max_tokens = 400)'

    Empty where every example is whole."""
    kept, cut, dropped, answers, left = (
        sum(source[key] for source in sources) for key in ("examples", "cut", "dropped", "answers", "answers_kept")
    )
    if not cut and not dropped:
        return ""
    lost = ", ".join(f"{n:,} {what}" for n, what in ((cut, "cut"), (dropped, "dropped")) if n)
    share = lost.replace(" ", f" of {kept + dropped:,} examples ", 1)
    return f"{share}: {answers:,} answers → {left:,} (max_tokens = {max_tokens:,})"
