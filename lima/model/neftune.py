"""Noise on the embeddings while training (NEFTune, 2310.05914): off by default, because it is not part of LIMA's recipe.

Uniform in ±alpha / √(length · width), where the length is that of the example and not of the row it shares. Knows nothing of
the loop.
"""

from collections.abc import Sequence
from typing import Any

import torch


class Neftune:
    """A forward hook on the input embedding; tell it the segments of each row before the forward"""

    def __init__(self, model: Any, alpha: float) -> None:
        self.alpha = alpha
        self.segments: Sequence[int] = ()
        model.get_input_embeddings().register_forward_hook(self)

    def __call__(self, module: torch.nn.Module, inputs: Any, output: torch.Tensor) -> torch.Tensor:
        if not module.training:
            return output
        lengths = torch.tensor(self.segments, device=output.device)
        size = self.alpha / (lengths * output.shape[-1]).sqrt()  # (segments,)
        each = size.repeat_interleave(lengths)[None, :, None]  # (1, tokens, 1)
        return output + torch.empty_like(output).uniform_(-1, 1) * each.to(output.dtype)
