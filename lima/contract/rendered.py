"""An example as the engine sees it: ids, a weight for each, and where the answers lie.

Knows nothing of tokenizers or of templates.
"""

from dataclasses import dataclass, field
from typing import Annotated

UTF8 = "of whole characters"
Stored = Annotated[str, UTF8]
"Text that files and databases can hold: without half of a character, as Python's strings may have it"

Weight = Annotated[float, "from 0"]
"How much a token counts in the loss; 0 is not trained"


@dataclass(frozen=True)
class Span:
    """One trained answer within the ids"""

    start: int
    "Index of the first trained token"
    stop: int
    "Index after its EOT"
    text: str
    "The answer it must decode to, without the EOT"
    end: str = ""
    "Its EOT where that is another than the format's, as after a call of a tool; empty: the format's"


@dataclass(frozen=True)
class Rendered:
    """An example as the engine sees it"""

    ids: list[int]
    "Token ids, of prompts and answers"
    weights: list[Weight]
    "One per id; 0 is not trained"
    spans: list[Span]
    "One for each trained answer, in their order"
    muted: list[tuple[int, int]] = field(default_factory=list)
    "Token ranges of answers that must carry no loss, whatever the prompt weight"
    why: str = ""
    "Of a row that is one of several of its example: why one row would not be exact"

    @property
    def trained(self) -> int:
        """How many tokens carry loss"""
        return len(self.weights) - self.weights.count(0)


def as_rows(rendered: "Rendered | list[Rendered]") -> list[Rendered]:
    """What a renderer returned, one row or several, as a list"""
    return rendered if isinstance(rendered, list) else [rendered]
