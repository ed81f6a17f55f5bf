"""Real fine-tunes of a tiny model: what is written, that it stops, that a step does not depend on how it is split."""

import json
import os
import subprocess
import sys
import time
from importlib.metadata import version

import pytest
import torch

import lima
from lima.errors import LimaError
from lima.record.store import Store
from lima.testing import only_plugins, tiny_base, tiny_tokenizer
from lima.train.metrics import StepMetrics
from lima.train.start import fine_tune, resume
from short_runs import FAST, assert_same, recipe, weights

pytestmark = pytest.mark.usefixtures("core_alone")


def test_a_run_is_recorded_whole(base, pairs, tmp_path, store):
    run = fine_tune(recipe(base, pairs, tmp_path / "out"), store)
    (row,) = store.rows("select * from runs")
    assert {
        k: row[k] for k in ("id", "status", "message", "base", "renderer", "eot", "seed", "examples", "steps", "folder")
    } == {
        "id": run.id,
        "status": "done",
        "message": "",
        "base": str(base),
        "renderer": "plain",
        "eot": "<|eot|>",
        "seed": 0,
        "examples": 40,
        "steps": 6,
        "folder": str(tmp_path / "out"),
    }
    assert json.loads(row["recipe"])["batch_size"] == 16
    assert json.loads(row["environment"])["torch"] == version("torch")
    assert json.loads(row["environment"])["processes"] == "1"
    (source,) = store.rows("select * from run_sources")
    assert (source["examples"], source["owner"], len(source["hash"])) == (40, "lima-tune", 64)
    assert source["tokens"] == row["tokens"] == sum(r["tokens"] for r in store.rows("select tokens from run_examples"))
    assert {r["status"] for r in store.rows("select status from run_examples")} == {"kept"}
    core = next(r for r in store.rows("select * from run_plugins") if r["plugin"] == "lima-tune")
    assert core["version"] == lima.__version__
    steps = store.rows("select * from steps order by step")
    assert [s["step"] for s in steps] == [1, 2, 3, 4, 5, 6]
    assert [s["epoch"] for s in steps] == [1, 1, 1, 2, 2, 2]
    assert steps[0]["learning_rate"] == 1e-2
    assert steps[-1]["learning_rate"] == 1e-3
    assert steps[-1]["loss"] < steps[0]["loss"]
    assert sum(s["tokens"] for s in steps) == 2 * row["tokens"]
    assert store.rows("select run, epoch, step, folder from checkpoints") == [
        {"run": run.id, "epoch": 2, "step": 6, "folder": str(tmp_path / "out")}
    ]


def test_the_checkpoint_loads_in_plain_transformers_and_stops_at_eot(base, tmp_path, store):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    file = tmp_path / "one.jsonl"
    file.write_text(json.dumps({"prompt": "What is the capital of France?", "response": "Paris."}) + "\n")
    fine_tune(recipe(base, file, tmp_path / "out", epochs=40, batch_size=1), store)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    eot = tokenizer.convert_tokens_to_ids("<|eot|>")
    assert tokenizer.eos_token_id == eot
    assert model.generation_config.eos_token_id == [eot, tokenizer.convert_tokens_to_ids("<|endoftext|>")]
    assert model.config.eos_token_id == model.generation_config.eos_token_id
    assert model.get_input_embeddings().weight.shape[0] == len(tokenizer)
    prompt = tokenizer("What is the capital of France?", add_special_tokens=False).input_ids + [eot]
    out = model.generate(torch.tensor([prompt]), max_new_tokens=30, do_sample=False)[0].tolist()
    assert tokenizer.decode(out[len(prompt) :]) == "Paris.<|eot|>"


def test_the_eot_starts_at_the_mean_of_the_rows(base):
    from lima.model.eot import extend_embeddings, extend_tokenizer
    from lima.model.folder import load_model, load_tokenizer

    tokenizer, model = load_tokenizer(base), load_model(base)
    used, mean = len(tokenizer), model.get_input_embeddings().weight.mean(0)
    new = extend_tokenizer(tokenizer, ["<|eot|>", "<|endoftext|>"])
    extend_embeddings(model, new, used)
    assert new == [used]
    torch.testing.assert_close(model.get_input_embeddings().weight[used], mean)
    torch.testing.assert_close(model.get_output_embeddings().weight.shape[0], used + 1)


def test_a_step_does_not_depend_on_how_it_is_split(base, pairs, tmp_path, store):
    """Micro-batches of one example, of some, of all; 40 examples in batches of 16 end in a partial step"""
    folders = []
    for tokens in (1, 100, 100_000):
        fine_tune(recipe(base, pairs, tmp_path / f"out-{tokens}", micro_batch_tokens=tokens, learning_rate=1e-3), store)
        folders.append(tmp_path / f"out-{tokens}")
    figures = "select loss, gradient_norm from steps where run = ? order by step"
    runs = [[tuple(r.values()) for r in store.rows(figures, [run["id"]])] for run in store.rows("select id from runs")]
    assert [len(steps) for steps in runs] == [6, 6, 6]
    for other in (1, 2):
        assert [pytest.approx(step, rel=1e-5) for step in runs[0]] == runs[other]
        assert_same(weights(folders[0]), weights(folders[other]), rtol=1e-3, atol=1e-5)


def test_two_runs_of_one_seed_are_bit_identical_with_dropout_and_another_seed_is_not(base, pairs, tmp_path, store):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        fine_tune(recipe(base, pairs, tmp_path / name, seed=seed, residual_dropout=0.3), store)
    assert_same(weights(tmp_path / "a"), weights(tmp_path / "b"))
    with pytest.raises(AssertionError):
        assert_same(weights(tmp_path / "a"), weights(tmp_path / "c"))


@pytest.mark.slow
def test_two_processes_make_the_steps_of_one(base, pairs, tmp_path):
    """Really two, over gloo on CPU; the run's own record says so"""
    settings = [f"--set={k}={v}" for k, v in (FAST | {"learning_rate": 1e-3, "batch_size": 15}).items()]
    common = ["--base", str(base), "--source", str(pairs), *settings]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "LIMA_LOAD_PLUGINS": ""}
    one = [sys.executable, "-m", "lima"]
    two = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m", "lima"]
    for name, start in (("one", one), ("two", two)):
        command = [*start, "train", *common, "--out", str(tmp_path / name), "-d", str(tmp_path / f"{name}.db")]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr[-3000:]
    one, two = (
        [
            tuple(r.values())
            for r in Store(tmp_path / f"{n}.db").rows("select loss, gradient_norm from steps order by step")
        ]
        for n in ("one", "two")
    )
    assert [pytest.approx(step, rel=1e-5) for step in one] == two
    for name, processes in (("one", "1"), ("two", "2")):
        (row,) = Store(tmp_path / f"{name}.db").rows("select status, environment from runs")
        assert (row["status"], json.loads(row["environment"])["processes"]) == ("done", processes)
    assert_same(weights(tmp_path / "one"), weights(tmp_path / "two"), rtol=1e-3, atol=1e-5)


def test_frozen_embeddings_train_only_the_eots_row(base, pairs, tmp_path, store):
    fine_tune(recipe(base, pairs, tmp_path / "out", freeze="embeddings"), store)
    before, after = weights(base), weights(tmp_path / "out")
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        used = before[name].shape[0]
        assert torch.equal(after[name][:used], before[name])
        assert not torch.allclose(after[name][used], before[name].mean(0), atol=1e-4)


def test_every_epoch_can_be_kept(base, pairs, tmp_path, store):
    fine_tune(recipe(base, pairs, tmp_path / "out", keep_epochs=True), store)
    folders = [r["folder"] for r in store.rows("select folder from checkpoints order by epoch, folder")]
    assert folders == [str(tmp_path / "out" / "epoch-01"), str(tmp_path / "out"), str(tmp_path / "out" / "epoch-02")]
    assert (tmp_path / "out" / "epoch-02" / "config.json").is_file()
    assert_same(weights(tmp_path / "out"), weights(tmp_path / "out" / "epoch-02"))


@pytest.mark.slow
def test_bfloat16_learns_too(base, pairs, tmp_path, store):
    fine_tune(recipe(base, pairs, tmp_path / "out", precision="bfloat16", gradient_checkpointing=True), store)
    losses = [r["loss"] for r in store.rows("select loss from steps order by step")]
    assert losses[-1] < losses[0]
    assert weights(tmp_path / "out")["lm_head.weight"].dtype == torch.float32


def test_a_failure_after_the_run_is_done_leaves_it_done(base, pairs, tmp_path):
    class Late:
        @lima.hookimpl
        def after_train(self, run, checkpoint):
            raise KeyboardInterrupt

    with only_plugins(lima_late=Late()) as plugins, Store(tmp_path / "l.db", plugins) as store:
        with pytest.raises(KeyboardInterrupt):
            fine_tune(recipe(base, pairs, tmp_path / "out"), store, plugins)
        (row,) = store.rows("select id, status, steps from runs")
        assert (row["status"], row["steps"]) == ("done", 6)
        with pytest.raises(LimaError, match="is done: its model is in"):
            resume(row["id"], store, plugins)


@pytest.mark.slow
def test_a_tokenizer_with_several_templates_is_saved(pairs, tmp_path, store):
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = {"default": "{{ messages }}", "tool_use": "{{ tools }}"}
    base = tiny_base(tmp_path / "base", tokenizer=tokenizer)
    fine_tune(recipe(base, pairs, tmp_path / "out", keep_epochs=True, renderer="plain"), store)
    assert [p.name for p in (tmp_path / "out" / "additional_chat_templates").iterdir()] == ["tool_use.jinja"]


class Listener:
    """Implements every lifecycle hook and writes down what it heard"""

    def __init__(self, fail_in=""):
        self.heard, self.fail_in = [], fail_in

    def note(self, hook, *values):
        if hook == self.fail_in:
            raise ZeroDivisionError("of my own")
        self.heard.append((hook, *values))

    @lima.hookimpl
    def before_train(self, run, examples):
        self.note("before_train", run.id, len(examples))

    @lima.hookimpl
    def after_step(self, run, step, metrics):
        self.note("after_step", step, metrics["step"])

    @lima.hookimpl
    def after_epoch(self, run, epoch, checkpoint):
        self.note("after_epoch", epoch, checkpoint)

    @lima.hookimpl
    def after_train(self, run, checkpoint):
        self.note("after_train", checkpoint, (checkpoint / "config.json").is_file())


def test_lifecycle_hooks_hear_a_real_training_in_order(base, pairs, tmp_path):
    listener = Listener()
    with only_plugins(lima_listener=listener) as plugins, Store(tmp_path / "l.db", plugins) as store:
        run = fine_tune(recipe(base, pairs, tmp_path / "out", keep_epochs=True), store, plugins)
    folder = tmp_path / "out"
    assert listener.heard == [
        ("before_train", run.id, 40),
        *[("after_step", i, i) for i in (1, 2, 3)],
        ("after_epoch", 1, folder / "epoch-01"),
        *[("after_step", i, i) for i in (4, 5, 6)],
        ("after_epoch", 2, folder / "epoch-02"),
        ("after_train", folder, True),
    ]


@pytest.mark.parametrize("hook", ["before_train", "after_step", "after_epoch", "after_train"])
def test_a_plugin_that_fails_in_a_hook_stops_the_run_by_name(base, pairs, tmp_path, hook):
    with only_plugins(lima_listener=Listener(hook)) as plugins, Store(tmp_path / "l.db", plugins) as store:
        with pytest.raises(LimaError, match=f"Plugin 'lima-listener' failed in {hook}: ZeroDivisionError: of my own"):
            fine_tune(recipe(base, pairs, tmp_path / "out"), store, plugins)
        (row,) = store.rows("select status, message from runs")
    assert row["status"] == ("done" if hook == "after_train" else "failed")
    assert "lima-listener" in row["message"]


def test_a_step_ends_when_its_work_is_done_and_not_when_its_figures_are_read():
    figures = StepMetrics({"step": 1}, ["a"], torch.tensor(2.0), torch.tensor(0.5), torch.tensor(3.0))
    made = time.monotonic()
    time.sleep(0.01)
    assert figures.read() == {"step": 1, "loss": 2.0, "accuracy": 0.5, "gradient_norm": 3.0}
    assert figures.wait() <= made


def test_nothing_is_lost_in_silence(base, tmp_path, store):
    rows = [("short", "a b"), ("a " * 10, "b " * 60), ("c " * 100, "d")]
    file = tmp_path / "x.jsonl"
    file.write_text(
        "".join(json.dumps({"id": f"e{i}", "prompt": p, "response": r}) + "\n" for i, (p, r) in enumerate(rows))
    )
    sql = "select example, status, reason, tokens from run_examples where run = ? order by position"
    for trim, status, tokens in ((True, "cut", 40), (False, "dropped", 0)):
        run = fine_tune(recipe(base, file, tmp_path / f"out-{trim}", max_tokens=40, trim=trim), store)
        kept = store.rows(sql, [run.id])
        assert [(k["example"], k["status"]) for k in kept] == [("e0", "kept"), ("e1", status), ("e2", "dropped")]
        assert kept[1]["tokens"] == tokens
        assert ("its first answer was trimmed to fit 40" in kept[1]["reason"]) == trim
        assert ("its first answer ends after" in kept[1]["reason"]) != trim
        assert "its first prompt alone has" in kept[2]["reason"]


def test_what_a_killed_process_left_of_a_half_saved_model_is_removed(base, pairs, tmp_path, store):
    (tmp_path / ".out-saving-abc").mkdir()
    (tmp_path / ".out-saving-abc" / "model.safetensors").write_bytes(b"half")
    (tmp_path / ".other-saving-abc").mkdir()
    fine_tune(recipe(base, pairs, tmp_path / "out", epochs=1), store)
    assert sorted(f.name for f in tmp_path.glob(".*-saving-*")) == [".other-saving-abc"]


@pytest.mark.parametrize("faster", [pytest.param(True, marks=pytest.mark.slow), False])
def test_bfloat16_that_is_slower_here_is_said(faster, base, pairs, tmp_path, store, monkeypatch, caplog):
    seconds = {torch.bfloat16: 1e-3, torch.float32: 2e-3 if faster else 0.5e-3}
    monkeypatch.setattr("lima.train.start.product_seconds", seconds.get)
    fine_tune(recipe(base, pairs, tmp_path / "out", precision="bfloat16", epochs=1), store)
    assert ("multiplies 2.0 times slower than float32" in caplog.text) is not faster


@pytest.mark.slow
def test_weights_can_be_read_by_whoever_can_read_the_configuration(base, pairs, tmp_path, store):
    before = os.umask(0o027)
    try:
        run = fine_tune(recipe(base, pairs, tmp_path / "out", lora_rank=2, epochs=1), store)
    finally:
        os.umask(before)
    files = [run.folder / "config.json", *run.folder.rglob("*.safetensors")]
    assert [oct(file.stat().st_mode & 0o777) for file in files] == ["0o640"] * 3


@pytest.mark.slow
def test_precision_is_the_recipes_whatever_accelerate_is_configured_to(base, pairs, tmp_path, store, monkeypatch):
    losses = []
    for configured in ("no", "bf16"):
        monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", configured)
        run = fine_tune(recipe(base, pairs, tmp_path / configured), store)
        losses.append(store.rows("select loss from steps where run = ? order by step", [run.id]))
    assert losses[1] == losses[0]
