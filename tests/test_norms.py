"""RMS norms that keep less: the same bits in float32, forward and backward, and less is kept; in bfloat16 as close as before."""

import copy

import pytest
import torch

from lima.model.norms import keep_less
from lima.testing import ARCHITECTURES, tiny_model
from test_gated import kept

OF_LLAMA = ("llama", "mistral", "qwen2", "qwen3")
IDS = torch.tensor([[5, 9, 2, 7, 11, 3, 8]])


@pytest.mark.parametrize("architecture", OF_LLAMA)
def test_the_bits_are_the_same_and_less_is_kept(architecture):
    model = tiny_model(architecture).train()
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    other = copy.deepcopy(model)
    norms = keep_less(other)
    assert norms >= 2 * model.config.num_hidden_layers + 1
    assert keep_less(other) == 0  # once is enough
    before, after = kept(model, IDS), kept(copy.deepcopy(other), IDS)
    assert torch.equal(before[1], after[1])
    assert all(torch.equal(one, two) for one, two in zip(before[2], after[2], strict=True))
    wide = (2 * model.config.num_hidden_layers + 1) * IDS.numel() * model.config.hidden_size * 4
    assert before[0] - after[0] >= wide


@pytest.mark.parametrize("architecture", OF_LLAMA)
def test_under_bfloat16_they_are_as_close_to_float32_as_before_and_keep_less(architecture):
    model = tiny_model(architecture).train()
    exact = kept(copy.deepcopy(model), IDS)[2]
    other = copy.deepcopy(model)
    keep_less(other)
    with torch.autocast("cpu", torch.bfloat16):
        before, after = kept(model, IDS), kept(other, IDS)

    def off(found):
        return sum((a - b).norm().item() for a, b in zip(found[2], exact, strict=True))

    assert off(after) < 1.5 * off(before)
    assert after[0] < before[0]


@pytest.mark.parametrize("architecture", sorted(set(ARCHITECTURES) - set(OF_LLAMA)))
def test_a_norm_that_computes_something_else_is_left_alone(architecture):
    model = tiny_model(architecture)
    before = [type(module) for module in model.modules()]
    found = keep_less(model)
    changed = [kind for kind, module in zip(before, model.modules(), strict=True) if type(module) is not kind]
    assert len(changed) == found
    assert all(kind.__name__.endswith("RMSNorm") for kind in changed)


@pytest.mark.parametrize("what", ["the weight", "the input"])
def test_frozen_norms_and_inputs_get_no_gradient(what):
    norm = next(m for m in tiny_model("llama").modules() if type(m).__name__ == "LlamaRMSNorm")
    other = copy.deepcopy(norm)
    keep_less(other)
    x = torch.randn(1, 5, norm.weight.numel(), requires_grad=what != "the input")
    for one in (norm, other):
        one.weight.requires_grad_(what != "the weight")
    wanted = [x] if what == "the weight" else [norm.weight]
    theirs = torch.autograd.grad(norm(x).square().sum(), wanted)
    wanted = [x] if what == "the weight" else [other.weight]
    assert torch.equal(theirs[0], torch.autograd.grad(other(x).square().sum(), wanted)[0])
