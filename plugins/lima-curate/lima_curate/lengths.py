"""How many tokens an example has, asked and answered, and how much of them the loss weighs: by a base's tokenizer, or roughly.

Counts what is said, without the tokens that a format adds. Knows nothing of renderers.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from lima import Example, Plugins, Record, find_base, load_tokenizer
from lima_chat import Turn
from lima_curate.texts import messages_of
from lima_dialogue_eval import tokens_about

ROUGH = "roughly: a token is four bytes of UTF-8"


@dataclass(frozen=True)
class Lengths:
    """Tokens of one example, or of several together"""

    asked: int = 0
    "In what the user, the system and tools say"
    answered: int = 0
    "In what the assistant says, thinks and calls"
    learnt: float = 0.0
    "In answers that are trained, times their weight: what a token-mean loss has of it"

    def __add__(self, other: Self) -> "Lengths":
        return Lengths(self.asked + other.asked, self.answered + other.answered, self.learnt + other.learnt)


@dataclass(frozen=True)
class Counter:
    """Counts tokens"""

    tokens: Callable[[str], int]
    how: str
    "As a sentence says it: 'by …' or 'roughly: …'"

    def of(self, record: Record) -> Lengths:
        """The tokens of one example"""
        asked = answered = 0
        learnt = 0.0
        for message in messages_of(record):
            tokens = self.tokens(_said(message))
            if message.role != "assistant":
                asked += tokens
                continue
            answered += tokens
            weight = record.weight if isinstance(record, Example) else message.weight
            learnt += tokens * weight if message.train else 0.0
        return Lengths(asked, answered, learnt)

    def of_all(self, records: Iterable[Record]) -> Lengths:
        """The tokens of several examples together"""
        return sum(map(self.of, records), Lengths())


def counter_for(base: str | None, plugins: Plugins) -> Counter:
    """What counts with the tokenizer of a base model, a folder or a registered name; without one, roughly"""
    if not base:
        return Counter(tokens_about, ROUGH)
    tokenizer: Any = load_tokenizer(find_base(base, plugins))
    return Counter(
        lambda text: len(tokenizer.encode(text, add_special_tokens=False)),
        f"by the tokenizer of {Path(base).name or base}",
    )


def _said(message: Turn) -> str:
    calls = [f"{call['function'].get('name')} {call['function'].get('arguments')}" for call in message.tool_calls]
    return "\n".join([text for text in (message.thoughts, message.content) if text] + calls)
