"""Attention in bfloat16 on a CPU: as close to float64 as torch's own, forward and backward, and only where it serves."""

import pytest
import torch
import torch.nn.functional as F

from lima.model import attention, half_attention

pytestmark = pytest.mark.usefixtures("core_alone")


def drawn(heads, groups, tokens, width):
    draw = torch.Generator().manual_seed(tokens)
    shapes = [(1, n, tokens, width) for n in (heads, groups, groups)]
    return [torch.randn(shape, generator=draw).bfloat16() for shape in shapes]


def all_of(attend, tensors, dtype, given):
    """The output (1, tokens, heads, d) and the gradients, in float64"""
    inputs = [t.to(dtype).requires_grad_() for t in tensors]
    found = attend(*inputs)
    return [t.double() for t in (found, *torch.autograd.grad(found, inputs, given.to(found.dtype).expand_as(found)))]


SHAPES = [
    (heads, groups, tokens, width, scaling)
    for heads, groups, width in ((1, 1, 8), (4, 4, 64), (9, 3, 64), (8, 1, 32))
    for tokens in (1, 2, 63, 64, 65, 200)
    for scaling in (None, 0.3)
]


def test_it_is_as_close_to_float64_as_torchs_own():
    for heads, groups, tokens, width, scaling in SHAPES:
        compared(heads, groups, tokens, width, scaling)


def compared(heads, groups, tokens, width, scaling):
    tensors = drawn(heads, groups, tokens, width)
    given = torch.randn(1, tokens, heads, width, generator=torch.Generator().manual_seed(1)).bfloat16()

    def torchs(q, k, v):
        made = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=scaling, enable_gqa=True)
        return made.transpose(1, 2)

    exact = all_of(torchs, tensors, torch.float64, given)
    theirs = all_of(torchs, tensors, torch.bfloat16, given)
    ours = all_of(lambda *about: half_attention.attend(*about, scaling), tensors, torch.bfloat16, given)
    for one, two, right in zip(ours, theirs, exact, strict=True):
        assert (one - right).norm() <= 2 * (two - right).norm() + 0.004 * right.norm()


def test_values_may_be_narrower_than_keys():
    query, key, value = drawn(4, 2, 70, 16)
    found = all_of(
        lambda *about: half_attention.attend(*about, None), (query, key, value[..., :6]), torch.bfloat16, torch.ones(6)
    )
    whole = all_of(
        lambda *about: half_attention.attend(*about, None)[..., :6], (query, key, value), torch.bfloat16, torch.ones(6)
    )
    assert torch.equal(found[0], whole[0])
    torch.testing.assert_close(found[1:3], whole[1:3], rtol=0.02, atol=0.02)


def test_a_later_token_changes_nothing_before_it():
    tensors = drawn(4, 2, 130, 16)
    changed = [t.clone() for t in tensors]
    for tensor in changed:
        tensor[:, :, 100:] = 7.0
    found = [half_attention.attend(*some, None) for some in (tensors, changed)]
    assert torch.equal(found[0][:, :100], found[1][:, :100])
    assert not torch.equal(found[0][:, 100:], found[1][:, 100:])


@pytest.mark.parametrize(
    ("native", "dtype", "about", "serves"),
    [
        (True, torch.bfloat16, {}, True),
        (False, torch.bfloat16, {}, False),
        (True, torch.float32, {}, False),
        (True, torch.bfloat16, {"dropout": 0.1}, False),
        (True, torch.bfloat16, {"sliding_window": 8}, False),
        (True, torch.bfloat16, {"softcap": 20.0}, False),
    ],
)
def test_it_serves_training_in_bfloat16_where_the_processor_has_it(monkeypatch, native, dtype, about, serves):
    calls, own = [], half_attention.attend
    monkeypatch.setattr(attention, "bfloat16_is_native", lambda: native)
    monkeypatch.setattr(half_attention, "attend", lambda *given: calls.append(1) or own(*given))
    q, k, v = (t.to(dtype).requires_grad_() for t in drawn(4, 2, 30, 16))
    found, _ = attention.attend(torch.nn.Identity(), q, k, v, None, segments=(10, 20), **about)
    assert found.shape == (1, 30, 4, 16)
    assert len(calls) == 2 * serves
    with torch.no_grad():
        attention.attend(torch.nn.Identity(), q, k, v, None, segments=(10, 20), **about)
    assert len(calls) == 2 * serves  # answers are not changed by how training is made faster
