"""What ends a real fine-tune of a tiny model, or keeps it from beginning, and the sentence that says so."""

import gc
import json
import os
import re
import signal
import subprocess
import sys
import time
from functools import partial

import pytest
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

import lima
from lima.errors import LimaError
from lima.record.store import Store
from lima.testing import only_plugins, tiny_base, tiny_tokenizer
from lima.train.resume_state import states_folder
from lima.train.start import fine_tune
from short_runs import recipe

pytestmark = pytest.mark.usefixtures("core_alone")


@pytest.mark.parametrize(
    "architecture", ["lfm2", "llama4_text", *(pytest.param(n, marks=pytest.mark.slow) for n in ("mamba", "bloom"))]
)
def test_an_architecture_whose_examples_would_see_each_other_is_refused_and_trains_one_a_row(
    architecture, pairs, tmp_path, store
):
    values = {
        "mamba": {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 4},
        "bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 4},
        "lfm2": {
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "layer_types": ["conv", "full_attention"],
        },
        "llama4_text": {
            "hidden_size": 32,
            "intermediate_size": 48,
            "intermediate_size_mlp": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 8,
            "num_local_experts": 2,
            "attention_chunk_size": 8,
        },
    }[architecture]
    base, tokenizer = tmp_path / "base", tiny_tokenizer()
    config = AutoConfig.for_model(
        architecture, vocab_size=len(tokenizer), bos_token_id=0, eos_token_id=0, pad_token_id=0, **values
    )
    AutoModelForCausalLM.from_config(config).save_pretrained(base)
    tokenizer.save_pretrained(base)
    with pytest.raises(LimaError, match=r"(would see each other|attends in chunks).*Set micro_batch_tokens=1"):
        fine_tune(recipe(base, pairs, tmp_path / "out"), store)
    run = fine_tune(recipe(base, pairs, tmp_path / "out", micro_batch_tokens=1), store)
    losses = [r["loss"] for r in store.rows("select loss from steps where run = ? order by step", [run.id])]
    assert losses[-1] < losses[0]


def rewrite(folder, change):
    """Save the weights of a base again, changed"""
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


class Poison:
    """Spoils the model after one of its steps; the next is under way by then, the one after it meets it"""

    def __init__(self, after=1):
        self.after = after

    @lima.hookimpl
    def after_step(self, run, step, metrics):
        if step != self.after:
            return
        for thing in gc.get_objects():
            if type(thing).__name__ == "LlamaRMSNorm":
                thing.weight.data.fill_(float("nan"))


def test_a_loss_that_is_not_finite_names_step_and_examples(base, pairs, tmp_path):
    with only_plugins(poison=Poison()) as plugins, Store(tmp_path / "l.db", plugins) as store:
        with pytest.raises(
            LimaError, match=r"The loss of step 3 is nan \(examples pairs\.jsonl:\d+.*Lower learning_rate"
        ):
            fine_tune(recipe(base, pairs, tmp_path / "out"), store, plugins)
        assert store.rows("select status, steps from runs") == [{"status": "failed", "steps": 2}]
        assert [r["step"] for r in store.rows("select step from steps order by step")] == [1, 2]
    assert not (tmp_path / "out").exists()


def test_what_was_kept_before_a_loss_that_is_not_finite_stays(base, pairs, tmp_path):
    rest = recipe(base, pairs, tmp_path / "out", epochs=2, keep_epochs=True)
    per_epoch = -(-40 // rest.batch_size)
    with only_plugins(poison=Poison(after=per_epoch + 1)) as plugins, Store(tmp_path / "l.db", plugins) as store:
        with pytest.raises(LimaError, match="is nan"):
            fine_tune(rest, store, plugins)
        run = store.rows("select id from runs")[0]["id"]
    kept = load_file(tmp_path / "out" / "epoch-01" / "model.safetensors")
    assert all(tensor.isfinite().all() for tensor in kept.values())
    assert [s.name for s in states_folder(tmp_path / "out", run).glob("step-*")] == [f"step-{per_epoch:08d}"]


def test_an_unknown_architecture_is_refused_before_anything_is_planned(pairs, tmp_path):
    from lima.data.dataset import prepare
    from lima.plugins import load_plugins

    folder = tiny_base(tmp_path / "base")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "cohere"}))
    wanted = recipe(folder, pairs, tmp_path / "out", residual_dropout=0.3)
    with pytest.raises(LimaError, match="Where residual dropout goes in the architecture 'cohere' is not known"):
        prepare(wanted, load_plugins(), weights=False)
    assert prepare(wanted.with_values({"residual_dropout": 0.0}), load_plugins(), weights=False).rendered


STARVED = """
import json, resource, sys
from pathlib import Path

import torch

from lima import LimaError, Recipe, Store, fine_tune

folder, source, room = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]) << 20


def train(source, tokens):
    values = dict(base=str(folder / "base"), epochs=1, batch_size=24, max_tokens=16000, device="cpu", residual_dropout=0.0)
    with Store(folder / "l.db") as store:
        run = fine_tune(Recipe(**values, sources=(str(folder / source),), micro_batch_tokens=tokens), store)
        return store.rows("select loss from steps where run = ?", [run.id])[0]["loss"], store.run(run.id)["message"]


torch.set_num_threads(1)
alone, _ = train("short.jsonl", 64)
pages = int(Path("/proc/self/statm").read_text().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + room, -1))
try:
    print(json.dumps([alone, *train(source, 1 << 20)]))
except LimaError as e:
    print(json.dumps([alone, str(e)]))
"""


def starved(folder, source, room):
    """Losses with a row for each example, and in as large rows as `room` MiB allow; the note, or the error; standard error"""
    tiny_base(folder / "base", "llama", max_position_embeddings=16384)
    for name, count, times in (("short.jsonl", 24, 60), ("long.jsonl", 1, 1000)):
        row = json.dumps({"prompt": "question", "response": "a b c d e f g h " * times})
        (folder / name).write_text("".join(f'{row[:-1]}, "id": "{i}"}}\n' for i in range(count)))
    command = [sys.executable, "-c", STARVED, str(folder), source, str(room)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on memory")
def test_out_of_memory_halves_the_token_budget_and_says_so(tmp_path):
    (alone, loss, note), said = starved(tmp_path, "short.jsonl", 60)
    assert re.match(r"Out of memory with micro_batch_tokens = 1048576: continued with \d+\.", note)
    assert note.split(". ")[0] in said
    assert loss == pytest.approx(alone, abs=1e-5)  # the batch is still the 24 examples


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on memory")
def test_an_example_that_no_budget_makes_fit_is_said_before_the_first_step(tmp_path):
    (_, error), _ = starved(tmp_path, "long.jsonl", 1)
    assert re.match(r"Out of memory with micro-batches of (\d+) tokens, the longest example having \1\. Lower", error)


@pytest.mark.slow
def test_ctrl_c_leaves_a_database_that_opens_and_says_so(base, pairs, tmp_path):
    command = [
        sys.executable,
        "-m",
        "lima",
        "train",
        "--base",
        str(base),
        "--source",
        str(pairs),
        "--out",
        str(tmp_path / "out"),
    ]
    command += ["--set=epochs=3000", "-d", str(tmp_path / "l.db")]
    environment = os.environ | {"LIMA_LOAD_PLUGINS": ""}
    # A test that was started in the background ignores Ctrl-C, and so would what it starts.
    heard = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heard
    )
    for _ in range(1200):
        time.sleep(0.1)
        if (tmp_path / "l.db").exists() and Store(tmp_path / "l.db").rows("select 1 from steps limit 1"):
            break
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert re.search(r"Interrupted after step \d+\. Resume with `lima train --resume", err)
    assert "Traceback" not in err
    assert err.count("Interrupted") == 1
    (row,) = Store(tmp_path / "l.db").rows("select status, steps from runs")
    assert row["status"] == "interrupted"
    assert row["steps"] == Store(tmp_path / "l.db").rows("select count(*) n from steps")[0]["n"] > 0
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (
            lambda b: (b / "tokenizer.json").unlink() or (b / "tokenizer_config.json").unlink(),
            "has no tokenizer. Expected",
        ),
        (lambda b: (b / "config.json").unlink(), "has no config.json"),
        (lambda b: (b / "model.safetensors").rename(b / "pytorch_model.bin"), "pytorch_model.bin, which is a pickle"),
        (lambda b: (b / "model.safetensors").write_bytes(b"short"), "does not load: "),
        (
            lambda b: (b / "model.safetensors.index.json").write_text('{"weight_map": {"a": "model-2.safetensors"}}'),
            "lacks 1 of its 1 weight files, first model-2.safetensors",
        ),
        (lambda b: tiny_base(b, vocab_size=300), "the model's embedding only 300 rows"),
        (
            lambda b: rewrite(b, lambda w: w.pop("model.norm.weight")),
            "lack 1 that its config.json asks for, first model.norm",
        ),
        (
            lambda b: rewrite(b, lambda w: w["model.norm.weight"].fill_(float("nan"))),
            "some of its weights are NaN",
        ),
    ],
)
def test_a_broken_base_is_said_in_a_sentence(pairs, tmp_path, store, break_it, message):
    broken = tiny_base(tmp_path / "broken")
    break_it(broken)
    with pytest.raises(LimaError) as caught:
        fine_tune(recipe(broken, pairs, tmp_path / "out"), store)
    assert message in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_an_out_folder_in_use_is_refused(base, pairs, tmp_path, store):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("x")
    with pytest.raises(LimaError, match="exists and is not empty. Choose another --out"):
        fine_tune(recipe(base, pairs, tmp_path / "out"), store)
    assert store.rows("select * from runs") == []
