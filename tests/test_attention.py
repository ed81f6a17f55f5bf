"""Attention by segments: one call a segment against the definition, and how torch's variable-length kernel is asked.

The kernel runs on a GPU only. Here a function that does what its documentation says stands in its place, so that what is
handed over (ends, window, heads, scale) is tested on any machine.
"""

import pytest
import torch
import torch.nn.attention.varlen

from lima.model import attention

SEGMENTS = (7, 1, 12, 5)


def drawn(heads=4, groups=2, width=8):
    draw = torch.Generator().manual_seed(3)
    return [torch.randn(1, n, sum(SEGMENTS), width, generator=draw) for n in (heads, groups, groups)]


def by_definition(q, k, v, scale, window):
    """Token by token: (1, tokens, heads, d)"""
    k, v = (t.repeat_interleave(q.shape[1] // t.shape[1], 1) for t in (k, v))
    found, start = torch.zeros_like(q), 0
    for length in SEGMENTS:
        for i in range(start, start + length):
            first = max(start, i - (window or length) + 1)
            scores = q[0, :, i : i + 1] @ k[0, :, first : i + 1].transpose(1, 2) * scale
            found[0, :, i] = (scores.softmax(-1) @ v[0, :, first : i + 1])[:, 0]
        start += length
    return found.transpose(1, 2)


def documented(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, *, scale, window_size, enable_gqa):
    """What `varlen_attn` says of itself, slowly: (tokens, heads, d)"""
    assert cu_seq_q.dtype == cu_seq_k.dtype == torch.int32
    assert enable_gqa == (query.shape[1] != key.shape[1])
    key, value = (t.repeat_interleave(query.shape[1] // t.shape[1], 1) for t in (key, value))
    left, right = window_size
    found = torch.zeros_like(query)
    for start, stop in zip(cu_seq_q[:-1].tolist(), cu_seq_q[1:].tolist(), strict=True):
        assert stop - start <= max_q == max_k
        places = torch.arange(stop - start)
        distance = places[:, None] - places[None]
        seen = (distance >= -right) & ((distance <= left) if left >= 0 else True)
        q, k, v = (t[start:stop].transpose(0, 1) for t in (query, key, value))
        scores = (q @ k.transpose(1, 2) * scale).masked_fill(~seen, float("-inf"))
        found[start:stop] = (scores.softmax(-1) @ v).transpose(0, 1)
    return found


@pytest.mark.parametrize("window", [None, 3, 100])
@pytest.mark.parametrize(("heads", "groups"), [(4, 4), (4, 2)])
def test_segments_give_what_the_definition_says(window, heads, groups):
    q, k, v = drawn(heads, groups)
    found, _ = attention.attend(None, q, k, v, None, 0.3, segments=SEGMENTS, sliding_window=window)
    assert torch.allclose(found, by_definition(q, k, v, 0.3, window), atol=1e-5)


@pytest.mark.parametrize("window", [None, 3])
@pytest.mark.parametrize(("heads", "groups"), [(4, 4), (4, 2)])
def test_the_kernel_is_asked_for_the_same(window, heads, groups, monkeypatch):
    monkeypatch.setattr(torch.nn.attention.varlen, "varlen_attn", documented)
    q, k, v = drawn(heads, groups)
    found = attention._kernel(q, k, v, 0.3, window, SEGMENTS)
    assert torch.allclose(found, by_definition(q, k, v, 0.3, window), atol=1e-5)


def test_a_kernel_that_does_not_run_or_errs_is_not_used(monkeypatch, caplog):
    shape = (torch.device("cpu"), torch.bfloat16, 4, 2, 8)
    attention._kernel_is_right.cache_clear()
    assert not attention._kernel_is_right(*shape)  # no such kernel on the CPU
    assert "variable-length attention is not used on this machine" in caplog.text

    def scaled(*inputs, scale, **options):
        return documented(*inputs, scale=inputs[0].shape[-1] ** -0.5 if scale is None else scale, **options)

    monkeypatch.setattr(torch.nn.attention.varlen, "varlen_attn", scaled)
    attention._kernel_is_right.cache_clear()
    assert attention._kernel_is_right(*shape)
    wrong = lambda *inputs, **options: scaled(*inputs, **options | {"window_size": (-1, 1)})  # noqa: E731
    monkeypatch.setattr(torch.nn.attention.varlen, "varlen_attn", wrong)
    attention._kernel_is_right.cache_clear()
    assert not attention._kernel_is_right(*shape)
    assert "its results differ" in caplog.text
    attention._kernel_is_right.cache_clear()
