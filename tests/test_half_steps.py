"""Steps of one token in bfloat16 on a CPU: as close to float64 as torch's own attention, whatever the mask, and only there."""

import pytest
import torch
import torch.nn.functional as F

from lima import CheckpointModel, Sampling
from lima.answer import half_steps
from lima.model import processor
from lima.testing import tiny_base

pytestmark = pytest.mark.usefixtures("core_alone")


def drawn(rows, heads, groups, columns, width):
    draw = torch.Generator().manual_seed(columns)
    query = torch.randn(rows, heads, 1, width, generator=draw).bfloat16()
    # In a cache that has room for more columns
    key, value = (torch.randn(rows, groups, columns + 9, width, generator=draw).bfloat16() for _ in "kv")
    return query, key[:, :, :columns], value[:, :, :columns]


def masks(rows, columns):
    """None, and left padding of each row's own length as booleans and as numbers"""
    starts = torch.arange(rows)[:, None] % columns
    real = (torch.arange(columns) >= starts)[:, None, None]
    worst = torch.finfo(torch.bfloat16).min
    return None, real, torch.zeros(real.shape).masked_fill_(~real, worst).bfloat16()


@pytest.mark.parametrize("scaling", [None, 0.4])
@pytest.mark.parametrize(("heads", "groups"), [(4, 4), (9, 3), (8, 1)])
def test_a_step_is_as_close_to_float64_as_torchs_own(heads, groups, scaling):
    for columns in (1, 7, 64, 130):
        tensors = drawn(5, heads, groups, columns, 16)
        for mask in masks(5, columns):
            exact_mask = mask.double() if mask is not None and mask.dtype != torch.bool else mask
            exact, theirs = (
                F.scaled_dot_product_attention(
                    *(t.to(dtype) for t in tensors), attn_mask=m, scale=scaling, enable_gqa=True
                ).transpose(1, 2)
                for dtype, m in ((torch.float64, exact_mask), (torch.bfloat16, mask))
            )
            with torch.no_grad():
                ours, _ = half_steps.attend(torch.nn.Identity(), *tensors, mask, scaling=scaling)
            assert ours.shape == exact.shape
            assert (ours - exact).norm() <= (theirs - exact).norm() + 0.002 * exact.norm()


def test_whatever_is_no_such_step_goes_as_before(monkeypatch):
    monkeypatch.setattr(half_steps, "_step", lambda *about: pytest.fail("taken for a step"))
    module = torch.nn.Identity()
    module.is_causal = True
    module.num_key_value_groups = 2
    query, key, value = (torch.randn(2, n, 6, 16) for n in (4, 2, 2))
    with torch.no_grad():
        found, _ = half_steps.attend(module, *(t.bfloat16() for t in (query, key, value)), None)  # a prompt
        assert found.shape == (2, 6, 4, 16)
        half_steps.attend(module, query[:, :, :1], key, value, None)  # float32
    half_steps.attend(module, query[:, :, :1].bfloat16(), key.bfloat16(), value.bfloat16(), None)  # with a gradient


@pytest.mark.parametrize("native", [True, False])
def test_a_checkpoint_in_bfloat16_answers_by_steps_where_the_processor_has_it(monkeypatch, tmp_path, native):
    monkeypatch.setattr(processor, "bfloat16_is_native", lambda: native)
    folder = tiny_base(tmp_path / "base", hidden_size=64, num_key_value_heads=2)
    taken, step = [], half_steps._step
    monkeypatch.setattr(half_steps, "_step", lambda *about: taken.append(1) or step(*about))
    prompts = [[5, 9, 2], [7, 7, 1, 3, 8, 2, 2], [4]]
    settings = Sampling(temperature=0, max_new_tokens=12)
    model = CheckpointModel(folder, device="cpu", precision="bfloat16")
    together = [reply.ids[0] for reply in model.reply(prompts, settings, 0)]  # later ones may round otherwise
    assert bool(taken) == native
    alone = CheckpointModel(folder, device="cpu", precision="bfloat16", prefix_cache_bytes=0)
    assert together == [alone.reply([prompt], settings, 0)[0].ids[0] for prompt in prompts]
    taken.clear()
    CheckpointModel(folder, device="cpu").reply(prompts, settings, 0)
    assert not taken  # float32 answers as it did
