"""Decoder blocks compiled by torch: one graph serves every layer and every number of tokens.

What differs from one layer or one example to the next stays out of the graphs: attention, which depends on the segments, and
dropout, whose p rises by layer. Compiling happens in the rehearsal, with the largest micro-batch. Knows nothing of the loop.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from lima.errors import LimaError
from lima.model import attention
from lima.model.dropout import set_apart
from lima.model.shard import blocks_of
from lima.recipe import Recipe

NAME = "lima_varlen_apart"
"transformers' name of the attention that the compiler does not trace"

BACKEND = "inductor"

Score = Callable[..., tuple[torch.Tensor, ...]]
"Makes sums over a chunk of logits; see lima.train.head"


def wanted(recipe: Recipe, device: torch.device) -> bool:
    """Whether to compile; LimaError if the recipe asks for it and it does not work here"""
    if recipe.compile is not True:
        return False
    if recipe.micro_batch_tokens == 1:
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
    """Register the attention that the compiler does not trace with transformers; its name there"""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, torch.compiler.disable(attention.attend))
    return NAME


def compile_blocks(model: torch.nn.Module, recompute: bool) -> None:
    """Compile the forward of every decoder block; the names of the weights stay as they are

    With `recompute` each block is computed again in the backward pass, by its graph. Without gradients nothing is compiled."""
    import torch._dynamo

    # One graph for each kind of block, with and without segments, while recomputing and not.
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, 32)
    # It splits a graph to send gradients early, which blocks do by themselves.
    torch._dynamo.config.optimize_ddp = False
    set_apart(model, torch.compiler.disable)
    for block in blocks_of(model):
        # Not by block.compile(), which compiles the hooks too (FSDP's among them) and passes without gradients.
        block.forward = _when_trained(block.forward, recompute)


def compile_score(score: Score) -> Score:
    """The loss of a chunk as one function, which reads the logits twice where one operation after another reads them ten times

    One graph serves chunks of any number of positions."""
    import torch._dynamo

    compiled = torch.compile(score, backend=BACKEND)

    def of_any_length(logits: torch.Tensor, *by_position: torch.Tensor) -> tuple[torch.Tensor, ...]:
        if not torch.is_grad_enabled() or len(logits) < 2:  # a length of one would be a graph of its own
            return score(logits, *by_position)
        for tensor in (logits, *by_position):
            torch._dynamo.maybe_mark_dynamic(tensor, 0)
        return compiled(logits, *by_position)

    return of_any_length


def _when_trained(forward: Callable[..., Any], recompute: bool) -> Callable[..., Any]:
    """A block's forward, compiled for passes that are followed by a backward pass"""
    from torch.utils.checkpoint import checkpoint

    compiled = torch.compile(forward, dynamic=True, backend=BACKEND)
    if recompute:
        compiled = partial(checkpoint, compiled, use_reentrant=False)

    def either(*inputs: Any, **named: Any) -> Any:
        return (compiled if torch.is_grad_enabled() else forward)(*inputs, **named)

    return either


def _why_not(device: torch.device) -> str:
    """What goes wrong when something small is compiled here; empty if nothing does"""

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
