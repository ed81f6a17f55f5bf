"""The next token of each row: sampling as in LIMA §4.1.

The repetition penalty is on the current reply only and never on the end-of-turn token (EOT): the usual penalty also punishes the
prompt, and with it the history and the EOT. Knows nothing of models.
"""

import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from lima.contract.answers import Sampling

if TYPE_CHECKING:
    from lima.answer.decode import Draw


class Sampler:
    """The next token of each row: penalty on its own reply, then greedy, or nucleus with the row's own numbers"""

    def __init__(self, settings: Sampling, seeds: Mapping[int, int]) -> None:
        self.settings = settings
        self.numbers = {row: random.Random(seed) for row, seed in seeds.items()}

    def __call__(self, logits: "torch.Tensor", replies: "torch.Tensor", rows: list[int]) -> "torch.Tensor":
        """Logits (rows, vocabulary) and the replies so far (rows, tokens), without EOT, to tokens (rows,)

        All on the model's device: nothing here waits for a GPU."""
        import torch

        s = self.settings
        if s.repetition_penalty != 1.0:
            values = logits.gather(1, replies)
            values = torch.where(values > 0, values / s.repetition_penalty, values * s.repetition_penalty)
            logits = logits.scatter(1, replies, values)
        if s.temperature == 0:
            return logits.argmax(-1)
        ordered, order = (logits / s.temperature).softmax(-1).sort(dim=-1, descending=True)
        reached = ordered.cumsum(-1)
        nucleus = (reached - ordered < s.top_p).sum(-1, keepdim=True)  # (rows, 1): its size, at least one token
        numbers = torch.tensor([[self.numbers[row].random()] for row in rows]).to(logits.device, non_blocking=True)
        drawn = (reached <= numbers * reached.gather(1, nucleus - 1)).sum(-1, keepdim=True)
        return order.gather(1, drawn.minimum(nucleus - 1))[:, 0]


def same_everywhere(draw: "Draw", *about: Any) -> "torch.Tensor":
    """The tokens that the main process draws"""
    from lima.model.shard import from_main

    return from_main(draw(*about))
