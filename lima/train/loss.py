"""The loss of a micro-batch: the weighted sum over its trained tokens; only those positions go through the LM head, in chunks.

The caller divides by the step's total weight. Knows nothing of examples.
"""

from typing import Any

import torch
import torch.nn.functional as F

from lima.contract.rendered import Rendered
from lima.errors import LimaError
from lima.model.attention import ONE_ROW_EACH, Segments
from lima.train.batching import MicroBatch, micro_batch
from lima.train.head import Score, summed


def weighted_loss(
    model: Any, batch: MicroBatch, device: torch.device | str, score: Score | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """(sum of weight × cross-entropy, number of trained tokens predicted right), both scalars on the device

    `score` may be a compiled `score_chunk`."""
    ids, positions, predict, targets, weights = (
        to_device(t, device) for t in (batch.ids, batch.positions, batch.predict, batch.targets, batch.weights)
    )
    inputs = {
        "input_ids": ids,
        "position_ids": positions,
        "use_cache": False,
        # Not every architecture takes segments, and a row with one example needs none.
        **({"segments": Segments(batch.segments)} if len(batch.segments) > 1 else {}),
    }
    loss, right = summed(model, inputs, predict, (targets, weights), score or score_chunk)
    return loss, right


def to_device(tensor: torch.Tensor, device: torch.device | str) -> torch.Tensor:
    """A CPU tensor on the device, without waiting for a GPU, as a copy from ordinary memory would"""
    if torch.device(device).type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def score_chunk(
    logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The two sums over a chunk: logits (positions, vocabulary), targets and weights (positions,)"""
    exact = logits.float()
    # A GPU has kernels of its own, and a compiler makes them.
    if logits.device.type == "cpu" and not torch.compiler.is_compiling():
        losses: torch.Tensor = _Losses.apply(exact, targets)
    else:
        losses = F.cross_entropy(exact, targets, reduction="none")
    known = logits.detach()  # max is faster than argmax
    right = known.gather(1, targets[:, None])[:, 0] == known.amax(-1)
    return (losses * weights).sum(), right.sum()


class _Losses(torch.autograd.Function):
    """Cross-entropy of logits (n, vocabulary) with targets (n,) → (n,), its gradient made in one tensor in place of two

    Bit for bit that of `F.cross_entropy`."""

    @staticmethod
    def forward(ctx: Any, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        chances = torch.log_softmax(logits, -1)
        ctx.save_for_backward(chances, targets)
        return chances.gather(1, targets[:, None])[:, 0].neg_()

    @staticmethod
    def backward(ctx: Any, *given: torch.Tensor) -> tuple[torch.Tensor, None]:
        chances, targets = ctx.saved_tensors
        gradient = torch.zeros_like(chances).scatter_(1, targets[:, None], -given[0][:, None])
        made: torch.Tensor = torch.ops.aten._log_softmax_backward_data.out(
            gradient, chances, -1, chances.dtype, out=gradient
        )
        return made, None


def prove_isolation(model: Any, device: torch.device | str) -> None:
    """Raise LimaError unless the loss of an example is independent of the one before it in the row

    Attention is told where an example ends; a recurrent or convolutional layer, or an attention that ignores it, is not. Tested
    by the gradient, which must be exactly zero, and not looked up by name, so it works for new architectures, too."""
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
        # Some embed more than once, for example to test the head or look for images; one of the results leads to the loss.
        gradients = torch.autograd.grad(loss, seen, allow_unused=True)
        (gradient,) = (g for g in gradients if g is not None)  # (1, tokens, width)
        if not loss.isfinite() or not gradient.isfinite().all():
            raise LimaError(
                "The model's loss on a few tokens is not finite, before any step: some of its weights are NaN, infinite or too "
                "large. Copy the base model again, or go back to an earlier checkpoint."
            )
    finally:
        hook.remove()
        model.train(training)
    if gradient[0, : len(first)].any() or not gradient[0, len(first) :].any():
        raise LimaError(
            f"Examples of the architecture {model.config.model_type!r} would see each other when they share a row. {ONE_ROW_EACH}"
        )
