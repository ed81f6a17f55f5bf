"""Gated feed-forward layers that keep less for the backward pass: of four wide tensors two, the others are computed again.

`down(act(gate(x)) * up(x))` keeps the gate, what the activation makes of it, `up` and their product: in a Llama nearly half of
all that autograd keeps. The activation and the product cost next to nothing, and the same operations give the same bits. Knows
nothing of attention, norms or training.
"""

from collections.abc import Callable
from typing import Any

import torch

from lima.model.written import give

FORMULA = "self.down_proj(self.act_fn(self.gate_proj(x)) * self.up_proj(x))"
"As transformers writes it for Llama, Mistral, Qwen, Gemma and others; a layer that computes anything else is left alone"

Act = Callable[[torch.Tensor], torch.Tensor]


def keep_less(model: torch.nn.Module) -> int:
    """Let the model's gated layers keep less, in place and for good; how many there are

    Not together with layers that are computed again as a whole, which keep nothing, or compiled."""
    return give(model, _is_gated, _forward)


def _is_gated(lines: list[str]) -> bool:
    return lines[-1:] == [f"return {FORMULA}"] or lines[-2:] == [f"down_proj = {FORMULA}", "return down_proj"]


def _forward(self: Any, x: torch.Tensor) -> torch.Tensor:
    gate, up = self.gate_proj(x), self.up_proj(x)
    product: torch.Tensor = _Product.apply(self.act_fn, gate, up)
    found: torch.Tensor = self.down_proj(product)
    if found.requires_grad and product.requires_grad:
        size = product.untyped_storage().nbytes()
        # Autograd refuses a saved tensor that was changed. Filling it through `data` does not count as a change.
        needed = [(product.data, gate.detach(), up.detach())]
        act = self.act_fn

        def again(_: torch.Tensor) -> None:
            if needed:  # and let go: the graph, and this with it, lives longer than what the backward pass needs
                product, gate, up = needed.pop()
                product.untyped_storage().resize_(size)
                product.copy_(act(gate) * up)

        found.register_hook(again)
        product.untyped_storage().resize_(0)
    return found


class _Product(torch.autograd.Function):
    """act(gate) * up, of which the gate and up are kept"""

    @staticmethod
    def forward(ctx: Any, act: Act, gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
        ctx.act = act
        ctx.save_for_backward(gate, up)
        return act(gate) * up

    @staticmethod
    def backward(ctx: Any, *given: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        gate, up = ctx.saved_tensors
        with torch.enable_grad():
            own = gate.detach().requires_grad_()
            acted = ctx.act(own)
        (by_gate,) = torch.autograd.grad(acted, own, given[0] * up)
        return None, by_gate, given[0] * acted.detach()
