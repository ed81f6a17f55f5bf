"""The loss of a micro-batch: the weighted sum over its trained tokens; only those positions go through the LM head.

Division by the step's total weight is the loop's business. Knows nothing of examples.
"""

from typing import Any

import torch
import torch.nn.functional as F

from lima.attention import ONE_ROW_EACH
from lima.batching import MicroBatch, micro_batch
from lima.errors import LimaError
from lima.rendering import Rendered


def weighted_loss(model: Any, batch: MicroBatch, device: torch.device | str) -> tuple[torch.Tensor, torch.Tensor]:
    """(sum of weight × cross-entropy, number of trained tokens predicted right), both scalars on the device"""
    logits = model(
        input_ids=batch.ids.to(device),
        position_ids=batch.positions.to(device),
        use_cache=False,
        logits_to_keep=batch.predict.to(device),
        # Not every architecture takes them, and a row with one example needs none.
        **({"segments": batch.segments} if len(batch.segments) > 1 else {}),
    ).logits[0]  # (trained, vocabulary)
    targets = batch.targets.to(device)
    losses = F.cross_entropy(logits.float(), targets, reduction="none")
    right = (logits.detach().argmax(-1) == targets).sum()
    return (losses * batch.weights.to(device)).sum(), right


def prove_isolation(model: Any, device: torch.device | str) -> None:
    """Raise LimaError unless the loss of an example is independent of the one before it in the row

    Attention is told where one ends; a recurrent or convolutional layer, or an attention that does not listen, is not. Seen
    from the gradient, which must be exactly zero, and not looked up by name: next year's architectures are proved as well."""
    embedding = model.get_input_embeddings()
    rows = model.config.get_text_config().vocab_size
    first, second = ([(7 * i + 3 * k + 1) % rows for i in range(length)] for k, length in enumerate((5, 9)))
    pair = [Rendered(first, [0.0] * len(first), []), Rendered(second, [1.0] * len(second), [])]
    seen: list[torch.Tensor] = []

    def catch(module: torch.nn.Module, inputs: Any, output: torch.Tensor) -> torch.Tensor:
        seen.append(output.detach().requires_grad_())
        return seen[-1]

    hook, training = embedding.register_forward_hook(catch), model.training
    model.eval()
    try:
        loss, _ = weighted_loss(model, micro_batch(pair, [0, 1]), device)
        (gradient,) = torch.autograd.grad(loss, seen[0])  # (1, tokens, width)
    finally:
        hook.remove()
        model.train(training)
    if gradient[0, : len(first)].any() or not gradient[0, len(first) :].any():
        raise LimaError(
            f"Examples of the architecture {model.config.model_type!r} would see each other when they share a row. {ONE_ROW_EACH}"
        )
