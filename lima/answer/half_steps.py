"""Attention of one new token a row in bfloat16 on a CPU, where torch's own takes several times as long as products of matrices.

Registered with transformers under the name "half_steps"; whatever is not such a step goes the way of "sdpa". Knows nothing
of caches, nor of how tokens are drawn.
"""

from typing import Any

import torch

NAME = "half_steps"


def use(model: Any) -> bool:
    """Let a model that attends by "sdpa" take its steps so, for good; whether it does"""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    if model.config._attn_implementation != "sdpa":
        return False
    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    model.set_attn_implementation(NAME)
    return True


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **about: Any,
) -> tuple[torch.Tensor, None]:
    """query (rows, heads, tokens, d), keys and values (rows, groups, columns, d) → (rows, tokens, heads, d)"""
    alone = query.shape[2] == 1 and query.dtype == torch.bfloat16 and not dropout and not torch.is_grad_enabled()
    if alone and about.get("position_bias") is None:
        return _step(query, key, value, attention_mask, scaling), None
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    found, _ = sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, **about)
    return found, None


def _step(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None, scaling: float | None
) -> torch.Tensor:
    rows, heads, _, width = query.shape
    groups, columns = key.shape[1:3]
    # In float32: a product of so few rows would copy keys and values anyway, so this is more exact and costs nothing.
    # The heads that share a key are the rows of one matrix.
    asked = (query.float() * (width**-0.5 if scaling is None else scaling)).view(rows * groups, heads // groups, width)
    scores = torch.bmm(asked, _float(key).transpose(1, 2)).view(rows, heads, 1, columns)
    if mask is not None:
        mask = mask[..., :columns]
        scores = scores.masked_fill_(~mask, float("-inf")) if mask.dtype == torch.bool else scores + mask
    chances = torch.softmax(scores, -1).view(rows * groups, -1, columns)
    return torch.bmm(chances, _float(value)).view(rows, 1, heads, -1).to(query.dtype)


def _float(cached: torch.Tensor) -> torch.Tensor:
    """(rows, groups, columns, d) → (rows * groups, columns, d) in float32"""
    return cached.float().flatten(0, 1)
