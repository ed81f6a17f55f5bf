"""Causal attention of one segment in bfloat16 on a CPU, by products of blocks that its processor multiplies natively.

torch's own attention on a CPU takes as long in bfloat16 as in float32. Here blocks of queries meet the keys before them in
products of matrices, which are twice as fast; nothing above the diagonal is computed but within a block, and only queries, keys
and values are kept for the backward pass, which computes the chances again. Knows nothing of segments, windows or tokens.
"""

from collections.abc import Iterator
from typing import Any

import torch

BLOCK = 64
"Queries that are multiplied at once"


def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float | None) -> torch.Tensor:
    """Causal attention: query (1, heads, n, d), key (1, groups, n, d), value (1, groups, n, e) → (1, n, heads, e) in bfloat16

    `scaling` is 1 / √d unless given."""
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    found: torch.Tensor = _Attention.apply(*(t.to(torch.bfloat16) for t in (query, key, value)), scaling)
    return found


class _Attention(torch.autograd.Function):
    """The queries of the heads that share a key lie one after another, as the rows of one matrix: (groups, rows, d)"""

    @staticmethod
    def forward(ctx: Any, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, scaling: float) -> torch.Tensor:
        ctx.save_for_backward(q, k, v)
        ctx.scaling = scaling
        heads, n = q.shape[1:3]
        found = q.new_empty(1, n, heads, v.shape[-1])
        for own, seen, chances in _blocks(_grouped(q[0] * scaling, k), k[0]):
            made = torch.bmm(chances, v[0, :, seen])
            found[0, own] = made.view(heads, -1, v.shape[-1]).transpose(0, 1)
        return found

    @staticmethod
    def backward(ctx: Any, *given: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        q, k, v = ctx.saved_tensors
        queries, gradient = _grouped(q[0] * ctx.scaling, k), _grouped(given[0][0].transpose(0, 1).to(q.dtype), k)
        by_queries = torch.empty_like(queries)
        # Sums over many blocks, so in float32
        by_keys, by_values = (torch.zeros_like(t[0], dtype=torch.float32) for t in (k, v))
        for own, seen, chances in _blocks(queries, k[0]):
            given_here = _rows(gradient, own)
            by_chances = torch.bmm(given_here, v[0, :, seen].transpose(1, 2))
            by_scores = torch.ops.aten._softmax_backward_data(by_chances, chances, -1, q.dtype)
            by_queries[:, :, own] = torch.bmm(by_scores, k[0, :, seen]).view(*queries.shape[:2], -1, q.shape[-1])
            by_keys[:, seen] += torch.bmm(by_scores.transpose(1, 2), _rows(queries, own))
            by_values[:, seen] += torch.bmm(chances.transpose(1, 2), given_here)
        return (
            by_queries.view_as(q).mul_(ctx.scaling),
            by_keys.to(k.dtype)[None],
            by_values.to(v.dtype)[None],
            None,
        )


def _grouped(rows: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
    """(heads, n, d) → (groups, heads of a group, n, d)"""
    return rows.reshape(key.shape[1], -1, *rows.shape[1:])


def _rows(grouped: torch.Tensor, own: slice) -> torch.Tensor:
    """(groups, heads of a group, n, d) → (groups, rows, d) of these queries"""
    return grouped[:, :, own].flatten(1, 2)


def _blocks(queries: torch.Tensor, keys: torch.Tensor) -> Iterator[tuple[slice, slice, torch.Tensor]]:
    """(its queries, the keys that they see, their chances (groups, rows, keys)) of each block"""
    n = queries.shape[2]
    for start in range(0, n, BLOCK):
        own, seen = slice(start, min(start + BLOCK, n)), slice(0, min(start + BLOCK, n))
        scores = torch.bmm(_rows(queries, own), keys[:, seen].transpose(1, 2))
        size = own.stop - start
        later = torch.ones(size, size, dtype=torch.bool).triu_(1)
        scores.view(-1, size, seen.stop)[:, :, start:].masked_fill_(later, float("-inf"))
        yield own, seen, torch.softmax(scores, -1)
