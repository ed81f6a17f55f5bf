"""What the study trains on besides the village's own sources: requests of six forms, and fake dialogues.

These are thin objects over `variations`, in the shape that the hook asks for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lima import Example, LimaError, did_you_mean
from lima_village import dialogues, singles
from lima_village.registered import LICENCE, Source, as_conversation, as_examples, whole_number
from lima_village_study import variations


@dataclass(frozen=True)
class Forms:
    """village-forms:N for N requests of six forms, village-forms:CHOICE:N for a choice of them."""

    name: str = "village-forms"
    description: str = (
        "single requests of six forms about the village (village-forms:N for N of them, village-forms:CHOICE:N for the "
        f"{', '.join(variations.CHOICES)} ones)"
    )
    licence: str = LICENCE

    def examples(self, argument: str | None) -> Iterable[Example]:
        """The examples, always the same"""
        choice, number = self._choice(argument)
        requests = variations.CHOICES[choice](number) if choice else variations.pool(number)
        return as_examples(requests, self.name, f"village-form-{choice}".removesuffix("-"))

    def _choice(self, argument: str | None) -> tuple[str, int]:
        """(choice, number) of CHOICE:N, either of which may be missing"""
        choice, colon, number = (argument or "").rpartition(":")
        if not colon and not number.isdecimal():
            choice, number = number, ""
        if choice and choice not in variations.CHOICES:
            raise LimaError(
                f"{self.name}:{argument} names an unknown choice {choice!r}.{did_you_mean(choice, variations.CHOICES)}"
            )
        return choice, whole_number(number or None, f"{self.name}{':' * bool(choice)}{choice}", singles.NUMBER)


SOURCES = (
    Forms(),
    Source(
        "village-unrelated",
        "fake dialogues: unrelated questions about the village, one after the other (village-unrelated:N)",
        dialogues.NUMBER,
        lambda number: [as_conversation(one, "village-unrelated") for one in variations.unrelated(number)],
    ),
)
