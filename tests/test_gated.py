"""Gated layers that keep less: the same bits, forward and backward, and less is kept."""

import copy

import pytest
import torch

from lima.model import gated
from lima.model.gated import keep_less
from lima.testing import ARCHITECTURES, tiny_model

pytestmark = pytest.mark.usefixtures("core_alone")

GATED = ("gemma", "gemma2", "llama", "mistral", "olmo2", "qwen2", "qwen3")


def kept(model, ids):
    """(bytes that a forward pass keeps, the loss, its gradients)"""
    seen = {}

    def note(tensor):
        seen[tensor.untyped_storage()._cdata] = tensor.untyped_storage()
        return tensor

    own = {p.untyped_storage()._cdata for p in model.parameters()}
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        loss = model(input_ids=ids, labels=ids, use_cache=False).loss
    size = sum(storage.nbytes() for key, storage in seen.items() if key not in own)
    seen.clear()
    loss.backward()
    return size, loss.detach(), [p.grad for p in model.parameters()]


@pytest.mark.parametrize("bfloat16", [False, True])
@pytest.mark.parametrize("architecture", GATED)
def test_the_bits_are_the_same_and_less_is_kept(architecture, bfloat16):
    model = tiny_model(architecture).train()
    other = copy.deepcopy(model)
    layers = keep_less(other)
    assert layers == model.config.num_hidden_layers
    assert keep_less(other) == 0  # once is enough
    ids = torch.tensor([[5, 9, 2, 7, 11, 3, 8]])
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        before, after = kept(model, ids), kept(copy.deepcopy(other), ids)
    assert torch.equal(before[1], after[1])
    assert all(torch.equal(one, two) for one, two in zip(before[2], after[2], strict=True))
    # The activation's value and the product, of each layer and token.
    wide = layers * ids.numel() * model.config.intermediate_size * (2 if bfloat16 else 4)
    assert before[0] - after[0] >= 2 * wide


def test_what_was_computed_again_is_let_go_although_the_loss_is_still_there(monkeypatch):
    model, made = tiny_model("llama").train(), []
    keep_less(model)
    apply = gated._Product.apply

    def noted(*about):
        product = apply(*about)
        made.append(product.untyped_storage()._weak_ref())
        return product

    monkeypatch.setattr(gated._Product, "apply", noted)
    ids = torch.tensor([[5, 9, 2, 7, 11, 3, 8]])
    loss = model(input_ids=ids, labels=ids).loss
    assert not any(map(torch.UntypedStorage._expired, made))
    loss.backward()
    assert len(made) == model.config.num_hidden_layers
    assert all(map(torch.UntypedStorage._expired, made))


@pytest.mark.parametrize("architecture", sorted(set(ARCHITECTURES) - set(GATED)))
def test_a_layer_that_computes_something_else_is_left_alone(architecture):
    model = tiny_model(architecture)
    before = [type(module) for module in model.modules()]
    gated = keep_less(model)
    changed = [kind for kind, module in zip(before, model.modules(), strict=True) if type(module) is not kind]
    assert len(changed) == gated
    assert all(kind.__name__.endswith("MLP") for kind in changed)


def test_a_frozen_layer_and_one_without_gradient_compute_as_before():
    model = tiny_model("llama")
    expected = model(input_ids=torch.tensor([[1, 2, 3]])).logits
    keep_less(model)
    with torch.no_grad():
        assert torch.equal(model(input_ids=torch.tensor([[1, 2, 3]])).logits, expected)
    model.requires_grad_(False)
    model.get_input_embeddings().weight.requires_grad_()
    found = model(input_ids=torch.tensor([[1, 2, 3]])).logits
    assert torch.equal(found, expected)
    found.sum().backward()
    assert model.get_input_embeddings().weight.grad.isfinite().all()
