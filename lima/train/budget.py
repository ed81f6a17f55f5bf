"""The token budget: how many tokens go through the model at once; halved when memory runs out.

The batch stays what it is; only its micro-batches become smaller. Knows of examples their lengths, and nothing of models or
devices.
"""

import logging
from collections.abc import Sequence
from typing import Any

from lima.contract.rendered import Rendered
from lima.errors import LimaError
from lima.recipe import Recipe


class Budget:
    """The budget of one run, and warnings about it"""

    def __init__(self, recipe: Recipe) -> None:
        self.tokens, self.notes = recipe.micro_batch_tokens, list[str]()
        self.fits = [recipe.micro_batch_tokens, recipe.gradient_checkpointing, recipe.compile]
        "What decides whether a budget fits: one found with other values does not count"

    def state(self) -> dict[str, Any]:
        """What a resumed run needs to split its steps in the same way"""
        return {"budget": self.tokens, "fits": self.fits, "notes": self.notes}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue with a state's budget"""
        if state.get("fits") == self.fits:
            self.tokens = state["budget"]
        self.notes = list(state.get("notes", ()))

    def halve(self, examples: Sequence[Rendered]) -> None:
        """Halve it after a step of these examples ran out of memory; LimaError if it cannot become smaller"""
        longest, tokens = _sizes(examples)
        size = min(self.tokens, tokens)
        if size <= longest:
            raise self.error(examples)
        before, self.tokens = self.tokens, max(size // 2, longest)
        self.notes.append(f"Out of memory with micro_batch_tokens = {before}: continued with {self.tokens}.")
        logging.getLogger("lima").warning(self.notes[-1])

    def error(self, examples: Sequence[Rendered]) -> LimaError:
        """The error for a step of these examples that ran out of memory, with what to do"""
        longest, tokens = _sizes(examples)
        return LimaError(
            f"Out of memory with micro-batches of {min(self.tokens, tokens)} tokens, the longest example having {longest}. "
            "Lower micro_batch_tokens or set gradient_checkpointing=true, also when resuming; or start a new run with lora_rank, "
            "lower max_tokens, or more devices; `lima plan` says what is needed."
        )


def _sizes(examples: Sequence[Rendered]) -> tuple[int, int]:
    """(tokens of the longest, of all)"""
    lengths = [len(one.ids) for one in examples]
    return max(lengths), sum(lengths)
