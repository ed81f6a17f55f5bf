"""Linear layers that answer on a CPU, their weights in the layout that oneDNN multiplies by.

With a few rows, one a conversation, as much time goes into bringing the weights into that layout as into the products, in every
step again; here it is done once. In bfloat16 the results are the same bits. In float32, which torch multiplies by MKL, they are
not, so only large models are packed, and only on processors by AMD: there a step takes half to three quarters of the time, with
and without AVX-512. Knows nothing of what the layers are for.
"""

import torch

from lima.model.onednn import SIZE, is_large, mkl_is_slow
from lima.model.processor import bfloat16_is_native

PACK, OPERATION = "_reorder_linear_weight", "_linear_pointwise"
"Names in torch.ops.mkldnn; torch does not promise them, so a torch without them multiplies by the weights as they are"

ROWS = 16
"For how many rows the layout is chosen; it serves any number"

MOST = 2**32
"Bytes of the largest model that is packed: the packed weights are copies, and take as much memory again"


def pack_weights(model: torch.nn.Module) -> int:
    """Let a model's linear layers answer by packed weights where that pays, in place and for good; how many do

    They are copies, for gradients and for who reads the weights: a weight that is changed later must be packed again."""
    able = all(hasattr(torch.ops.mkldnn, name) for name in (OPERATION, PACK))
    if not able or sum(p.numel() * p.element_size() for p in model.parameters()) > MOST:
        return 0
    kinds = [torch.bfloat16] * bfloat16_is_native() + [torch.float32] * (mkl_is_slow() and is_large(model))
    layers = [m for m in model.modules() if type(m) is torch.nn.Linear and _pays(m.weight) and m.weight.dtype in kinds]
    for layer in layers:
        # The class and not a forward of its own: hooks and tied weights stay right.
        layer.__class__ = PackedLinear
        layer.packed = getattr(torch.ops.mkldnn, PACK)(layer.weight.detach(), ROWS)
    return len(layers)


def _pays(weight: torch.Tensor) -> bool:
    return weight.device.type == "cpu" and weight.numel() >= SIZE


class PackedLinear(torch.nn.Linear):
    """A linear layer that multiplies by packed weights where no gradient is wanted"""

    packed: torch.Tensor

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        if torch.is_grad_enabled() or input.dtype != self.packed.dtype or not input.numel():
            return super().forward(input)
        found: torch.Tensor = getattr(torch.ops.mkldnn, OPERATION)(input, self.packed, self.bias, "none", [], "")
        return found
