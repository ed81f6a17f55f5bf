"""Attention over one long row of segments, so that a micro-batch needs no padding and examples never see each other.

Registered with transformers under the name "lima_varlen"; the lengths come with each forward call as `segments`. On CPU one
causal call a bucket of similar lengths; on a GPU the variable-length kernel of torch itself. Knows nothing of tokens.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F

NAME = "lima_varlen"


def register() -> None:
    """Make the name known to transformers; doing it again is harmless"""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface

    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, _no_mask)


def _no_mask(*_: Any, **__: Any) -> None:
    """Segments say who sees whom; there is no mask to build"""


@lru_cache(maxsize=64)
def buckets(segments: tuple[int, ...]) -> list[list[tuple[int, int]]]:
    """The segments as (start, length), grouped so that padding a group to its longest adds at most a quarter of it"""
    starts, at = [], 0
    for n in segments:
        starts.append((at, n))
        at += n
    groups: list[list[tuple[int, int]]] = []
    for start, n in sorted(starts, key=lambda s: (-s[1], s[0])):
        if groups and n >= 0.75 * groups[-1][0][1]:
            groups[-1].append((start, n))
        else:
            groups.append([(start, n)])
    return groups


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    segments: Sequence[int] | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **extra: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention within each segment: query (1, heads, tokens, d) → (1, tokens, heads, d)"""
    if segments is None:
        raise RuntimeError(f"{type(module).__name__} was called without `segments`: its model does not pass them on")
    if extra.get("s_aux") is not None:
        raise RuntimeError(
            f"{type(module).__name__} uses attention sinks, which variable-length attention does not know"
        )
    repeat = query.shape[1] // key.shape[1]
    out = torch.empty_like(query[..., : value.shape[-1]])
    pieces = []
    for group in buckets(tuple(segments)):
        index, valid = _index(tuple(group), query.device)  # (examples, longest)
        q, k, v = (
            t[0].transpose(0, 1)[index].transpose(1, 2) for t in (query, key, value)
        )  # (examples, heads, longest, d)
        window = sliding_window if sliding_window is not None and sliding_window < index.shape[1] else None
        if softcap is not None or window is not None:
            o = _explicit(q, k, v, scaling, dropout, window, softcap, repeat)
        else:
            # Padding stands behind each example, where a causal mask hides it: no mask is needed.
            o = F.scaled_dot_product_attention(
                q, k, v, dropout_p=dropout, is_causal=True, scale=scaling, enable_gqa=repeat > 1
            )
        pieces.append((index[valid], o.transpose(1, 2)[valid]))  # (tokens of the group, heads, d)
    order = torch.cat([i for i, _ in pieces])
    out = torch.cat([o for _, o in pieces])[order.argsort()]
    return out.unsqueeze(0), None


@lru_cache(maxsize=256)
def _index(group: tuple[tuple[int, int], ...], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Where each token of the group stands in the row, (examples, longest), and which of those places are real"""
    longest = group[0][1]
    starts = torch.tensor([s for s, _ in group], device=device)[:, None]
    lengths = torch.tensor([n for _, n in group], device=device)[:, None]
    steps = torch.arange(longest, device=device)[None]
    return starts + steps.clamp(max=lengths - 1), steps < lengths


def _explicit(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    scaling: float | None,
    dropout: float,
    window: int | None,
    softcap: float | None,
    repeat: int,
) -> torch.Tensor:
    """Attention written out, for a sliding window or a soft cap on the logits (Gemma 2)"""
    if repeat > 1:
        k, v = k.repeat_interleave(repeat, 1), v.repeat_interleave(repeat, 1)
    scores = q @ k.transpose(-1, -2) * (scaling if scaling is not None else q.shape[-1] ** -0.5)
    if softcap is not None:
        scores = torch.tanh(scores / softcap) * softcap
    steps = torch.arange(q.shape[-2], device=q.device)
    distance = steps[:, None] - steps[None]
    allowed = distance >= 0 if window is None else (distance >= 0) & (distance < window)
    chances = scores.masked_fill(~allowed, float("-inf")).softmax(-1, dtype=torch.float32).to(q.dtype)
    return F.dropout(chances, dropout) @ v
