"""A real English model: that it was converted right, and the way from preview to ten conversations with it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from lima.cli import cli
from lima.model.folder import load_model, load_tokenizer
from lima.plugins import load_plugins
from lima_smollm2.convert import facts
from lima_smollm2.origin import SMOLLM2

pytestmark = pytest.mark.slow

ENGLISH = (
    "The library opens at nine in the morning and closes at six. On Sundays it is closed, but the reading room next door "
    "can be used with a card."
)
TEMPLATE_SYSTEM = "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"


@pytest.fixture(scope="module")
def model(smollm2):
    return load_model(smollm2).eval()


@pytest.fixture(scope="module")
def tokenizer(smollm2):
    return load_tokenizer(smollm2)


@pytest.fixture
def by_name(smollm2, tmp_path):
    """The model in the test's own user folder, where lima finds it as `smollm2`"""
    bases = tmp_path / "user" / "bases"
    bases.mkdir(parents=True)
    (bases / "smollm2").symlink_to(smollm2)


def lima(*arguments):
    load_plugins().add_commands(cli)
    done = CliRunner().invoke(cli, [str(a) for a in arguments])
    assert done.exit_code == 0, f"{arguments}: {done.exception!r} {done.output}"
    return done.stdout


def test_it_is_what_was_published(model, tokenizer):
    assert facts(model, tokenizer) == dict(SMOLLM2.facts)
    config = model.config
    assert (config.hidden_size, config.num_hidden_layers, config.intermediate_size) == (576, 30, 1536)
    assert (config.num_attention_heads, config.num_key_value_heads, config.rms_norm_eps) == (9, 3, 1e-5)
    stops = model.generation_config
    assert (stops.bos_token_id, stops.eos_token_id, stops.pad_token_id) == (1, 2, 2)
    assert tokenizer.convert_ids_to_tokens([0, 1, 2]) == ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    assert tokenizer.model_max_length == 8192


def test_its_template_is_chatml_with_a_system_turn_of_its_own(tokenizer):
    asked = [{"role": "user", "content": "Hi"}]
    turn = "<|im_start|>user\nHi<|im_end|>\n"
    assert tokenizer.apply_chat_template(asked, tokenize=False) == TEMPLATE_SYSTEM + turn
    told = [{"role": "system", "content": "Be brief."}, *asked]
    assert tokenizer.apply_chat_template(told, tokenize=False, add_generation_prompt=True) == (
        f"<|im_start|>system\nBe brief.<|im_end|>\n{turn}<|im_start|>assistant\n"
    )


def test_it_expects_english(model, tokenizer):
    """A matrix in the wrong order, or another angle of the positions, would make the words as good as shuffled"""

    def loss(text):
        ids = torch.tensor([tokenizer(text).input_ids])
        with torch.inference_mode():
            return float(model(ids, labels=ids).loss)

    words = ENGLISH.split()
    shuffled = [words[i] for i in np.random.default_rng(0).permutation(len(words))]
    assert loss(ENGLISH) < 4 < 6 < loss(" ".join(shuffled))


def test_from_preview_to_ten_conversations(by_name, tmp_path, monkeypatch):
    """A few steps on three short answers are enough for a short one to a fourth question"""
    monkeypatch.chdir(tmp_path)
    pairs = [("Name a fruit.", "A pear."), ("Name a colour.", "A grey."), ("Name a tree.", "An elm.")]
    rows = [{"messages": [{"role": "user", "content": p}, {"role": "assistant", "content": r}]} for p, r in pairs]
    Path("few.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    used = ["--base", "smollm2", "--renderer", "template", "--source"]
    shown = json.loads(lima("preview", *used, "dialogues", "-n", 1, "--json"))
    assert "".join(token["text"] for token in shown[0]["tokens"]).startswith(TEMPLATE_SYSTEM)

    settings = {"lora_rank": 8, "learning_rate": 2e-3, "final_learning_rate": 2e-3, "epochs": 4, "batch_size": 3}
    changes = [x for key, value in {**settings, "max_tokens": 64}.items() for x in ("--set", f"{key}={value}")]
    lima("train", *used, "few.jsonl", "--out", "tuned", *changes)
    ask = ["Name a flower.", "--temperature", 0, "--max-new-tokens", 16, "--json"]
    (before,), (after,) = (json.loads(lima("ask", name, *ask)) for name in ("smollm2", "tuned"))
    assert after["stop"] == "eot"
    assert after["tokens"] < min(8, before["tokens"])

    run = ["dialogues", "run", "dialogues", "--model", "tuned", "--seeds", 1, "--max-new-tokens", 16, "--json"]
    row = json.loads(lima(*run))
    conversations = list(load_plugins().registry("evaluations").find("dialogues").conversations())
    assert len(conversations) == 10
    assert (row["status"], row["turns"]) == ("done", sum(len(c.turns) for c in conversations))
