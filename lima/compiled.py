"""Decoder blocks compiled by torch, one graph serving all of them, for a fixed set of token counts.

What differs from one micro-batch or one layer to the next stays out of the graphs: attention, which goes by the segments, and
dropout, whose p rises by layer. With micro-batches padded to multiples of a unit (lima.batching.padded) there are then at most
SIZES graphs of each kind of block, all of them made in the first steps. Knows nothing of the loop.
"""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from lima import attention
from lima.dropout import set_apart
from lima.errors import LimaError
from lima.recipe import Recipe
from lima.shard import blocks_of

NAME = "lima_varlen_apart"
"By which transformers knows the attention that a compiler leaves alone"
SIZES = 8
"Token counts that micro-batches are padded to"
BACKEND = "inductor"


def wanted(recipe: Recipe, device: torch.device) -> bool:
    """Whether to compile, 'auto' being on a GPU where that works; LimaError where it was asked for and cannot be"""
    shared = recipe.micro_batch_tokens > 1
    if recipe.compile == "auto":
        reason = _why_not(device) if shared and device.type == "cuda" else ""
        if reason:
            logging.getLogger("lima").warning("The decoder blocks are not compiled: %s.", reason)
        return shared and device.type == "cuda" and not reason
    if not recipe.compile:
        return False
    if not shared:
        raise LimaError(
            "The recipe has compile = true and micro_batch_tokens = 1, which gives each example a row of its own length and so a "
            "graph of its own. Set compile=false, or micro_batch_tokens to the tokens that may share a row."
        )
    if reason := _why_not(device):
        raise LimaError(
            f"torch.compile does not work on this machine: {reason}. Install a C++ compiler, or set compile=false."
        )
    return True


def register() -> str:
    """Make attention that a compiler leaves alone known to transformers; its name there"""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, torch.compiler.disable(attention.attend))
    return NAME


def unit_of(largest: int) -> int:
    """Micro-batches of at most `largest` tokens are padded to multiples of this: SIZES of them, each a multiple of eight"""
    return 8 * -(-largest // (8 * SIZES))


def compile_blocks(model: torch.nn.Module, recompute: bool) -> None:
    """Compile the forward of every decoder block; the names of the weights stay as they are

    With `recompute` each block is computed again in the backward pass, by its graph. Without gradients nothing is compiled."""
    import torch._dynamo

    # Each size of each kind of block is a graph, and a second one where a row happens to need no padding.
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, 8 * SIZES)
    # It splits a graph to send gradients early, which blocks do by themselves.
    torch._dynamo.config.optimize_ddp = False
    set_apart(model, torch.compiler.disable)
    for block in blocks_of(model):
        block.forward = _when_trained(block.forward, recompute)


def _when_trained(forward: Callable[..., Any], recompute: bool) -> Callable[..., Any]:
    """A block's forward, compiled for passes that are followed by a backward pass"""
    from torch.utils.checkpoint import checkpoint

    compiled = torch.compile(forward, dynamic=False, backend=BACKEND)
    if recompute:
        compiled = partial(checkpoint, compiled, use_reentrant=False)

    def either(*inputs: Any, **named: Any) -> Any:
        return (compiled if torch.is_grad_enabled() else forward)(*inputs, **named)

    return either


def _why_not(device: torch.device) -> str:
    """What happens when something small is compiled here, or nothing when that is right"""

    def small(x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.silu(x).sum()

    x = torch.ones(64, device=device, requires_grad=True)
    try:
        expected = torch.autograd.grad(small(x), x)[0]
        found = torch.autograd.grad(torch.compile(small, dynamic=False, backend=BACKEND)(x), x)[0]
        torch.testing.assert_close(found, expected)
    except (RuntimeError, OSError, ImportError, AssertionError) as e:
        return " ".join([type(e).__name__ + ":", *str(e).split("\n")[:2]])  # which backend, and what it said
    return ""
