"""Attention over one long row of segments, so that a micro-batch needs no padding and examples never see each other.

Registered with transformers under the name "lima_varlen"; the lengths come with each forward call as `segments`. One causal
call per segment; on a GPU in half precision torch's own variable-length kernel, if a test on that GPU shows the same results; on
a CPU in bfloat16 lima's own products (`half_attention.py`).
Knows nothing of tokens.
"""

import logging
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import accumulate
from typing import Any

import torch
import torch.nn.functional as F

from lima.errors import LimaError
from lima.model import half_attention
from lima.model.processor import bfloat16_is_native

NAME = "lima_varlen"

ONE_ROW_EACH = "Set micro_batch_tokens=1, which gives each example a row of its own."


def register() -> None:
    """Make the name known to transformers, which then builds no mask for it; may be called again"""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, attend)


class Segments:
    """The lengths of a row's segments, opaque to the compiler: one graph serves all lengths"""

    def __init__(self, lengths: tuple[int, ...]) -> None:
        self.lengths = lengths

    def __iter__(self) -> Iterator[int]:
        return iter(self.lengths)


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    segments: Iterable[int] | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **extra: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention within each segment: query (1, heads, tokens, d) → (1, tokens, heads, d)"""
    # One example, or a model that does not pass the segments on, which lima.train.loss.prove_isolation detects.
    lengths = (query.shape[2],) if segments is None else tuple(segments)
    if extra.get("s_aux") is not None:
        raise LimaError(
            f"{type(module).__name__} uses attention sinks, which attention by segments does not know. {ONE_ROW_EACH}"
        )
    repeat = query.shape[1] // key.shape[1]
    # Rotary embeddings leave float32 under autocast, which the calls below turn into half precision by themselves.
    dtype = torch.get_autocast_dtype("cuda") if torch.is_autocast_enabled("cuda") else query.dtype
    able = query.is_cuda and dtype != torch.float32 and softcap is None and not dropout
    able = able and value.shape[3] == query.shape[3]  # not so where keys and values are compressed (DeepSeek)
    if able and _kernel_is_right(query.device, dtype, query.shape[1], key.shape[1], query.shape[3]):
        q, k, v = (t.to(dtype) for t in (query, key, value))
        return _kernel(q, k, v, scaling, sliding_window, lengths), None
    natively = _natively_half(query, dropout)
    pieces = []
    for q, k, v in zip(*(tensor.split(lengths, 2) for tensor in (query, key, value)), strict=True):  # (1, heads, n, d)
        window = sliding_window if sliding_window is not None and sliding_window < q.shape[2] else None
        if softcap is not None or window is not None:
            pieces.append(_explicit(q, k, v, scaling, dropout, window, softcap, repeat).transpose(1, 2))
        elif natively:
            pieces.append(half_attention.attend(q, k, v, scaling))
        else:
            pieces.append(_causal(q, k, v, scaling, dropout, repeat).transpose(1, 2))
    # One after another in memory as torch's attention on a CPU has them: one alone is not copied.
    return (pieces[0] if len(pieces) == 1 else torch.cat(pieces, 1)).contiguous(), None


def _natively_half(query: torch.Tensor, dropout: float) -> bool:
    """Whether a CPU trains here in bfloat16, which it multiplies by instructions of its own"""
    half = query.dtype == torch.bfloat16 or torch.is_autocast_enabled("cpu")
    return query.device.type == "cpu" and half and torch.is_grad_enabled() and not dropout and bfloat16_is_native()


def _kernel(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    scaling: float | None,
    window: int | None,
    segments: tuple[int, ...],
) -> torch.Tensor:
    """torch's variable-length kernel: (1, heads, tokens, d) → (1, tokens, heads, d), nothing padded, no scores kept"""
    from torch.nn.attention.varlen import varlen_attn

    q, k, v = (t[0].transpose(0, 1).contiguous() for t in (query, key, value))  # (tokens, heads, d) each
    ends = _ends(segments, query.device)
    left = -1 if window is None else window - 1  # how far back a token sees, not counting itself
    found = varlen_attn(
        q,
        k,
        v,
        ends,
        ends,
        max(segments),
        max(segments),
        scale=scaling,
        window_size=(left, 0),
        enable_gqa=query.shape[1] != key.shape[1],
    )
    return found.unsqueeze(0)  # type: ignore[union-attr]


@lru_cache(maxsize=64)
def _ends(segments: tuple[int, ...], device: torch.device) -> torch.Tensor:
    """(segments + 1,) where each one begins, and the end of the last"""
    ends = torch.tensor([0, *accumulate(segments)], dtype=torch.int32)
    # From pinned memory, or the copy would wait until the GPU has done all that is queued.
    return ends.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else ends


@lru_cache
def _kernel_is_right(device: torch.device, dtype: torch.dtype, heads: int, groups: int, width: int) -> bool:
    """Whether the kernel runs here with heads of this shape, forward and backward, and agrees with attention by segments

    Tested by running it: which cards, widths and versions it supports is not documented anywhere."""
    segments = (37, 5, 64)
    draw = torch.Generator(device).manual_seed(0)
    shapes = [(1, n, sum(segments), width) for n in (heads, groups, groups)]
    q, k, v = (torch.randn(s, generator=draw, device=device).to(dtype).requires_grad_() for s in shapes)
    try:
        with torch.enable_grad(), torch.autocast(device.type, enabled=False):
            ours = _kernel(q, k, v, None, None, segments)
            # In float32 `attend` goes segment by segment, which needs no kernel.
            exact, _ = attend(torch.nn.Identity(), q.float(), k.float(), v.float(), None, segments=segments)
            pairs = [(ours, exact)]
            pairs += zip(
                torch.autograd.grad(ours.sum(), (q, k, v)), torch.autograd.grad(exact.sum(), (q, k, v)), strict=True
            )
        worst = max((a.float() - b.float()).abs().max().item() / b.float().abs().max().item() for a, b in pairs)
        reason = "" if worst < 0.05 else f"its results differ by {worst:.2g}"
    except (RuntimeError, ImportError, TypeError, ValueError) as e:
        reason = str(e).splitlines()[0] if str(e) else type(e).__name__
    if reason:
        logging.getLogger("lima").warning("torch's variable-length attention is not used on this machine: %s.", reason)
    return not reason


def _causal(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, scaling: float | None, dropout: float, repeat: int
) -> torch.Tensor:
    """Causal attention of one segment"""
    if q.device.type == "meta":
        # On the meta device torch would take the path that keeps all scores; no real device does, and plans count what is kept.
        if repeat > 1:
            k, v = k.repeat_interleave(repeat, 1), v.repeat_interleave(repeat, 1)
        flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
        return flash(q, k, v, dropout, True, scale=scaling)[0]
    return F.scaled_dot_product_attention(
        q, k, v, dropout_p=dropout, is_causal=True, scale=scaling, enable_gqa=repeat > 1
    )


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
