"""The shipped base model: its hash, its size, and that it can be built again."""

import json
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial

import click
import pytest
from click.testing import CliRunner

from lima.errors import LimaError
from lima_village.base_model import FOLDER, WEIGHTS, record, verified, village_hash


def test_shipped_base_matches_its_hash_and_is_small():
    assert verified() == FOLDER
    assert (FOLDER / WEIGHTS).stat().st_size <= 12_000_000
    assert record()["tokens_seen"] > 1_000_000


def test_other_weights_are_refused(tmp_path):
    folder = tmp_path / "base"
    shutil.copytree(FOLDER, folder)
    weights = bytearray((folder / WEIGHTS).read_bytes())
    weights[-1] ^= 1
    (folder / WEIGHTS).write_bytes(weights)
    with pytest.raises(LimaError, match="has changed: sha256 is .*Install lima-village again"):
        verified(folder)
    shutil.copy(FOLDER / WEIGHTS, folder / WEIGHTS)
    assert verified(folder) == folder
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"rms_norm_eps": ', '"rms_norm_eps": 0.5, "was": '))
    with pytest.raises(LimaError, match="config_sha256 is"):
        verified(folder)
    shutil.copy(FOLDER / "config.json", config)
    generation = folder / "generation_config.json"
    generation.write_text(json.dumps({**json.loads(generation.read_text()), "eos_token_id": [0, 7]}))
    with pytest.raises(LimaError, match="generation_config_sha256 is"):
        verified(folder)
    shutil.copy(FOLDER / "generation_config.json", generation)
    tokenizer = folder / "tokenizer_config.json"
    tokenizer.write_text(tokenizer.read_text().replace("{", '{"add_bos_token": true,', 1))
    with pytest.raises(LimaError, match="tokenizer_config_sha256 is"):
        verified(folder)
    tokenizer.unlink()
    with pytest.raises(LimaError, match="incomplete: .*tokenizer_config.json is missing"):
        verified(folder)
    shutil.copy(FOLDER / "tokenizer_config.json", tokenizer)
    recipe = (folder / "recipe.toml").read_text()
    (folder / "recipe.toml").write_text(recipe.replace(village_hash(), "0" * 64))
    with pytest.raises(
        LimaError, match="was trained on another village. Train one for this village with `lima village build`"
    ):
        verified(folder)
    (folder / "recipe.toml").write_text(recipe)
    (folder / WEIGHTS).unlink()
    with pytest.raises(LimaError, match="incomplete: .*model.safetensors is missing"):
        verified(folder)
    (folder / "recipe.toml").unlink()
    with pytest.raises(LimaError, match="recipe.toml is missing"):
        verified(folder)


@pytest.mark.parametrize("content", [b"seed = \xff\xfe", b"seed = = 1", b"\x00\x01"])
def test_a_broken_recipe_is_a_sentence(tmp_path, content):
    (tmp_path / "recipe.toml").write_bytes(content)
    with pytest.raises(LimaError, match="recipe.toml cannot be read.*Install lima-village again"):
        verified(tmp_path)


def test_tokenizer_is_the_corpus_own_and_knows_no_turns():
    from lima_village.pretrain import load_recipe
    from lima_village.tokens import END_OF_TEXT, build_tokenizer

    recipe = load_recipe(FOLDER / "recipe.toml")
    built = build_tokenizer(recipe.seed, recipe.vocabulary)
    shipped = json.loads((FOLDER / "tokenizer.json").read_text(encoding="utf-8"))
    assert json.loads(built.backend_tokenizer.to_str())["model"] == shipped["model"]
    assert built.all_special_tokens == [END_OF_TEXT]
    for word in ("Ada", " Ada", " lives", " street", "Where"):
        assert len(built(word)["input_ids"]) == 1


@pytest.fixture
def small():
    from lima_village.pretrain import BaseRecipe

    return BaseRecipe(
        vocabulary=400, hidden=16, layers=1, heads=2, feed_forward=32, length=32, rows=2, tokens=320, compiled=False
    )


@pytest.mark.slow
def test_building_twice_gives_the_same_weights(tmp_path, small):
    from lima_village.pretrain import pretrain

    steps = []
    for name in ("first", "again"):
        pretrain(small, tmp_path / name, lambda step, total, loss: steps.append((step, total)))
    assert steps == [(n, 5) for n in range(1, 6)] * 2
    assert record(tmp_path / "first")["sha256"] == record(tmp_path / "again")["sha256"]
    assert verified(tmp_path / "first")
    pretrain(replace(small, precision="float32"), tmp_path / "other", lambda *_: None)
    assert record(tmp_path / "other")["precision"] == "float32"
    assert record(tmp_path / "other")["sha256"] != record(tmp_path / "first")["sha256"]
    assert {path.name for path in tmp_path.iterdir()} == {"first", "again", "other"}


KILLED = """
import os, signal
from pathlib import Path
from lima_village.pretrain import BaseRecipe, pretrain

def on_step(step, total, loss):
    if step == 3:
        os.kill(os.getpid(), signal.SIGKILL)

pretrain({recipe!r}, Path({folder!r}), on_step, save_seconds=0.0)
"""


@pytest.mark.slow
def test_a_killed_build_resumes_to_the_same_weights(tmp_path, small):
    from lima_village.pretrain import pretrain

    out = tmp_path / "base"
    ended = subprocess.run([sys.executable, "-c", KILLED.format(recipe=small, folder=str(out))], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert not out.exists()
    losses = {}
    pretrain(small, out, lambda step, total, loss: losses.update({step: loss}))
    whole = {}
    pretrain(small, tmp_path / "whole", lambda step, total, loss: whole.update({step: loss}))
    assert losses == {step: whole[step] for step in (4, 5)}
    assert record(out)["sha256"] == record(tmp_path / "whole")["sha256"]
    assert {path.name for path in tmp_path.iterdir()} == {"base", "whole"}


@pytest.mark.slow
def test_only_one_process_builds_a_base(tmp_path, small):
    from lima_village.pretrain import pretrain

    def another(step, total, loss):
        with pytest.raises(LimaError, match="Another process is building .*base right now"):
            pretrain(replace(small, seed=2), tmp_path / "base", lambda *_: None)

    pretrain(small, tmp_path / "base", another)
    assert [path.name for path in tmp_path.iterdir()] == ["base"]
    (tmp_path / "link").symlink_to(tmp_path)
    built = (tmp_path / "base" / WEIGHTS).read_bytes()
    with pytest.raises(LimaError, match="base exists and is not empty"):
        pretrain(replace(small, seed=2), tmp_path / "link" / "base", lambda *_: None)
    assert (tmp_path / "base" / WEIGHTS).read_bytes() == built


@pytest.mark.slow
def test_another_recipe_does_not_resume_a_killed_build(tmp_path, small):
    from lima_village.pretrain import pretrain

    def stop(step, total, loss):
        raise KeyboardInterrupt

    out = tmp_path / "base"
    with pytest.raises(KeyboardInterrupt):
        pretrain(small, out, stop, save_seconds=0.0)
    steps = []
    pretrain(replace(small, seed=2), out, lambda step, total, loss: steps.append(step))
    assert steps == [1, 2, 3, 4, 5]


@pytest.mark.slow
def test_a_build_that_was_interrupted_says_whether_anything_is_saved(tmp_path, small, monkeypatch, capsys):
    from lima_village import commands, pretrain

    def interrupted(recipe, folder, on_step, save_seconds):
        def stop(step, total, loss):
            raise KeyboardInterrupt

        real(recipe, folder, stop, save_seconds)

    real = pretrain.pretrain
    for seconds, said in ((1000.0, "Nothing is saved yet"), (0.0, "resumes after step 1 of 5")):
        monkeypatch.setattr(pretrain, "pretrain", partial(interrupted, save_seconds=seconds))
        with click.Context(click.Command("build")), pytest.raises(click.exceptions.Exit) as ended:
            commands._build_with_bar(small, tmp_path / "base")
        assert ended.value.exit_code == 130
        assert said in capsys.readouterr().err
    monkeypatch.setattr(pretrain, "pretrain", real)
    commands._build_with_bar(small, tmp_path / "base")
    assert "Resuming after step 1 of 5" in capsys.readouterr().err
    assert verified(tmp_path / "base")


def test_a_place_that_cannot_be_written_to_is_said_before_the_first_step(tmp_path, small):
    from lima_village.pretrain import pretrain

    (tmp_path / "file").write_text("mine")
    with pytest.raises(LimaError, match="Cannot write to .*file.*Choose another --out"):
        pretrain(small, tmp_path / "file" / "base", lambda *_: None)


@pytest.mark.parametrize(
    ("options", "compiled"), [([], True), (["--threads", "2"], False), (["--precision", "float32"], False)]
)
def test_what_would_not_end_in_the_same_bits_is_not_compiled(tmp_path, monkeypatch, options, compiled):
    from lima_village import commands

    built = []

    def build(recipe, out):
        built.append(recipe)
        shutil.copytree(FOLDER, out)

    monkeypatch.setattr(commands, "_build_with_bar", build)
    out = ["--out", str(tmp_path / "base"), "--json"]
    row = json.loads(CliRunner().invoke(commands.village, ["build", *options, *out]).output)
    assert row["same_as_shipped"] is True
    assert [recipe.compiled for recipe in built] == [compiled]


def test_build_refuses_a_folder_in_use(tmp_path):
    from lima_village.commands import village

    (tmp_path / "mine.txt").write_text("mine")
    result = CliRunner().invoke(village, ["build", "--out", str(tmp_path)])
    assert isinstance(result.exception, LimaError)
    assert "not empty" in str(result.exception)


def test_facts_of_somebody():
    from lima_village.commands import village

    rows = json.loads(CliRunner().invoke(village, ["facts", "Ada", "--json"]).output)
    assert len(rows) == 9
    assert rows[0]["sentence"].startswith("Ada works as a ")
    result = CliRunner().invoke(village, ["facts", "Adda"])
    assert "Did you mean 'Ada'?" in str(result.exception)
