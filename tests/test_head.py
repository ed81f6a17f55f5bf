"""The LM head in chunks: loss, gradient and hits of all positions at once, whatever an architecture does to its logits."""

import types

import pytest
import torch

from lima.contract.rendered import Rendered
from lima.model import attention
from lima.model.adapter import add_lora
from lima.model.build import recompute_activations
from lima.recipe import Recipe
from lima.testing import ARCHITECTURES, tiny_model
from lima.train import head
from lima.train.batching import micro_batch
from lima.train.loss import score_chunk, weighted_loss

# Beyond those that have residual dropout: what is done to the logits or around the decoder differs.
MORE = {
    "cohere": {"logit_scale": 0.25},
    "granite": {"logits_scaling": 4.0},
    "opt": {"ffn_dim": 48, "word_embed_proj_dim": 32},
    "bloom": {"n_layer": 2, "n_head": 4},
}


def model_of(architecture, **values):
    if architecture in ARCHITECTURES:
        return tiny_model(architecture, **values).train()
    from transformers import AutoConfig, AutoModelForCausalLM

    small = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    torch.manual_seed(0)
    config = AutoConfig.for_model(architecture, vocab_size=400, **small, pad_token_id=0, **MORE[architecture], **values)
    return AutoModelForCausalLM.from_config(config).train()


def batch(members=(0, 1, 2)):
    """Up to 58 trained tokens of unequal weights"""
    draw = torch.Generator().manual_seed(1)
    made = []
    for length, answer, weight in ((19, 14, 1.0), (40, 33, 0.5), (23, 11, 2.0)):
        ids = torch.randint(1, 400, (length,), generator=draw).tolist()
        made.append(Rendered(ids, [0.0] * (length - answer) + [weight] * answer, []))
    return micro_batch(made, members)


def limit_to(monkeypatch, positions, vocabulary=400):
    monkeypatch.setitem(head.CHUNK_BYTES, "cpu", positions * vocabulary * 4)
    monkeypatch.setattr(head, "CHUNK_ROWS", 1)


def found(model, given, autocast=False):
    """(loss, hits, gradient by name, rows that went through the head at once)"""
    rows = []
    hook = model.get_output_embeddings().register_forward_hook(lambda m, i, o: rows.append(o.shape[1]))
    model.zero_grad()
    torch.manual_seed(3)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        loss, right = weighted_loss(model, given, "cpu")
    loss.backward()
    hook.remove()
    gradient = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    return loss.item(), right.item(), gradient, rows


def assert_equal(one, other, tolerance=1e-5):
    assert other[0] == pytest.approx(one[0], rel=tolerance)
    assert other[1] == one[1]
    assert other[2].keys() == one[2].keys()
    # A bias of keys, which moves all scores alike, has a gradient of rounding errors alone.
    least = max(gradient.abs().max().item() for gradient in one[2].values()) * 1e-4
    for name, gradient in one[2].items():
        scale = max(gradient.abs().max().item(), least)
        torch.testing.assert_close(
            other[2][name], gradient, rtol=0, atol=tolerance * scale, msg=lambda m, n=name: f"{n}: {m}"
        )


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("architecture", sorted([*ARCHITECTURES, *MORE]))
def test_chunks_give_the_loss_and_gradient_of_all_at_once(architecture, tied, monkeypatch):
    model = model_of(architecture, tie_word_embeddings=tied)
    given = batch()
    if architecture in ARCHITECTURES:
        attention.register()
        model.set_attn_implementation(attention.NAME)
    else:
        given = batch([1])
    with monkeypatch.context() as plainly:
        plainly.setattr("lima.train.head.can_chunk", lambda *_: False)
        whole = found(model, given)
    assert whole[3] == [len(given.predict)]
    assert_equal(whole, found(model, given))
    limit_to(monkeypatch, 10)
    chunked = found(model, given)
    once = chunked[3][-((len(given.predict) + 9) // 10) :]
    assert (sum(once), max(once) <= 10) == (len(given.predict), True)  # no position goes through it twice
    assert_equal(whole, chunked)


@pytest.mark.parametrize("kind", ["lora", "checkpointed", "bfloat16", "softcap"])
@pytest.mark.parametrize("tied", [True, False])
def test_chunks_and_whatever_else_is_there(kind, tied, monkeypatch):
    """The new tokens' rows of a LoRA head, recomputed layers, autocast, a cap that bites"""
    more = {"final_logit_softcapping": 0.1} if kind == "softcap" else {}
    model = tiny_model("gemma2" if kind == "softcap" else "llama", tie_word_embeddings=tied, **more).train()
    attention.register()
    model.set_attn_implementation(attention.NAME)
    if kind == "checkpointed":
        recompute_activations(model)
    if kind == "lora":
        model = add_lora(model, Recipe(lora_rank=2), [7]).train()
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter.normal_(0, 0.1)
    with monkeypatch.context() as plainly:
        plainly.setattr("lima.train.head.can_chunk", lambda *_: False)
        whole = found(model, batch(), kind == "bfloat16")
    limit_to(monkeypatch, 10)
    assert_equal(whole, found(model, batch(), kind == "bfloat16"), 0.02 if kind == "bfloat16" else 1e-5)
    if kind == "lora":
        assert any("token_adapter" in name for name in whole[2])


def test_without_gradients_chunks_are_the_same_too(monkeypatch):
    model = tiny_model().eval()
    with torch.inference_mode():
        whole = weighted_loss(model, batch([1]), "cpu")
        limit_to(monkeypatch, 10)
        parts = weighted_loss(model, batch([1]), "cpu")
    assert parts[0].item() == pytest.approx(whole[0].item(), rel=1e-5)
    assert parts[1] == whole[1]


def test_a_model_whose_logits_change_with_the_decoder_standing_still_goes_all_at_once(monkeypatch, caplog):
    limit_to(monkeypatch, 10)
    odd = tiny_model().train()
    plain = odd.forward
    calls = []

    def forward(self, **inputs):
        calls.append(1)
        found = plain(**inputs)
        found.logits = found.logits * len(calls)  # depends on more than the hidden states
        return found

    odd.forward = types.MethodType(forward, odd)
    assert not head.can_chunk(odd, "cpu")
    assert "over all positions at once: AssertionError: Tensor-likes are not close" in caplog.text
    calls[:] = []
    loss, _ = weighted_loss(odd, batch([1]), "cpu")
    assert len(calls) == 1
    loss.backward()
    none = tiny_model().train()
    none.get_decoder = lambda: torch.nn.Identity()
    assert not head.can_chunk(none, "cpu")
    assert "ran its Identity 0 times" in caplog.text


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("positions", "vocabulary"), [(1, 5), (7, 300), (64, 50_001)])
def test_the_loss_of_a_chunk_is_bit_for_bit_that_of_torch(positions, vocabulary, dtype):
    draw = torch.Generator().manual_seed(positions)
    logits = (3 * torch.randn(positions, vocabulary, generator=draw)).to(dtype)
    targets = torch.randint(0, vocabulary, (positions,), generator=draw)
    weights = torch.rand(positions, generator=draw)
    weights[0] = 0
    ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    loss, right = score_chunk(ours, targets, weights)
    expected = (torch.nn.functional.cross_entropy(theirs.float(), targets, reduction="none") * weights).sum()
    (2 * loss).backward()
    (2 * expected).backward()
    assert torch.equal(loss, expected)
    assert torch.equal(ours.grad, theirs.grad)
    assert right == (theirs.argmax(-1) == targets).sum()
