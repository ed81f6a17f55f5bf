"""Fixtures of the core's tests: one thread, no network, a user folder of the test's own, a tiny base model, a store."""

import json
import os

# Before torch is imported anywhere: two cores run the suite in parallel, and nothing may reach a hub.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"

import pytest


@pytest.fixture(autouse=True)
def own_user_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LIMA_USER_PATH", str(tmp_path / "user"))


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    from lima.testing import tiny_base

    return tiny_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="session")
def seeing(tmp_path_factory):
    """A Gemma 3 with a vision tower and the files that say how a picture is prepared for it"""
    from transformers import AutoConfig, AutoModelForCausalLM

    from lima.testing import ARCHITECTURES, tiny_tokenizer

    folder, tokenizer = tmp_path_factory.mktemp("seeing"), tiny_tokenizer()
    text = {**ARCHITECTURES["gemma3_text"], "vocab_size": len(tokenizer), "bos_token_id": 0, "eos_token_id": 0}
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision |= {"image_size": 28, "patch_size": 14}
    config = AutoConfig.for_model("gemma3", text_config=text, vision_config=vision, mm_tokens_per_image=4)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text('{"image_processor_type": "Gemma3ImageProcessor"}')
    (folder / "processor_config.json").write_text('{"processor_class": "Gemma3Processor"}')
    return folder


@pytest.fixture
def pairs(tmp_path):
    rows = [{"prompt": f"What is {i}?", "response": f"It is {i}, the number{' so' * (i % 7)}."} for i in range(40)]
    file = tmp_path / "pairs.jsonl"
    file.write_text("".join(json.dumps(r) + "\n" for r in rows))
    return file


@pytest.fixture
def store(tmp_path):
    from lima.record.store import Store

    with Store(tmp_path / "lima.db") as opened:
        yield opened


@pytest.fixture
def lima(capsys):
    """lima(*arguments): what the command line printed, as .out and .err; it must succeed"""
    from lima.cli import main

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        printed = capsys.readouterr()
        assert ended.value.code == 0, printed.err
        return printed

    return run
