"""The untuned base as something that answers: it goes on with a text of questions and answers, as its corpus prints them.

Worked exchanges come first, then the conversation so far; the next "Question" ends an answer. Nothing is trained: what this
model reaches, the base could do all along.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from lima.errors import LimaError
from lima_village_study.variations import BY_FORM, pool

if TYPE_CHECKING:
    from lima.generate import Reply, Sampling
    from lima_chat import Turn

EXAMPLES = 3
QUESTION, ANSWER = "Question", "Answer"


def worked(number: int) -> list[tuple[str, str]]:
    """So many exchanges to begin with, a form after the other"""
    rounds = [pool(-(-number // len(BY_FORM)), {form: 1}) for form in BY_FORM.values()]
    singles = [single for same in zip(*rounds, strict=True) for single in same]
    return [(single.user, single.reply) for single in singles[:number]]


def as_text(exchanges: Sequence[tuple[str, str]], question: str) -> str:
    """A text that ends where the answer begins"""
    told = [f"{QUESTION}: {user}\n{ANSWER}:{_gap(reply)}{reply}\n\n" for user, reply in exchanges]
    return "".join([*told, f"{QUESTION}: {question}\n{ANSWER}:"])


def _gap(reply: str) -> str:
    return "\n" if "\n" in reply else " "  # a list starts on a line of its own


class InContext:
    """village-in-context:N for N worked exchanges."""

    description = (
        f"the untuned base after worked exchanges in its context (village-in-context:N, {EXAMPLES} unless told)"
    )

    def open(self, argument: str | None, store: Any) -> InContextModel:
        """The base model with N worked exchanges, 0 or more"""
        if argument and not argument.isdecimal():
            raise LimaError(
                f"village-in-context:{argument}: expected how many worked exchanges, such as village-in-context:{EXAMPLES}."
            )
        return InContextModel(int(argument) if argument else EXAMPLES)


class InContextModel:
    """Answers with what the base writes between an "Answer" and the next "Question"."""

    def __init__(self, examples: int) -> None:
        from lima.generate import CheckpointModel
        from lima_village.base_model import verified

        self.name = f"village-in-context:{examples}"
        self.examples = worked(examples)
        self.base = CheckpointModel(verified(), device="cpu")
        (question,) = self.base.tokenizer.encode(
            QUESTION, add_special_tokens=False
        )  # one token, so it can end an answer
        self.base.stop_ids = sorted({*self.base.stop_ids, question})

    def reply(
        self,
        prompts: Sequence[tuple[Turn, ...]],
        settings: Sampling,
        seed: int | Sequence[int],
        on_progress: Callable[[int], None] | None = None,
    ) -> list[Reply]:
        """One answer a conversation"""
        texts = []
        for prompt in prompts:
            said = [turn.content for turn in prompt]
            history = list(zip(said[:-1:2], said[1:-1:2], strict=True))
            texts.append(as_text([*self.examples, *history], said[-1]))
        ids = [self.base.tokenizer.encode(text, add_special_tokens=False) for text in texts]
        return self.base.reply(ids, settings, seed, on_progress)
