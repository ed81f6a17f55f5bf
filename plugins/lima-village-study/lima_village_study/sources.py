"""What the study trains on besides the village's own sources: requests of six forms, and fake dialogues.

Thin objects over `variations`, in the shape that the hook asks for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from lima.errors import LimaError, did_you_mean
from lima.example import Example
from lima_village import dialogues as written
from lima_village import singles as asked
from lima_village.registered import LICENCE, PROVENANCE, as_conversation, whole_number
from lima_village_study import variations

if TYPE_CHECKING:
    from lima_chat import Conversation


class Forms:
    """village-forms:N for N requests of six forms, village-forms:CHOICE:N for a choice of them."""

    description = (
        "single requests of six forms about the village (village-forms:N for N of them, village-forms:CHOICE:N for the "
        f"{', '.join(variations.CHOICES)} ones)"
    )
    licence = LICENCE

    def examples(self, argument: str | None) -> Iterable[Example]:
        """The examples, always the same ones"""
        choice, number = self._choice(argument)
        draw = variations.CHOICES[choice] if choice else variations.pool
        for index, single in enumerate(draw(number), 1):
            yield Example(
                id=f"village-form-{choice}{'-' * bool(choice)}{index:04d}",
                source="village-forms",
                licence=LICENCE,
                provenance=PROVENANCE,
                prompt=single.user,
                response=single.reply,
            )

    def _choice(self, argument: str | None) -> tuple[str, int]:
        """(choice, number) of CHOICE:N, either of which may be left out"""
        choice, colon, number = (argument or "").rpartition(":")
        if not colon and not number.isdecimal():
            choice, number = number, ""
        if choice and choice not in variations.CHOICES:
            raise LimaError(
                f"village-forms:{argument}: there is no choice {choice!r}.{did_you_mean(choice, variations.CHOICES)}"
            )
        return choice, whole_number(number or None, f"village-forms{':' * bool(choice)}{choice}", asked.NUMBER)


class Unrelated:
    """30 fake dialogues; village-unrelated:N for another number."""

    description = "fake dialogues: unrelated questions about the village, one after the other (village-unrelated:N)"
    licence = LICENCE

    def examples(self, argument: str | None) -> Iterable[Conversation]:
        """The fake dialogues, always the same ones"""
        for dialogue in variations.unrelated(whole_number(argument, "village-unrelated", written.NUMBER)):
            yield as_conversation(dialogue, "village-unrelated")
