"""Every architecture we name: packed equals one by one, dropout by layer, evaluation untouched."""

import pytest
import torch

from lima.contract.rendered import Rendered, Span
from lima.errors import LimaError
from lima.model import attention
from lima.model.build import recompute_activations
from lima.model.dropout import PLACES, by_layer, set_residual_dropout
from lima.testing import ARCHITECTURES, tiny_model
from lima.train.batching import micro_batch
from lima.train.loss import weighted_loss


def examples():
    """Three renderings of unequal length, with unequal weights"""
    generator = torch.Generator().manual_seed(1)
    made = []
    for length, answer, weight in ((9, 4, 1.0), (40, 20, 0.5), (23, 2, 2.0)):
        ids = torch.randint(1, 400, (length,), generator=generator).tolist()
        weights = [0.0] * (length - answer) + [weight] * answer
        made.append(Rendered(ids, weights, [Span(length - answer, length, "")]))
    return made


def loss_by_padding(model, step):
    """The same sum computed as anyone would: one example a row, the model's own attention"""
    total = 0.0
    for one in step:
        logits = model(input_ids=torch.tensor([one.ids])).logits[0, :-1].float()
        losses = torch.nn.functional.cross_entropy(logits, torch.tensor(one.ids[1:]), reduction="none")
        total = total + (losses * torch.tensor(one.weights[1:])).sum()
    return total


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_packed_loss_and_gradient_equal_one_by_one(architecture):
    step = examples()
    model = tiny_model(architecture, attn_implementation="eager").train()
    set_residual_dropout(model, 0.0)
    expected_loss = loss_by_padding(model, step)
    expected_loss.backward()
    expected = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    attention.register()
    model.set_attn_implementation(attention.NAME)
    loss, _ = weighted_loss(model, micro_batch(step, [2, 0, 1]), "cpu")
    loss.backward()
    assert loss.item() == pytest.approx(expected_loss.item(), rel=1e-4)
    for name, parameter in model.named_parameters():
        if name in expected:
            torch.testing.assert_close(
                parameter.grad, expected[name], rtol=2e-3, atol=2e-4, msg=lambda m, n=name: f"{n}: {m}"
            )


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_dropout_rises_by_layer_and_leaves_evaluation_bit_identical(architecture):
    ids = torch.arange(1, 30)[None]
    model = tiny_model(architecture).eval()
    before = model(input_ids=ids).logits
    assert set_residual_dropout(model, 0.3) == [0.0, 0.15, 0.3]
    assert torch.equal(model(input_ids=ids).logits, before)
    model.train()
    torch.manual_seed(5)
    first = model(input_ids=ids).logits
    torch.manual_seed(5)
    assert torch.equal(model(input_ids=ids).logits, first)
    assert not torch.equal(model(input_ids=ids).logits, before)


def test_no_dropout_is_left_but_the_papers():
    model = tiny_model("gpt2")  # which drops a tenth of its embeddings and of its attention by itself
    set_residual_dropout(model, 0.3)
    found = {n: m.p for n, m in model.named_modules() if isinstance(m, torch.nn.Dropout) and m.p}
    layers = ("transformer.h.1", 0.15), ("transformer.h.2", 0.3)
    assert found == {f"{layer}.{place}": p for layer, p in layers for place in ("attn.resid_dropout", "mlp.dropout")}
    model = tiny_model("llama", attention_dropout=0.1)
    set_residual_dropout(model, 0.0)
    assert [layer.self_attn.attention_dropout for layer in model.model.layers] == [0.0] * 3


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_gradients_equal_with_and_without_gradient_checkpointing(architecture):
    gradients = []
    for checkpointing in (False, True):
        model = tiny_model(architecture).train()
        set_residual_dropout(model, 0.3)
        attention.register()
        model.set_attn_implementation(attention.NAME)
        if checkpointing:
            recompute_activations(model)
        torch.manual_seed(7)
        loss, _ = weighted_loss(model, micro_batch(examples(), [0, 1, 2]), "cpu")
        loss.backward()
        gradients.append({n: p.grad for n, p in model.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        assert torch.equal(gradient, gradients[1][name]), name


def test_the_drop_is_on_each_sub_layers_output_before_the_add():
    """With p = 1 at the last layer, that layer must add nothing to the residual stream"""
    for architecture in sorted(ARCHITECTURES):
        model = (
            tiny_model(architecture, num_hidden_layers=1, n_layer=1)
            if architecture != "gpt2"
            else tiny_model("gpt2", n_layer=1)
        )
        set_residual_dropout(model, 1.0)
        model.train()
        place = PLACES[architecture]
        layer = model.get_submodule(place.layers)[0]
        seen = []
        layer.register_forward_hook(lambda m, i, o, seen=seen: seen.append((i[0], o[0] if isinstance(o, tuple) else o)))
        model(input_ids=torch.arange(1, 9)[None])
        torch.testing.assert_close(seen[0][1], seen[0][0], msg=lambda m, a=architecture: f"{a}: {m}")


def test_p_by_layer_is_the_papers():
    assert by_layer(0.3, 4) == pytest.approx([0.0, 0.1, 0.2, 0.3])
    assert by_layer(0.3, 80)[0] == 0.0
    assert by_layer(0.3, 80)[-1] == 0.3


def test_an_unknown_architecture_is_refused_by_name_unless_dropout_is_zero():
    model = tiny_model("llama")
    model.config.model_type = "lama"
    with pytest.raises(LimaError, match=r"architecture 'lama'.*residual_dropout=0.*Did you mean 'llama'"):
        set_residual_dropout(model, 0.1)
    assert set_residual_dropout(model, 0.0) == []
