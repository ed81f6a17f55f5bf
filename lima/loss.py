"""The loss of a micro-batch: the weighted sum over its trained tokens; only those positions go through the LM head.

Division by the step's total weight is the loop's business. Knows nothing of examples.
"""

from typing import Any

import torch
import torch.nn.functional as F

from lima.batching import MicroBatch


def weighted_loss(model: Any, batch: MicroBatch, device: torch.device | str) -> tuple[torch.Tensor, torch.Tensor]:
    """(sum of weight × cross-entropy, number of trained tokens predicted right), both scalars on the device"""
    logits = model(
        input_ids=batch.ids.to(device),
        position_ids=batch.positions.to(device),
        segments=batch.segments,
        use_cache=False,
        logits_to_keep=batch.predict.to(device),
    ).logits[0]  # (trained, vocabulary)
    targets = batch.targets.to(device)
    losses = F.cross_entropy(logits.float(), targets, reduction="none")
    right = (logits.detach().argmax(-1) == targets).sum()
    return (losses * batch.weights.to(device)).sum(), right
