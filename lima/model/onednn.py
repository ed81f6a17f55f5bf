"""Linear layers in float32 on AMD's processors through oneDNN, which reaches there about twice the speed of torch's own.

torch multiplies float32 matrices by MKL, which does not use AVX-512 on processors that Intel did not make; oneDNN does, and torch
reaches oneDNN in float32 by its convolutions. A convolution of 1 × 1 over pictures of which every pixel is a row is a linear
layer. Knows nothing of what the layers are for.
"""

import platform
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

HEIGHT = 16
"Rows in one picture"

TILE = 4 * HEIGHT
"""Whole multiples of so many rows go through oneDNN, and the rest by torch: micro-batches are of any length, and oneDNN keeps a
kernel of about 80 kB for each of the last thousand shapes that it met"""

ROWS = 16 * HEIGHT
"With fewer it takes longer to prepare than it saves; and of fewer than sixteen pictures torch, with one thread, asks no oneDNN"

SIZE = 2**16
"Weights of a layer, below which it does not pay either"

SIZE_BY_ROWS = 2**14
"Nor above this many for each row: the weights are laid out anew in each pass"


@lru_cache
def onednn_is_faster() -> bool:
    """Whether this is such a processor; nothing is timed, so that two runs on one machine are computed alike"""
    try:
        maker = Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        maker = platform.processor()
    able = torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available()
    return able and torch.backends.cpu.get_cpu_capability() == "AVX512" and "AuthenticAMD" in maker


def pays(rows: int, weights: int) -> bool:
    """Whether a layer of so many weights is quicker through oneDNN here, for so many rows"""
    return rows >= ROWS and SIZE <= weights <= SIZE_BY_ROWS * rows and onednn_is_faster()


def use_onednn(model: torch.nn.Module) -> None:
    """Let a model's linear layers train through oneDNN where that pays: they become `OneDNNLinear`, in place and for good"""
    if onednn_is_faster():
        for module in model.modules():
            if type(module) is torch.nn.Linear:
                module.__class__ = OneDNNLinear


class OneDNNLinear(torch.nn.Linear):
    """A linear layer through oneDNN where a backward pass will follow, in float32 on the CPU, and it pays; else as it was"""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        if not self._suits(input):
            return super().forward(input)
        made = _Linear.apply(input.reshape(-1, input.shape[-1]), self.weight, self.bias)
        return made.view(*input.shape[:-1], -1)

    def _suits(self, given: torch.Tensor) -> bool:
        return (
            given.device.type == "cpu"
            and given.dtype == self.weight.dtype == torch.float32
            and torch.is_grad_enabled()
            and not torch.is_autocast_enabled("cpu")
            and bool(torch.backends.mkldnn.enabled)
            and pays(given.numel() // max(given.shape[-1], 1), self.weight.numel())
        )


class _Linear(torch.autograd.Function):
    """rows (n, in) @ weight (out, in)ᵀ + bias (out,) → (n, out)"""

    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        ctx.save_for_backward(rows if ctx.needs_input_grad[1] else None, weight)
        # No view, which autograd would not let a model change in place (OLMo clamps its queries).
        return _product(rows, weight, bias).data

    @staticmethod
    def backward(ctx: Any, *given: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        rows, weight = ctx.saved_tensors
        gradient = given[0].contiguous()
        by_rows, by_weight, by_bias = ctx.needs_input_grad
        return (
            _product(gradient, weight.t()) if by_rows else None,
            _summed(gradient, rows, weight) if by_weight else None,
            gradient.sum(0) if by_bias else None,
        )


def _product(rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    tiled = len(rows) - len(rows) % TILE
    found = F.conv2d(_pictures(rows[:tiled]), weight[:, :, None, None], bias).permute(0, 2, 3, 1).flatten(0, 2)
    return torch.cat([found, F.linear(rows[tiled:], weight, bias)]) if tiled < len(rows) else found


def _summed(gradient: torch.Tensor, rows: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """A weight's gradient (out, in), from that of what it gave (n, out) and what it was given (n, in)"""
    tiled = len(rows) - len(rows) % TILE
    pictures, only = (_pictures(gradient[:tiled]), _pictures(rows[:tiled])), [False, True, False]
    _, found, _ = torch.ops.aten.convolution_backward(
        *pictures, weight[:, :, None, None], None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1, only
    )
    whole: torch.Tensor = found[:, :, 0, 0].addmm_(gradient[tiled:].t(), rows[tiled:])
    return whole


def _pictures(rows: torch.Tensor) -> torch.Tensor:
    """(n, channels) → (n / HEIGHT, channels, HEIGHT, 1), nothing copied: channels are last in memory"""
    return rows.contiguous().view(-1, HEIGHT, 1, rows.shape[1]).permute(0, 3, 1, 2)
