"""Linear layers in float32 on AMD's processors by oneDNN, which reaches there about twice the speed of torch's own.

torch multiplies float32 matrices by MKL, which leaves AVX-512 alone on what Intel did not make; oneDNN uses it, and torch reaches
oneDNN in float32 by its convolutions. A convolution of 1 × 1 over a picture of which every pixel is a row is a linear layer.
Knows nothing of what the layers are for.
"""

import platform
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

ROWS = 256
"With fewer rows it takes longer to set the kernels up than they save"
SIZE = 2**16
"And so with a smaller matrix (in × out)"
SIZE_A_ROW = 2**14
"A matrix larger than this times the rows takes longer to lay out for the kernels than they save"
TILE = 64
"""As many rows as are a multiple of this go by oneDNN and those that are left by torch: micro-batches are of any length, and
oneDNN keeps a kernel of about 80 kB for each shape that it meets"""
HEIGHT = 16
"Rows of one picture: of fewer than sixteen pictures torch makes no use of oneDNN where it has one thread"


@lru_cache
def quicker_here() -> bool:
    """Whether this is such a processor; nothing is timed, so that two runs on one machine are computed alike"""
    try:
        maker = Path("/proc/cpuinfo").read_text()
    except OSError:
        maker = platform.processor()
    able = torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available()
    return able and torch.backends.cpu.get_cpu_capability() == "AVX512" and "AuthenticAMD" in maker


def quicken(model: torch.nn.Module) -> None:
    """Send the linear layers of a model by oneDNN where that is quicker: in passes that a backward pass follows"""
    if quicker_here():
        for module in model.modules():
            if type(module) is torch.nn.Linear:
                module.__class__ = Quick


class Quick(torch.nn.Linear):
    """A linear layer that looks how large its input is, and in what precision"""

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        if not _suits(rows, self.weight):
            return super().forward(rows)
        made = _Linear.apply(rows.reshape(-1, rows.shape[-1]), self.weight, self.bias)
        return made.view(*rows.shape[:-1], -1)


def _suits(rows: torch.Tensor, weight: torch.Tensor) -> bool:
    count = rows.numel() // max(rows.shape[-1], 1)
    return (
        rows.device.type == "cpu"
        and rows.dtype == weight.dtype == torch.float32
        and torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
        and count >= ROWS
        and SIZE <= weight.numel() <= SIZE_A_ROW * count
    )


class _Linear(torch.autograd.Function):
    """rows (n, in) @ weight (out, in)ᵀ + bias (out,) → (n, out)"""

    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        ctx.save_for_backward(rows if ctx.needs_input_grad[1] else None, weight)
        return _product(rows, weight, bias)

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
