"""Bases as people publish them: odd generation settings, padding, tokens, positions; each trains right or is refused at once."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, safe_open, save_file

from lima.answer.checkpoint_model import open_checkpoint
from lima.contract.answers import Sampling
from lima.data.dataset import prepare
from lima.errors import LimaError
from lima.model.build import build, freeze_unread
from lima.model.eot import extend_tokenizer
from lima.model.folder import load_model, saved_dtype
from lima.plugins import load_plugins
from lima.recipe import Recipe
from lima.testing import tiny_base, tiny_model, tiny_tokenizer
from lima.train.plan import plan
from lima.train.start import fine_tune

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("core_alone")]

FAST = {"epochs": 1, "batch_size": 20, "learning_rate": 1e-2, "final_learning_rate": 1e-2, "residual_dropout": 0.0}


def recipe(base, pairs, out, **changes):
    return Recipe(base=str(base), sources=(str(pairs),), out=str(out)).with_values(FAST | changes)


def changed(base, folder, file, **values):
    """A copy of a base with other values in one of its JSON files"""
    shutil.copytree(base, folder)
    path = folder / file
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    return folder


@pytest.mark.filterwarnings("ignore:.*generation")
@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({"top_k": 20}, {"top_k": 20, "do_sample": True}),
        ({"temperature": 0.6, "top_p": 0.9}, {"temperature": 0.6, "top_p": 0.9, "do_sample": True}),
        ({"early_stopping": True, "num_beams": 1}, {"early_stopping": None, "do_sample": None}),
        ({"pad_token_id": -1}, {"pad_token_id": 0}),
    ],
    ids=str,
)
def test_a_generation_config_that_transformers_would_not_save_is_mended_before_the_training(
    settings, kept, base, pairs, tmp_path, store
):
    odd = changed(base, tmp_path / "odd", "generation_config.json", **settings)
    run = fine_tune(recipe(odd, pairs, tmp_path / "out"), store)
    saved = json.loads((run.folder / "generation_config.json").read_text())
    assert {key: saved.get(key) for key in kept} == kept
    assert len(saved["eos_token_id"]) == 2


@pytest.mark.parametrize("changes", [{}, {"lora_rank": 2}, {"freeze": "embeddings"}], ids=str)
@pytest.mark.parametrize("tied", [True, False])
def test_an_eot_that_the_base_pads_with_learns_all_the_same(tied, changes, pairs, tmp_path, store):
    tokenizer = tiny_tokenizer(("<|endoftext|>", "<|im_end|>"))
    base = tiny_base(tmp_path / "base", tokenizer=tokenizer, pad_token_id=1, tie_word_embeddings=tied)
    assert load_model(base).get_input_embeddings().padding_idx == 1
    run = fine_tune(recipe(base, pairs, tmp_path / "out", **changes), store)
    before, after = (load_model(f).get_input_embeddings().weight for f in (base, run.folder))
    assert (before != after)[1].any()


def test_examples_longer_than_a_table_of_positions_are_named_before_the_first_step(pairs, tmp_path, store):
    base = tiny_base(tmp_path / "base", "gpt2", n_positions=64)
    long = tmp_path / "long.jsonl"
    long.write_text(json.dumps({"prompt": "Why?", "response": "The dog. " * 40, "id": "long"}))
    for changes in ({"sources": [str(long)]}, {"dev": [str(long)], "keep_epochs": True}):
        asked = recipe(base, pairs, tmp_path / "out", **changes)
        message = (
            r"'long' of source 'long.jsonl' has \d+ tokens, and the base model has only 64 positions. Set max_tokens=64"
        )
        with pytest.raises(LimaError, match=message):
            fine_tune(asked, store)
        with pytest.raises(LimaError, match=message):
            plan(asked, prepare(asked, load_plugins()), bfloat16=False)
        cut = fine_tune(
            asked.with_values({"max_tokens": 64, "trim": True, "out": str(tmp_path / f"cut{len(changes)}")}), store
        )
        assert (cut.folder / "config.json").is_file()
    assert store.rows("select count(*) as n from steps")[0]["n"] > 0


def test_positions_that_are_computed_may_be_exceeded_and_that_is_said(pairs, tmp_path, store, caplog):
    base = tiny_base(tmp_path / "base", max_position_embeddings=16)
    fine_tune(recipe(base, pairs, tmp_path / "out"), store)
    assert [
        m for m in caplog.messages if "was made for 16: training works, but beyond the lengths that it has seen" in m
    ]


def test_a_token_added_beyond_the_embedding_is_no_reason_to_refuse_a_base(pairs, tmp_path, store):
    tokenizer = tiny_tokenizer(("<|endoftext|>", "<end_of_turn>"))
    tiny_model("gemma3_text", len(tokenizer)).save_pretrained(tmp_path / "base")
    rows = len(tokenizer)
    tokenizer.add_tokens(["<image>"])
    tokenizer.save_pretrained(tmp_path / "base")
    run = fine_tune(recipe(tmp_path / "base", pairs, tmp_path / "out", residual_dropout=0.3), store)
    assert load_model(run.folder).get_input_embeddings().weight.shape[0] == rows
    named = tmp_path / "named.jsonl"
    named.write_text(json.dumps({"prompt": "Look: <image>", "response": "I see.", "id": "look"}))
    with pytest.raises(
        LimaError, match=rf"'look' .* has '<image>', and the base model's embedding of {rows} rows has none"
    ):
        fine_tune(recipe(tmp_path / "base", named, tmp_path / "other"), store)


@pytest.mark.parametrize("rank", [0, 2])
def test_a_language_model_that_also_sees_is_trained_on_text(rank, seeing, pairs, tmp_path, store):
    asked = recipe(seeing, pairs, tmp_path / "out", residual_dropout=0.3, lora_rank=rank, epochs=2)
    ready = prepare(asked, load_plugins())
    model = build(asked, ready.base, ready.additions).model
    trained = [name for name, p in model.named_parameters() if p.requires_grad]
    assert [name for name in trained if "vision" in name or "multi_modal" in name] == []
    total = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert plan(asked, ready, bfloat16=False).trained_parameters == total > 0
    run = fine_tune(asked, store)
    first, *_, last = [row["loss"] for row in store.rows("select loss from steps order by step")]
    assert last < first
    for file in ("preprocessor_config.json", "processor_config.json"):
        assert (run.folder / file).read_bytes() == (seeing / file).read_bytes()
    before, after = (load_model(folder).state_dict() for folder in (seeing, run.folder))
    assert [name for name in before if "vision" in name and not torch.equal(before[name], after[name])] == []
    answering = open_checkpoint(run.id, store)
    (reply,) = answering.reply(["What is 3?"], Sampling(temperature=0, max_new_tokens=3), 1)
    assert reply.ids
    assert answering.context == 512  # the language model's


def test_only_what_stands_beside_a_decoder_is_frozen():
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = AutoConfig.for_model("modernbert-decoder", vocab_size=64, **sizes, pad_token_id=0, eos_token_id=1)
    with torch.device("meta"):
        models = [AutoModelForCausalLM.from_config(config), tiny_model("llama")]
    for model in models:
        freeze_unread(model)
        assert all(p.requires_grad for p in model.parameters())


def test_a_new_eot_behind_rowless_tokens_begins_at_the_mean_of_the_old_rows(pairs, tmp_path, store):
    tokenizer = tiny_tokenizer()
    tiny_model("llama", len(tokenizer)).save_pretrained(tmp_path / "base")
    mean = load_model(tmp_path / "base").get_input_embeddings().weight.mean(0)
    tokenizer.add_tokens(["<image>"])
    tokenizer.save_pretrained(tmp_path / "base")
    still = recipe(tmp_path / "base", pairs, tmp_path / "out", learning_rate=1e-12, final_learning_rate=1e-12)
    run = fine_tune(still, store)
    torch.testing.assert_close(load_model(run.folder).get_input_embeddings().weight[-1], mean)


def test_a_turn_token_that_the_tokenizer_has_as_an_ordinary_one_becomes_special(tmp_path):
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens(["<|im_end|>"])  # as axolotl adds tokens
    assert extend_tokenizer(tokenizer, ["<|im_end|>"]) == []
    tokenizer.save_pretrained(tmp_path)
    added = json.loads((tmp_path / "tokenizer.json").read_text())["added_tokens"]
    assert [t["special"] for t in added if t["content"] == "<|im_end|>"] == [True]


@pytest.mark.parametrize(
    ("file", "values", "message"),
    [
        (
            "config.json",
            {"quantization_config": {"quant_method": "gptq", "bits": 4}},
            r"The base model is quantized \(gptq\)",
        ),
        (
            "config.json",
            {"num_hidden_layers": "three"},
            r"config.json does not load: StrictDataclassFieldValidationError",
        ),
        ("config.json", {"hidden_act": "nope"}, r"does not load: KeyError: 'nope'"),
    ],
    ids=str,
)
def test_what_does_not_load_is_a_sentence(file, values, message, base, pairs, tmp_path, store):
    with pytest.raises(LimaError, match=message):
        fine_tune(recipe(changed(base, tmp_path / "odd", file, **values), pairs, tmp_path / "out"), store)


def test_weights_stay_in_their_dtype_where_the_config_does_not_name_one(base, pairs, tmp_path, store):
    shutil.copytree(base, tmp_path / "half")
    file = tmp_path / "half" / "model.safetensors"
    save_file({k: v.to(torch.bfloat16) for k, v in load_file(file).items()}, file, {"format": "pt"})
    config = json.loads((tmp_path / "half" / "config.json").read_text())
    config.pop("dtype", config.pop("torch_dtype", None))
    (tmp_path / "half" / "config.json").write_text(json.dumps(config))
    assert saved_dtype(tmp_path / "half") == torch.bfloat16
    run = fine_tune(recipe(tmp_path / "half", pairs, tmp_path / "out"), store)
    with safe_open(run.folder / "model.safetensors", "pt") as saved:
        assert {saved.get_tensor(k).dtype for k in saved.keys()} == {torch.bfloat16}  # noqa: SIM118 - it is no dict


def test_a_base_with_code_of_its_own_trains_with_lora_and_answers_where_it_is_trusted(base, pairs, tmp_path, store):
    own = changed(
        base,
        tmp_path / "own",
        "config.json",
        model_type="own",
        architectures=["OwnForCausalLM"],
        auto_map={"AutoConfig": "configuration_own.OwnConfig", "AutoModelForCausalLM": "modeling_own.OwnForCausalLM"},
    )
    (own / "configuration_own.py").write_text(
        "from transformers import LlamaConfig\nclass OwnConfig(LlamaConfig):\n    model_type = 'own'\n"
    )
    (own / "modeling_own.py").write_text(
        "from transformers import LlamaForCausalLM\nfrom .configuration_own import OwnConfig\n"
        "class OwnForCausalLM(LlamaForCausalLM):\n    config_class = OwnConfig\n"
    )
    with pytest.raises(LimaError, match="own comes with Python code.* add --trust-remote-code"):
        fine_tune(recipe(own, pairs, tmp_path / "no"), store)
    run = fine_tune(recipe(own, pairs, tmp_path / "out", trust_remote_code=True, lora_rank=2), store)
    for name in (run.id, str(run.folder)):
        with pytest.raises(LimaError, match="add --trust-remote-code"):
            open_checkpoint(name, store)
        (reply,) = open_checkpoint(name, store, trust_remote_code=True).reply(
            ["What is 3?"], Sampling(temperature=0, max_new_tokens=3), 1
        )
        assert reply.ids


@pytest.mark.parametrize("kind", ["legacy", "first", "always"])
def test_markup_that_is_a_control_token_elsewhere_is_ordinary_text_to_a_sentencepiece_tokenizer(kind):
    from lima.contract.examples import Example
    from lima.data.encoding import encode
    from lima.data.rendering import PlainRenderer, render
    from odd_tokenizers import sentencepiece

    tokenizer = sentencepiece(kind)
    extend_tokenizer(tokenizer, ["<|eot|>"])
    for text in (
        "html <s>struck</s> text",
        "<s>",
        "</s> begins",
        "ends </s>",
        "x<unk>y",
        "  two before",
        " one",
        "a</s>b",
    ):
        example = Example(id="1", source="s", prompt=text, response=text)
        ids = render(example, PlainRenderer(), tokenizer, "<|eot|>")[0].ids
        assert [ids.count(tokenizer.convert_tokens_to_ids(t)) for t in ("<s>", "</s>", "<unk>", "<|eot|>")] == [
            1,
            0,
            0,
            2,
        ]
    # Between control tokens a stretch has the tokens that it has where nothing in it need be literal.
    plain, marked = "<|eot|>the dog<|eot|>", "<|eot|>the dog <s><|eot|>"
    assert encode(tokenizer, marked, [(15, 18)])[0][:3] == encode(tokenizer, plain)[0][:3]
    ids, offsets = encode(tokenizer, marked, [(15, 18)])
    assert [marked[a:b] for a, b in offsets][-4:] == ["<", "s", ">", "<|eot|>"]
