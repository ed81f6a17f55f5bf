"""Linear layers in float32 on AMD processors through oneDNN, about twice as fast there as torch's own.

torch multiplies float32 matrices by MKL, which does not use AVX-512 on processors that Intel did not make; oneDNN does. torch
reaches it in float32 by an operation of its own that its compiler uses for layers in inference; here it serves training, whose
two other products are layers, too. Knows nothing of what the layers are for.
"""

import os
import platform
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

ROWS = 256
"Fewest rows: with fewer, preparing takes longer than it saves"

SIZE = 2**16
"Fewest weights of a layer: with fewer it does not pay either"

OPERATION = "_linear_pointwise"
"Its name in torch.ops.mkldnn; torch does not promise it, so a torch without it multiplies as it does elsewhere"


WITHOUT_BFLOAT16 = ("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2", "AVX512_CORE", "AVX512_CORE_VNNI")
"Values of ONEDNN_MAX_CPU_ISA, by which a user limits the instructions that oneDNN takes, that leave out those for bfloat16"


def _about_the_processor() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        return platform.processor()


@lru_cache
def bfloat16_is_native() -> bool:
    """Whether this processor multiplies bfloat16 by instructions of its own, AVX512-BF16 or AMX, and torch uses them

    Decided without timing, so that two runs on one machine compute the same."""
    able = torch.backends.mkldnn.is_available() and torch.backends.cpu.get_cpu_capability() == "AVX512"
    able = able and os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper() not in WITHOUT_BFLOAT16
    return able and not {"avx512_bf16", "amx_bf16"}.isdisjoint(_about_the_processor().split())


@lru_cache
def onednn_is_faster() -> bool:
    """Whether this is such a processor; decided without timing, so that two runs on one machine compute the same"""
    maker = _about_the_processor()
    able = torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available()
    able = able and hasattr(torch.ops.mkldnn, OPERATION)
    return able and torch.backends.cpu.get_cpu_capability() == "AVX512" and "AuthenticAMD" in maker


def pays(rows: int, weights: int) -> bool:
    """Whether a layer with this many weights is faster through oneDNN here, for this many rows"""
    return rows >= ROWS and weights >= SIZE and onednn_is_faster()


def use_onednn(model: torch.nn.Module) -> None:
    """Let a model's linear layers train through oneDNN where that pays: they become `OneDNNLinear`, in place and for good"""
    if onednn_is_faster():
        for module in model.modules():
            if type(module) is torch.nn.Linear:
                # The class and not a new module or a forward of its own: hooks, tied weights and copies of the model stay right.
                module.__class__ = OneDNNLinear


class OneDNNLinear(torch.nn.Linear):
    """A linear layer that uses oneDNN in training in float32 on the CPU where that is faster, and torch otherwise"""

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
        return _product(rows, weight, bias)

    @staticmethod
    def backward(ctx: Any, *given: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        rows, weight = ctx.saved_tensors
        gradient = given[0].contiguous()
        by_rows, by_weight, by_bias = ctx.needs_input_grad
        return (
            _product(gradient, weight.t()) if by_rows else None,
            _product(gradient.t(), rows.t()) if by_weight else None,
            gradient.sum(0) if by_bias else None,
        )


def _product(rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """rows (n, in) @ weight (out, in)ᵀ + bias (out,); the weight may lie in memory either way, the rows are copied if they do not
    lie one after another"""
    multiply = getattr(torch.ops.mkldnn, OPERATION)
    found: torch.Tensor = multiply(rows.contiguous(), weight, bias, "none", [], "")
    return found
