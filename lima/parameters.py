"""Which parameters train, in which rows, and which of them decay. Knows nothing of steps."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from lima.shard import blocks_of, like


def freeze_unread(model: Any) -> None:
    """Freeze what stands beside the decoder, such as a vision tower: text does not go through it, so it would get no gradient,
    and data parallel would wait for one"""
    decoder, tokens = model.get_decoder(), model.get_input_embeddings()
    if all(module is not tokens for module in decoder.modules()):  # some call their LM head so (ModernBERT)
        return
    read = {id(p) for p in decoder.parameters()}
    for parameter in model.base_model.parameters():
        if id(parameter) not in read:
            parameter.requires_grad_(False)


def freeze_in_saved_dtype(model: Any, saved: torch.dtype) -> None:
    """Hold the frozen linear layers of the blocks in bfloat16 where the base was saved in it, for a model that multiplies in it

    The same bits in half the memory: autocast would make just these numbers in each pass, and keep them for the backward pass."""
    if saved != torch.bfloat16:
        return
    for block in blocks_of(model):
        for module in block.modules():
            if type(module) is torch.nn.Linear and not any(p.requires_grad for p in module.parameters()):
                module.to(saved)


@contextmanager
def in_float32(model: Any) -> Iterator[None]:
    """Let layers that are held in bfloat16 multiply in float32, by a copy that each has while it runs"""
    layers = [m for m in model.modules() if isinstance(m, torch.nn.Linear) and m.weight.dtype == torch.bfloat16]
    hooks = [layer.register_forward_pre_hook(lambda layer, _: layer.float() and None) for layer in layers]
    hooks += [layer.register_forward_hook(lambda layer, *_: layer.bfloat16() and None) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def freeze_embeddings(model: Any, trained_rows: list[int]) -> list[torch.nn.Parameter]:
    """Leave only these rows of the embedding and the LM head to train; the parameters concerned, which must not decay"""
    head = model.get_output_embeddings()
    parameters = [model.get_input_embeddings().weight]
    if head is not None and head.weight is not parameters[0]:
        parameters.append(head.weight)
    for parameter in parameters:
        keep = torch.zeros(parameter.shape[0], 1)
        keep[trained_rows] = 1
        keep = like(keep, parameter)

        # After it was accumulated: the gradient of a sharded parameter comes from a reduction, past the hooks of autograd.
        def mask(parameter: torch.nn.Parameter, keep: torch.Tensor = keep) -> None:
            if parameter.grad is not None:
                parameter.grad.mul_(keep.to(parameter.grad.device))

        parameter.register_post_accumulate_grad_hook(mask)
    return parameters


def parameter_groups(model: Any, decay: float, frozen: list[torch.nn.Parameter]) -> list[dict[str, Any]]:
    """Weight decay on matrices only: biases, norms and embeddings stand for directions that decay would only bend"""
    embeddings = {id(m.weight) for m in model.modules() if isinstance(m, torch.nn.Embedding)} | {id(p) for p in frozen}
    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    parameters = [p for _, p in trained]
    # The rows of an embedding that an adapter trains are one, too.
    decayed = [p for name, p in trained if p.ndim >= 2 and id(p) not in embeddings and "trainable_tokens" not in name]
    chosen = {id(p) for p in decayed}
    return [
        {"params": decayed, "weight_decay": decay},
        {"params": [p for p in parameters if id(p) not in chosen], "weight_decay": 0.0},
    ]
