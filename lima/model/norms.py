"""RMS norms that keep less for the backward pass: their input and one number a row; what was normalized is computed again.

The same operations in the same order give the same bits. Under bfloat16 the layers that follow get the norm's output in bfloat16,
once, where autocast would make and keep a copy for each of them. Knows nothing of attention, feed-forward layers or training.
"""

from typing import Any

import torch

from lima.model.written import give

FORMULA = [
    "hidden_states = hidden_states.to(torch.float32)",
    "variance = hidden_states.pow(2).mean(-1, keepdim=True)",
    "hidden_states = hidden_states * torch.rsqrt(variance + self.variance_epsilon)",
    "return self.weight * hidden_states.to(input_dtype)",
]
"As transformers writes it for Llama, Mistral, Qwen and a hundred others; a norm that computes anything else is left alone"


def keep_less(model: torch.nn.Module) -> int:
    """Let the model's RMS norms on a CPU keep less, in place and for good; how many there are

    Not together with layers that are computed again as a whole, which keep nothing, or compiled."""
    return give(model, _is_norm, _forward)


def _is_norm(lines: list[str]) -> bool:
    return lines[-len(FORMULA) :] == FORMULA and len(lines) == len(FORMULA) + 2


def _forward(self: Any, hidden_states: torch.Tensor) -> torch.Tensor:
    # Twice, for its two gradients: autograd then adds them up in the order in which it would for the norm written out.
    found: torch.Tensor = _Norm.apply(hidden_states, hidden_states, self.weight, self.variance_epsilon)
    return found.to(torch.bfloat16) if torch.is_autocast_enabled("cpu") else found


class _Norm(torch.autograd.Function):
    """weight * (x / root mean square of x), of which x and the roots are kept"""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, _: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
        exact = x.to(torch.float32)
        scale = torch.rsqrt(exact.pow(2).mean(-1, keepdim=True) + epsilon)
        ctx.save_for_backward(x, weight, scale)
        return weight * (exact * scale).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *given: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight, scale = ctx.saved_tensors
        exact, gradient = x.to(torch.float32), given[0]
        by_weight = (
            (gradient * (exact * scale).to(x.dtype)).sum_to_size(weight.shape) if ctx.needs_input_grad[2] else None
        )
        if not ctx.needs_input_grad[0]:
            return None, None, by_weight, None
        normalized = (gradient * weight).to(x.dtype).to(torch.float32)
        by_scale = (normalized * exact).sum(-1, keepdim=True)
        by_mean = by_scale * (-0.5 * scale.pow(3)) / x.shape[-1]
        return (normalized * scale).to(x.dtype), (by_mean * (2 * exact)).to(x.dtype), by_weight, None
