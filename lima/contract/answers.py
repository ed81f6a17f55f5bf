"""What anything that answers takes and gives: prompts, sampling, replies (design seam 6).

Knows nothing of checkpoints.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias


class Message(Protocol):
    """One message of a prompt"""

    @property
    def role(self) -> str:
        """Who says it: system, user or assistant"""

    @property
    def content(self) -> str:
        """What is said"""


Prompt: TypeAlias = list[int] | str | Sequence[Message]
"Token ids; a text; or the messages so far, of which the last one is to be answered"


@dataclass(frozen=True)
class Sampling:
    """How to draw tokens; the defaults are LIMA §4.1's"""

    temperature: float = 0.7
    "0 is greedy"
    top_p: float = 0.9
    "Only the likeliest tokens that have this share together; 1 is all"
    repetition_penalty: float = 1.2
    "Over the tokens of the current reply"
    max_new_tokens: int = 2048


@dataclass(frozen=True)
class Reply:
    """One answer"""

    text: str
    "Without the end-of-turn token"
    ids: list[int]
    "Without the token that stopped it"
    stop: str
    "'eot', 'length', 'context', or what a server said"
    seconds: float
    "How long it took"
    prompt_ids: list[int]
    "Empty when the model does not tell"
    thoughts: str = ""
    "What the model wrote before its answer, kept apart from the text; empty when it does not think, or does not tell"
