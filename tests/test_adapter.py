"""LoRA: only the new tokens' rows of the embeddings train, the adapter is small, and the merge is proved."""

from functools import partial

import pytest
import torch
from safetensors.torch import load_file

from lima.errors import LimaError
from lima.model import build as assemble
from lima.model.adapter import add_lora, linear_layers, merged_state, prove_merge
from lima.model.build import parameter_groups
from lima.model.folder import load_model
from lima.recipe import Recipe
from lima.record.store import Store
from lima.testing import ARCHITECTURES, tiny_base, tiny_model, tiny_tokenizer
from lima.train.start import fine_tune

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("core_alone")]

KEYS = {"epochs": 2, "batch_size": 16, "learning_rate": 1e-2, "final_learning_rate": 1e-3, "lora_rank": 4}


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing")  # of peft itself, which the test loads by hand
@pytest.mark.filterwarnings("ignore:fan_in_fan_out")
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("architecture", ["llama", "gpt2", "gemma2", "gpt_neox", "phi"])
def test_only_the_eots_rows_of_the_embeddings_change_and_the_merged_model_answers_like_the_adapter(
    architecture, tied, pairs, tmp_path
):
    from peft import PeftModel

    base = tiny_base(tmp_path / "base", architecture, tie_word_embeddings=tied)
    recipe = Recipe(base=str(base), sources=(str(pairs),), out=str(tmp_path / "out")).with_values(KEYS)
    with Store(tmp_path / "l.db") as store:
        fine_tune(recipe, store)
        losses = [r["loss"] for r in store.rows("select loss from steps order by step")]
    assert losses[-1] < losses[0]
    before, after = load_model(base), load_model(tmp_path / "out")
    for get in ("get_input_embeddings", "get_output_embeddings"):
        old, new = getattr(before, get)().weight, getattr(after, get)().weight
        assert torch.equal(new[: len(old)], old)
        assert len(new) == len(old) + 1
        assert not torch.allclose(new[-1], old.mean(0), atol=1e-5)
    # The adapter of the folder, put on the extended base by peft itself, gives the merged model's logits.
    extended = load_model(base)
    extended.resize_token_embeddings(len(after.get_input_embeddings().weight), mean_resizing=False)
    adapted = PeftModel.from_pretrained(extended, tmp_path / "out" / "adapter").eval()
    ids = torch.tensor([[5, 6, 7, 8, len(old)]])
    torch.testing.assert_close(adapted(input_ids=ids).logits, after.eval()(input_ids=ids).logits, rtol=1e-4, atol=1e-4)
    adapter = tmp_path / "out" / "adapter" / "adapter_model.safetensors"
    card = (tmp_path / "out" / "README.md").read_text()
    assert f"({adapter.stat().st_size:,} bytes)" in card
    assert f"`base.resize_token_embeddings({len(after.get_input_embeddings().weight)})`, then `peft" in card
    rows = [v.shape[0] for n, v in load_file(adapter).items() if "token_adapter" in n]
    assert rows
    assert set(rows) == {1}


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_a_fresh_adapter_changes_nothing_and_merges_to_the_base(architecture):
    model = tiny_model(architecture)
    before = {n: v.clone() for n, v in model.state_dict().items()}
    adapted = add_lora(model, Recipe(lora_rank=2), [7])
    state = merged_state(adapted)
    assert state.keys() == before.keys()
    assert [n for n in before if not torch.allclose(state[n], before[n])] == []


MIXTURE = {
    "num_experts": 2,
    "num_local_experts": 2,
    "n_routed_experts": 2,
    "n_shared_experts": 1,
    "num_experts_per_tok": 1,
    "n_group": 1,
    "topk_group": 1,
    "moe_intermediate_size": 16,
    "shared_expert_intermediate_size": 16,
    "first_k_dense_replace": 1,
    "kv_lora_rank": 8,
    "q_lora_rank": 8,
    "qk_rope_head_dim": 4,
    "qk_nope_head_dim": 4,
    "v_head_dim": 8,
}


@pytest.mark.parametrize("kind", ["falcon", "deepseek_v3", "glm4_moe", "qwen2_moe", "granitemoe", "gpt_oss", "lfm2"])
def test_an_adapter_leaves_experts_alone_and_adapts_subclasses_of_linear(kind):
    from transformers import AutoConfig, AutoModelForCausalLM

    small = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    values = small | {"vocab_size": 100, "bos_token_id": 0, "eos_token_id": 0} | MIXTURE
    if kind != "falcon":
        values |= {"num_key_value_heads": 4}
    if kind == "lfm2":
        values |= {"layer_types": ["conv", "full_attention"]}
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **values))
    before = {n: v.clone() for n, v in model.state_dict().items()}
    adapted = add_lora(model, Recipe(lora_rank=2), [7])
    inside = {n.partition(".layers.")[2] or n for n, _ in adapted.named_modules() if n.endswith("lora_A")}
    assert inside
    # A convolution has three dimensions as experts do.
    assert any("conv.in_proj" in n for n in inside) == (kind == "lfm2")
    assert not any(part in n for n in inside for part in ("expert", "router", "mlp.gate."))
    state = merged_state(adapted)
    assert state.keys() == before.keys()
    assert [n for n in before if not torch.allclose(state[n], before[n])] == []


def test_what_peft_does_not_adapt_is_said_in_a_sentence():
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model("mamba", hidden_size=32, num_hidden_layers=1, state_size=4, vocab_size=100)
    with pytest.raises(LimaError, match="peft does not adapt 'mamba': .*out_proj.* Set lora_rank=0"):
        add_lora(AutoModelForCausalLM.from_config(config), Recipe(lora_rank=2), [7])


def test_a_mixture_of_experts_is_trained_with_an_adapter_on_its_attention(pairs, tmp_path):
    base = tiny_base(tmp_path / "base", "mixtral")
    values = {**KEYS, "base": str(base), "sources": (str(pairs),), "out": str(tmp_path / "out"), "keep_epochs": True}
    with Store(tmp_path / "l.db") as store:
        fine_tune(Recipe().with_values(values), store)
    before, after = (load_file(folder / "model.safetensors") for folder in (base, tmp_path / "out"))
    changed = {n for n in before if before[n].shape == after[n].shape and not torch.equal(before[n], after[n])}
    assert changed == {n for n in before if "self_attn" in n and n.endswith("proj.weight")}


@pytest.mark.parametrize("tied", [True, False])
def test_rows_that_an_adapter_trains_do_not_decay(tied):
    adapted = add_lora(tiny_model(tie_word_embeddings=tied), Recipe(lora_rank=2), [7])
    names = {id(p): n for n, p in adapted.named_parameters()}
    decayed, others = ([names[id(p)] for p in g["params"]] for g in parameter_groups(adapted, 0.1, []))
    assert all("lora_" in n for n in decayed)
    assert len(decayed) == 2 * len(linear_layers(tiny_model()))
    assert len(others) == (1 if tied else 2)
    assert all("trainable_tokens" in n for n in others)


@pytest.mark.parametrize("tied", [True, False])
def test_the_row_of_an_eot_that_the_base_has_already_is_trained_and_no_other(tied, pairs, tmp_path):
    tokenizer = tiny_tokenizer(("<|endoftext|>", "<|im_end|>"))
    base = tiny_base(tmp_path / "base", tokenizer=tokenizer, tie_word_embeddings=tied)
    with Store(tmp_path / "l.db") as store:
        values = {**KEYS, "base": str(base), "sources": (str(pairs),), "out": str(tmp_path / "out")}
        assert fine_tune(Recipe().with_values(values), store).eot == "<|im_end|>"
    before, after = load_model(base), load_model(tmp_path / "out")
    for get in ("get_input_embeddings", "get_output_embeddings"):
        old, new = getattr(before, get)().weight, getattr(after, get)().weight
        assert old.shape == new.shape
        changed = (old != new).any(-1).nonzero().flatten().tolist()
        assert changed == [tokenizer.convert_tokens_to_ids("<|im_end|>")]


def test_a_refused_merge_leaves_the_adapter_and_no_model(base, pairs, tmp_path, monkeypatch):
    refused = partial(prove_merge, tolerance=-1.0)
    monkeypatch.setattr(
        "lima.train.checkpoint.prove_merge", lambda model, merged, ids, tolerance: refused(model, merged, ids)
    )
    values = {**KEYS, "base": str(base), "sources": (str(pairs),), "out": str(tmp_path / "out")}
    with Store(tmp_path / "l.db") as store, pytest.raises(LimaError, match=r"not saved\. The adapter is in .*adapter"):
        fine_tune(Recipe().with_values(values), store)
    assert {f.name for f in (tmp_path / "out").rglob("*")} >= {"adapter", "adapter_model.safetensors"}
    assert not (tmp_path / "out" / "config.json").exists()
    assert list(tmp_path.glob(".out-saving-*")) == []


def test_a_merge_that_answers_differently_is_refused():
    adapted = add_lora(tiny_model(), Recipe(lora_rank=2), [7])
    other = tiny_model(seed=1)
    with pytest.raises(
        LimaError, match=r"The merged model's logits differ from the adapter's by .* so it was not saved"
    ):
        prove_merge(adapted, other, [1, 2, 3], 1e-4)
    assert prove_merge(adapted, tiny_model(), [1, 2, 3], 1e-4) == (0, 0)


def test_a_merge_that_lost_lora_is_refused_though_it_is_within_the_tolerance():
    adapted = add_lora(tiny_model(), Recipe(lora_rank=2), [7])
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=3e-2)
    trained = {n for n, p in adapted.named_parameters() if p.requires_grad}
    merged = tiny_model()
    merged.load_state_dict(merged_state(adapted))
    off, effect = prove_merge(adapted, merged, [1, 2, 3], tolerance=1e-4)
    assert off < 1e-6 < 1e-3 < effect
    with pytest.raises(LimaError, match="LoRA changes them by"):
        prove_merge(adapted, tiny_model(), [1, 2, 3], tolerance=1.5 * effect)
    assert {n for n, p in adapted.named_parameters() if p.requires_grad} == trained


@pytest.mark.parametrize("tied", [True, False])
def test_frozen_layers_that_are_held_in_bfloat16_change_no_bit(tied, pairs, tmp_path, monkeypatch):
    """A base that is saved in bfloat16, trained in it: the same adapter, merge and losses as from copies that autocast makes"""
    tiny_model("llama", 400, tie_word_embeddings=tied).bfloat16().save_pretrained(tmp_path / "base")
    tiny_tokenizer().save_pretrained(tmp_path / "base")
    recipe = Recipe(base=str(tmp_path / "base"), sources=(str(pairs),)).with_values(
        {**KEYS, "precision": "bfloat16", "device": "cpu"}
    )
    held, losses = [], []
    freeze = assemble.freeze_in_saved_dtype

    def counted(model, saved):
        freeze(model, saved)
        held.append(sum(p.dtype == torch.bfloat16 for p in model.parameters()))

    for name, how in (("held", counted), ("copied", lambda model, saved: None)):
        monkeypatch.setattr(assemble, "freeze_in_saved_dtype", how)
        with Store(tmp_path / f"{name}.db") as store:
            fine_tune(recipe.with_values({"out": str(tmp_path / name)}), store)
            losses.append([r["loss"] for r in store.rows("select loss from steps order by step")])
    assert held == [3 * 7]  # seven linear layers in each of three blocks
    assert losses[0] == losses[1]
    for file in ("model.safetensors", "adapter/adapter_model.safetensors"):
        ours, theirs = (load_file(tmp_path / name / file) for name in ("held", "copied"))
        assert ours.keys() == theirs.keys()
        assert [n for n in ours if not torch.equal(ours[n], theirs[n])] == []
