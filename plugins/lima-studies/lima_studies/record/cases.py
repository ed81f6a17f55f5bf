"""What a rater looks at: one prompt with one reply, or with two in an order. Knows nothing of questions or of the store."""

from dataclasses import dataclass
from typing import NamedTuple


class Key(NamedTuple):
    """A case by names, as `study_verdicts` has it"""

    prompt: str
    first: str
    "The system that is shown first, or alone"
    second: str
    "Empty where one is shown"
    sample: int


@dataclass(frozen=True)
class Case:
    """One prompt and the replies that are shown with it, in their order"""

    key: Key
    prompt: str
    replies: tuple[str, ...]

    @property
    def turned(self) -> "Case":
        """The same with its two replies in the other order"""
        first, second = self.key.second, self.key.first
        return Case(self.key._replace(first=first, second=second), self.prompt, self.replies[::-1])
