"""Bases that would train, or seem to, and then not do what they should: refused before the first step, with advice that works."""

import json
import re
import shutil

import pytest
from tokenizers import AddedToken, normalizers

from lima import hookimpl
from lima.answer.checkpoint_model import CheckpointModel
from lima.cli import main
from lima.data.dataset import prepare
from lima.data.rendering import PlainRenderer
from lima.errors import LimaError
from lima.plugins import load_plugins
from lima.recipe import Recipe
from lima.record.store import Store
from lima.testing import only_plugins, tiny_base, tiny_tokenizer
from lima.train.start import fine_tune

pytestmark = pytest.mark.usefixtures("core_alone")


def tuned(base, pairs, tmp_path, plugins=None, name="out", **changes):
    values = {"epochs": 1, "batch_size": 20, "residual_dropout": 0.0, "renderer": "plain"} | changes
    recipe = Recipe(base=str(base), sources=(str(pairs),), out=str(tmp_path / name)).with_values(values)
    with Store(tmp_path / f"{name}.db", plugins) as store:
        return fine_tune(recipe, store, plugins)


def test_an_added_eot_that_the_normalizer_changes_is_refused_and_the_advice_works(pairs, tmp_path):
    tokenizer = tiny_tokenizer()
    tokenizer.backend_tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.add_tokens([AddedToken("<|EOT|>", special=True, normalized=True)], special_tokens=True)
    tokenizer.add_tokens([AddedToken("<|im_end|>", special=True, normalized=True)], special_tokens=True)
    base = tiny_base(tmp_path / "base", tokenizer=tokenizer)

    class Shouts(PlainRenderer):
        name = "shouts"

        def end_of_turn(self, tokenizer):
            return "<|EOT|>"

    class Shouting:
        @hookimpl
        def register_renderers(self, register):
            register("shouts", Shouts())

    lower = tmp_path / "lower.jsonl"
    lower.write_text(json.dumps({"prompt": "why?", "response": "so it is."}) + "\n")
    with only_plugins(ours=Shouting()) as plugins:
        with pytest.raises(LimaError, match=r"'<\|EOT\|>' as a token .* makes '<\|eot\|>' of it.*tokenizer\.json"):
            tuned(base, lower, tmp_path, plugins, renderer="shouts")
        assert (
            tuned(base, lower, tmp_path, plugins, name="other").eot == "<|im_end|>"
        )  # which its normalizer leaves alone
        config = json.loads((base / "tokenizer.json").read_text())
        for token in config["added_tokens"]:
            token["normalized"] = False
        (base / "tokenizer.json").write_text(json.dumps(config))
        config = json.loads((base / "tokenizer_config.json").read_text())
        for token in config.get("added_tokens_decoder", {}).values():
            token["normalized"] = False
        (base / "tokenizer_config.json").write_text(json.dumps(config))
        assert tuned(base, lower, tmp_path, plugins, renderer="shouts").eot == "<|EOT|>"


@pytest.mark.parametrize("beside", [pytest.param(True, marks=pytest.mark.slow), False])
def test_a_base_with_an_adapter_is_refused_before_it_is_planned_and_the_advice_works(beside, pairs, tmp_path):
    base = tiny_base(tmp_path / "base")
    run = tuned(base, pairs, tmp_path, name="lora", lora_rank=4)
    place = tmp_path / "with"
    (run.folder / "adapter").rename(place)
    if beside:
        for file in base.iterdir():
            file.rename(place / file.name)
    recipe = Recipe(base=str(place), sources=(f"pairs:{pairs}",), renderer="plain")
    for weights in (True, False):
        with pytest.raises(
            LimaError, match=r"with has an adapter \(adapter_config.json\).*merge_and_unload.*move adapter_config"
        ):
            prepare(recipe, load_plugins(), weights)
    if beside:
        with pytest.raises(LimaError, match="has an adapter"):
            CheckpointModel(place, PlainRenderer(), device="cpu")
        for file in ("adapter_config.json", "adapter_model.safetensors"):
            (place / file).rename(tmp_path / file)
        assert tuned(place, pairs, tmp_path).folder.is_dir()


def test_a_tokenizer_whose_pattern_never_ends_is_a_sentence(base, tmp_path, capfd):
    """The library gives up at a limit of its own, with an error that is no Exception"""
    shutil.copytree(base, tmp_path / "evil")
    file = tmp_path / "evil" / "tokenizer.json"
    pattern = {"type": "Split", "pattern": {"Regex": "(x+x+)+y"}, "behavior": "Isolated", "invert": False}
    file.write_text(json.dumps(json.loads(file.read_text()) | {"pre_tokenizer": pattern}))
    (tmp_path / "pairs.jsonl").write_text(json.dumps({"prompt": "x" * 40, "response": "y"}))
    with pytest.raises(SystemExit) as stopped:
        main(["preview", "--base", str(tmp_path / "evil"), "--source", str(tmp_path / "pairs.jsonl")])
    said = capfd.readouterr().err
    assert (stopped.value.code, "Traceback" in said) == (1, False)
    assert re.search(r"^Error: A library failed: .*retry-limit-in-match over.* copy it again\.$", said, re.MULTILINE)
