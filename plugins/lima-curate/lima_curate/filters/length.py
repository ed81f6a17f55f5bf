"""The filter `length`: answers that are too short or too long, in characters (LIMA §2: 1,200 to 4,096 on Stack Exchange).

Knows nothing of tokens.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from lima import Between, Excluded, LimaError, Record, options_of
from lima_curate.texts import messages_of

_CHARACTERS = Between(0, 100_000_000)


@dataclass(frozen=True)
class Length:
    """Leaves out an example of which any answer has fewer or more characters"""

    shortest: Annotated[int, _CHARACTERS] = 1_200
    longest: Annotated[int, _CHARACTERS] = 4_096

    description = "leaves out answers of fewer than `shortest` or more than `longest` characters"
    options = ("shortest", "longest")

    def __post_init__(self) -> None:
        if self.shortest > self.longest:
            raise LimaError(f"length.shortest is {self.shortest:,}, more than length.longest, {self.longest:,}.")

    def with_options(self, values: dict[str, Any]) -> "Length":
        """The same with what the mix says"""
        return options_of(Length, "length", values)

    def excludes(self, examples: Sequence[Record]) -> Iterator[Excluded]:
        """The first answer that does not fit decides"""
        for place, one in enumerate(examples):
            lengths = (len(message.content) for message in messages_of(one) if message.role == "assistant")
            wrong = next((size for size in lengths if not self.shortest <= size <= self.longest), None)
            if wrong is not None:
                bound = f"fewer than {self.shortest:,}" if wrong < self.shortest else f"more than {self.longest:,}"
                yield Excluded(place, f"The length of an answer in characters is {wrong:,}, {bound}.")
