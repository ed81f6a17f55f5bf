"""The untuned base as a model that answers: it continues a text of questions and answers like those in its corpus.

Worked exchanges come first, then the conversation so far; the next "Question" ends an answer. Nothing is trained, so whatever
this model achieves, the base could do before fine-tuning.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from lima import LimaError
from lima_chat import Turn
from lima_village_study.variations import BY_FORM, pool

if TYPE_CHECKING:
    from lima import Reply, Sampling

EXAMPLES = 3
QUESTION, ANSWER = "Question", "Answer"


def worked(number: int) -> list[tuple[str, str]]:
    """`number` exchanges to begin with, the forms in turn"""
    rounds = [pool(-(-number // len(BY_FORM)), {form: 1}) for form in BY_FORM.values()]
    singles = [single for same in zip(*rounds, strict=True) for single in same]
    return [(single.user, single.reply) for single in singles[:number]]


def as_text(exchanges: Sequence[tuple[str, str]], question: str) -> str:
    """A text that ends where the answer must begin"""
    own_line = {reply: "\n" if "\n" in reply else " " for _, reply in exchanges}  # a list starts on a new line
    told = [f"{QUESTION}: {user}\n{ANSWER}:{own_line[reply]}{reply}\n\n" for user, reply in exchanges]
    return "".join([*told, f"{QUESTION}: {question}\n{ANSWER}:"])


class InContext:
    """village-in-context:N for N worked exchanges."""

    description = f"the untuned base with worked exchanges in its context (village-in-context:N, default {EXAMPLES})"

    def open(self, argument: str | None, store: Any) -> InContextModel:
        """The base model with N worked exchanges, 0 or more"""
        if argument and not argument.isdecimal():
            name = "village-in-context"
            raise LimaError(
                f"{name}:{argument} is not a number of worked exchanges. Write {name}:{EXAMPLES}, for example."
            )
        return InContextModel(int(argument) if argument else EXAMPLES)


class InContextModel:
    """Answers with what the base writes between an "Answer" and the next "Question"."""

    def __init__(self, examples: int) -> None:
        from lima import CheckpointModel
        from lima_village.base_model import verified

        self.name = f"village-in-context:{examples}"
        self.examples = worked(examples)
        self.base = CheckpointModel(verified(), device="cpu")
        # One token, so that it can end an answer.
        (question,) = self.base.tokenizer.encode(QUESTION, add_special_tokens=False)
        self.base.stop_ids = sorted({*self.base.stop_ids, question})

    def reply(
        self,
        prompts: Sequence[tuple[Turn, ...]],
        settings: Sampling,
        seed: int | Sequence[int],
        on_progress: Callable[[int], None] | None = None,
    ) -> list[Reply]:
        """One answer per conversation"""
        texts = []
        for prompt in prompts:
            said = [turn.content for turn in prompt]
            history = list(zip(said[:-1:2], said[1:-1:2], strict=True))
            texts.append(as_text([*self.examples, *history], said[-1]))
        ids = [self.base.tokenizer.encode(text, add_special_tokens=False) for text in texts]
        return self.base.reply(ids, settings, seed, on_progress)
