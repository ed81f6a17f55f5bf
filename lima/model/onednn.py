"""Linear layers in float32 on AMD processors through oneDNN, about twice as fast there as torch's own.

torch multiplies float32 matrices by MKL, which does not use AVX-512 on processors that Intel did not make; oneDNN does. torch
reaches it in float32 by an operation of its own that its compiler uses for layers in inference; here it serves training, whose
two other products are layers, too. Those of models that are not large go by a convolution of 1 × 1 over pictures of which every
pixel is a row: somewhat slower, but figures of small models are recorded with its bits. Knows nothing of what the layers are for.
"""

from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F

from lima.model.processor import about_the_processor

HEIGHT = 16
"Rows in one picture"

TILE = 4 * HEIGHT
"""Multiples of this number of rows go through oneDNN, the rest through torch: micro-batches have any length, and oneDNN keeps a
kernel of about 80 kB for each of the last thousand shapes"""

ROWS = 16 * HEIGHT
"Fewest rows: with fewer, preparing takes longer than it saves, and with one thread torch does not use oneDNN below 16 pictures"

SIZE = 2**16
"Fewest weights of a layer: with fewer it does not pay either"

LARGE = 2**24
"Parameters of a model from which on its layers go by OPERATION; the village's base has fewer, and its figures are recorded"

OPERATION = "_linear_pointwise"
"Its name in torch.ops.mkldnn; torch does not promise it, so with a torch without it all layers go by convolutions"

SIZE_BY_ROWS = 2**14
"Most weights for each row: the weights are copied into another layout in each pass"


@lru_cache
def mkl_is_slow() -> bool:
    """Whether torch multiplies float32 by MKL on a processor that is not Intel's, and oneDNN is there

    Decided without timing, so that two runs on one machine compute the same."""
    able = torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available()
    return able and "AuthenticAMD" in about_the_processor()


@lru_cache
def onednn_is_faster() -> bool:
    """Whether oneDNN multiplies large matrices faster here"""
    return mkl_is_slow() and torch.backends.cpu.get_cpu_capability() == "AVX512"


def pays(rows: int, weights: int) -> bool:
    """Whether a layer with this many weights is faster through oneDNN here, for this many rows"""
    return rows >= ROWS and SIZE <= weights <= SIZE_BY_ROWS * rows and onednn_is_faster()


def is_large(model: torch.nn.Module) -> bool:
    """Whether a model's layers in float32 go by OPERATION, where they go by oneDNN at all and this torch has it"""
    return hasattr(torch.ops.mkldnn, OPERATION) and sum(p.numel() for p in model.parameters()) >= LARGE


def use_onednn(model: torch.nn.Module) -> None:
    """Let a model's linear layers train through oneDNN where that pays: they become `OneDNNLinear`, in place and for good"""
    if not onednn_is_faster():
        return
    large = is_large(model)
    for module in model.modules():
        if type(module) is torch.nn.Linear:
            # The class and not a new module or a forward of its own: hooks, tied weights and copies of the model stay right.
            module.__class__ = OneDNNLinear
            module.large = large  # type: ignore[assignment]


class OneDNNLinear(torch.nn.Linear):
    """A linear layer that uses oneDNN in training in float32 on the CPU where that is faster, and torch otherwise"""

    large: bool
    "Whether its model is"

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        if not self._suits(input):
            return super().forward(input)
        made = _Linear.apply(input.reshape(-1, input.shape[-1]), self.weight, self.bias, self.large)
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
    def forward(
        ctx: Any, rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, large: bool
    ) -> torch.Tensor:
        ctx.save_for_backward(rows if ctx.needs_input_grad[1] else None, weight)
        ctx.large = large
        # Not a view, which autograd would not let a model change in place (OLMo clamps its queries).
        return (_multiplied if large else _convolved)(rows, weight, bias).data

    @staticmethod
    def backward(ctx: Any, *given: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        rows, weight = ctx.saved_tensors
        gradient = given[0].contiguous()
        product = _multiplied if ctx.large else _convolved
        by_rows, by_weight, by_bias = ctx.needs_input_grad[:3]
        return (
            product(gradient, weight.t()) if by_rows else None,
            _by_weight(gradient, rows, weight, ctx.large) if by_weight else None,
            gradient.sum(0) if by_bias else None,
            None,
        )


def _multiplied(rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """rows @ weightᵀ + bias by OPERATION; the weight may lie in memory either way, rows are copied unless they lie in order"""
    found: torch.Tensor = getattr(torch.ops.mkldnn, OPERATION)(rows.contiguous(), weight, bias, "none", [], "")
    return found


def _convolved(rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """The same by a convolution"""
    tiled = len(rows) - len(rows) % TILE
    found = F.conv2d(_pictures(rows[:tiled]), weight[:, :, None, None], bias).permute(0, 2, 3, 1).flatten(0, 2)
    return torch.cat([found, F.linear(rows[tiled:], weight, bias)]) if tiled < len(rows) else found


def _by_weight(gradient: torch.Tensor, rows: torch.Tensor, weight: torch.Tensor, large: bool) -> torch.Tensor:
    """A weight's gradient (out, in), from the output's gradient (n, out) and the input (n, in)"""
    if large:
        return _multiplied(gradient.t(), rows.t())
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
