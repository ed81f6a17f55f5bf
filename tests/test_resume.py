"""Killed at any moment and resumed, a run ends in the same bits; what must not be resumed is refused."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from lima.errors import LimaError
from lima.record.store import Store
from lima.testing import tiny_model
from lima.train.resume_state import load_state, newest_state, save_state, states_folder
from lima.train.start import fine_tune, resume
from stopped_runs import Stop, recipe, stop_at

pytestmark = pytest.mark.usefixtures("core_alone")


def losses(store, run=None):
    return [(r["step"], r["loss"], r["gradient_norm"]) for r in store.rows("select * from steps order by step")]


@pytest.fixture(scope="module")
def whole(base, tmp_path_factory):
    """The uninterrupted run: its weights and its logged losses"""
    folder = tmp_path_factory.mktemp("whole")
    rows = [{"prompt": f"What is {i}?", "response": f"It is {i}, the number{' so' * (i % 7)}."} for i in range(40)]
    pairs = folder / "pairs.jsonl"
    pairs.write_text("".join(json.dumps(r) + "\n" for r in rows))
    with Store(folder / "l.db") as store:
        fine_tune(recipe(base, pairs, folder / "out"), store)
        return pairs, load_file(folder / "out" / "model.safetensors"), losses(store)


def assert_equal(whole, folder, store):
    _, weights, logged = whole
    found = load_file(folder / "model.safetensors")
    assert found.keys() == weights.keys()
    assert [n for n in weights if not torch.equal(found[n], weights[n])] == []
    assert losses(store) == logged


@pytest.mark.parametrize("step", [5, 30, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 3, 12, 29))])
def test_stopped_at_a_step_and_resumed_the_weights_and_losses_are_the_same_bits(whole, base, tmp_path, step):
    with Store(tmp_path / "l.db") as store:
        with pytest.raises(Stop):
            fine_tune(recipe(base, whole[0], tmp_path / "out"), store, on_step=stop_at(step))
        (row,) = store.rows("select id, status, steps from runs")
        assert row["status"] == "failed"
        assert row["steps"] in (step, step + 1)  # the step after the one that was heard of may be made already
        resume(row["id"], store)
        assert_equal(whole, tmp_path / "out", store)
        assert store.rows("select status from runs") == [{"status": "done"}]
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == []


def state_left(out, run):
    """What the newest state of a run consists of: its step, and each file's hash"""
    state, step = newest_state(states_folder(out, run))[:2]
    return step, json.loads((state / "state.json").read_text())["files"]


@pytest.mark.slow
@pytest.mark.parametrize("lora_rank", [0, 4], ids=["full", "lora"])
def test_killed_at_twenty_random_moments_weights_optimizer_and_losses_are_the_same_bits(
    whole, base, tmp_path, lora_rank
):
    """kill −9 of a real process that saves after every step, every other time while it saves, resumed until it is through"""
    kills, last = 20, 30
    changes = {"save_every": 1, "lora_rank": lora_rank, "lora_dropout": 0.1 if lora_rank else 0.0}
    changes["keep_epochs"] = not lora_rank
    with Store(tmp_path / "whole.db") as store:
        with pytest.raises(Stop):
            fine_tune(recipe(base, whole[0], tmp_path / "whole", **changes), store, on_step=stop_at(last))
        run = store.rows("select id from runs")[0]["id"]
        wanted_state = state_left(tmp_path / "whole", run)
        resume(run, store)
        wanted_losses = losses(store)
    job = {"database": str(tmp_path / "l.db"), "seed": 1, "kills": kills, "stop": last}
    job["recipe"] = recipe(base, whole[0], tmp_path / "out", **changes).as_dict()
    script = Path(__file__).with_name("kill_and_resume.py")
    environment = os.environ | {"LIMA_LOAD_PLUGINS": "", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(script), json.dumps(job)], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout) >= kills // 4, "too few of the blows fell while a state was being written"
    with Store(tmp_path / "l.db") as store:
        run = store.rows("select id from runs")[0]["id"]
        assert wanted_state[0] == last - 1
        assert state_left(tmp_path / "out", run) == wanted_state
        resume(run, store)
        assert losses(store) == wanted_losses
        kept = store.rows("select epoch, step from checkpoints order by step, folder")
    if not lora_rank:
        assert kept == [{"epoch": e, "step": 5 * e} for e in (*range(1, 7), 6)]
    more = (
        ["adapter/adapter_model.safetensors"]
        if lora_rank
        else [f"epoch-{e:02d}/model.safetensors" for e in range(1, 7)]
    )
    for name in ("model.safetensors", *more):
        wanted, found = (load_file(tmp_path / out / name) for out in ("whole", "out"))
        assert wanted.keys() == found.keys()
        assert [n for n in wanted if not torch.equal(wanted[n], found[n])] == []


@pytest.mark.slow
def test_each_run_resumes_from_its_own_states_though_both_end_in_one_folder(whole, base, tmp_path):
    with Store(tmp_path / "l.db") as store:
        runs = []
        for seed, step in ((0, 7), (1, 4)):
            with pytest.raises(Stop):
                fine_tune(recipe(base, whole[0], tmp_path / "out", seed=seed), store, on_step=stop_at(step))
            runs.append(store.rows("select id from runs where seed = ?", [seed])[0]["id"])
        resume(runs[0], store)
        found = load_file(tmp_path / "out" / "model.safetensors")
        assert [n for n in whole[1] if not torch.equal(found[n], whole[1][n])] == []
        with pytest.raises(LimaError, match=f"out now has the model of run {runs[0]}. Move it away, then resume."):
            resume(runs[1], store)


@pytest.mark.slow
def test_lora_resumes_to_the_same_bits_too(whole, base, tmp_path):
    wanted = [recipe(base, whole[0], tmp_path / name, lora_rank=4, lora_dropout=0.1) for name in ("a", "b")]
    with Store(tmp_path / "l.db") as store:
        fine_tune(wanted[0], store)
        expected = losses(store)
        with pytest.raises(Stop):
            fine_tune(wanted[1], store, on_step=stop_at(11))
        run = store.rows("select id from runs where status = 'failed'")[0]["id"]
        resume(run, store)
        found = store.rows("select step, loss, gradient_norm from steps where run = ? order by step", [run])
    assert [tuple(r.values()) for r in found] == expected
    for name in ("model.safetensors", "adapter/adapter_model.safetensors"):
        a, b = (load_file(tmp_path / out / name) for out in ("a", "b"))
        assert [n for n in a if not torch.equal(a[n], b[n])] == []


def test_a_torn_state_is_passed_over(whole, base, tmp_path):
    with Store(tmp_path / "l.db") as store:
        with pytest.raises(Stop):
            fine_tune(recipe(base, whole[0], tmp_path / "out"), store, on_step=stop_at(8))
        states = states_folder(tmp_path / "out", store.rows("select id from runs")[0]["id"])
        before, state = sorted(states.glob("step-*"))
        assert (before.name, newest_state(states)[:3]) == ("step-00000003", (state, 6, False))
        torn = states / "step-00000007"
        shutil.copytree(state, torn)
        with open(torn / "state-00000.safetensors", "r+b") as file:
            file.truncate(1000)
        (states / "step-00000009").mkdir()
        assert newest_state(states)[:3] == (state, 6, False)
        run = store.rows("select id from runs")[0]["id"]
        resume(run, store)
        assert_equal(whole, tmp_path / "out", store)


@pytest.mark.slow
def test_the_state_before_serves_where_the_newest_is_torn_and_without_a_whole_one_nothing_is_lost(
    whole, base, tmp_path
):
    with Store(tmp_path / "l.db") as store:
        with pytest.raises(Stop):
            fine_tune(recipe(base, whole[0], tmp_path / "out"), store, on_step=stop_at(8))
        run = store.rows("select id from runs")[0]["id"]
        before, newest = sorted(states_folder(tmp_path / "out", run).glob("step-*"))
        os.truncate(newest / "state-00000.safetensors", 1000)
        assert newest_state(newest.parent)[:3] == (before, 3, False)
        kept = (before / "state-00000.safetensors").read_bytes()
        os.truncate(before / "state-00000.safetensors", 1000)
        logged = losses(store)
        with pytest.raises(LimaError, match=r"No state in .* is complete \(step-00000006, step-00000003 do not match"):
            resume(run, store)
        assert losses(store) == logged
        (before / "state-00000.safetensors").write_bytes(kept)
        resume(run, store)
        assert_equal(whole, tmp_path / "out", store)
    assert list(tmp_path.glob(".out-*")) == []


def test_optimizer_state_goes_round(tmp_path):
    def trained():
        model = tiny_model()
        return model, torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)

    model, optimizer = trained()
    model(input_ids=torch.arange(9)[None]).logits.sum().backward()
    optimizer.step()
    save_state(tmp_path / "s", 1, model, optimizer)
    other, fresh = trained()
    load_state(newest_state(tmp_path / "s")[0], other, fresh)
    assert [
        n for (n, p), q in zip(model.named_parameters(), other.parameters(), strict=True) if not torch.equal(p, q)
    ] == []
    for p, q in zip(model.parameters(), other.parameters(), strict=True):
        assert optimizer.state[p].keys() == fresh.state[q].keys()
        assert all(torch.equal(v, fresh.state[q][k]) for k, v in optimizer.state[p].items())


def test_what_must_not_be_resumed_is_refused_in_a_sentence(whole, base, tmp_path):
    pairs = tmp_path / "pairs.jsonl"
    shutil.copy(whole[0], pairs)
    with Store(tmp_path / "l.db") as store:
        with pytest.raises(Stop):
            fine_tune(recipe(base, pairs, tmp_path / "out"), store, on_step=stop_at(4))
        run = store.rows("select id from runs")[0]["id"]
        with pytest.raises(LimaError, match="was started with seed = 0; it cannot be resumed with 3"):
            resume(run, store, changes={"seed": 3})
        pairs.write_text(pairs.read_text().replace("What is 7", "What was 7"))
        with pytest.raises(LimaError, match="pairs.jsonl' has changed since run"):
            resume(run, store)
        shutil.copy(whole[0], pairs)
        resume(run, store, changes={"seed": 0})
        with pytest.raises(LimaError, match="is done: its model is in"):
            resume(run, store)
        with pytest.raises(LimaError, match="No run 'nope'"):
            resume("nope", store)


@pytest.mark.slow
def test_what_decides_no_result_may_change_on_resuming_and_rounding_is_warned_of(whole, base, tmp_path, caplog):
    pairs = tmp_path / "pairs.jsonl"
    shutil.copy(whole[0], pairs)
    with Store(tmp_path / "l.db") as store:
        with pytest.raises(Stop):
            fine_tune(recipe(base, pairs, tmp_path / "out"), store, on_step=stop_at(4))
        (before,) = store.rows("select id, recipe from runs")
        resume(before["id"], store, changes={"micro_batch_tokens": 77, "gradient_checkpointing": True, "save_every": 3})
        assert "is resumed with another micro_batch_tokens, gradient_checkpointing: sums" in caplog.messages[-1]
        (after,) = store.rows("select status, recipe from runs")
        steps = store.rows("select step from steps order by step")
    assert after["status"] == "done"
    assert [row["step"] for row in steps] == list(range(1, len(steps) + 1))
    wanted = json.loads(before["recipe"]) | {
        "micro_batch_tokens": 77,
        "gradient_checkpointing": True,
        "save_every": 3,
    }
    assert json.loads(after["recipe"]) == wanted


@pytest.mark.slow
def test_code_that_has_changed_since_and_the_place_where_relative_paths_begin_are_named(
    whole, base, tmp_path, monkeypatch, caplog
):
    monkeypatch.chdir(tmp_path)
    shutil.copy(whole[0], tmp_path / "pairs.jsonl")
    with Store(tmp_path / "l.db") as store:
        with pytest.raises(Stop):
            fine_tune(recipe(base, "pairs.jsonl", "out"), store, on_step=stop_at(4))
        run, environment = store.rows("select id, environment from runs")[0].values()
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        with pytest.raises(
            LimaError,
            match=r"'pairs.jsonl' is neither a registered source nor a file.* The run was started in .*: its relative paths",
        ):
            resume(run, store)
        monkeypatch.chdir(tmp_path)
        assert caplog.messages == []
        older = json.loads(environment) | {"torch": "2.0", "processes": "4"}
        with store.write() as db:
            db.table("runs").update(run, {"environment": json.dumps(older)})
        resume(run, store)
        assert [m for m in caplog.messages if "have changed" in m] == [
            f"Since run {run} was started these have changed: torch. It is resumed, but may not end in the same bits as if it "
            "had never stopped."
        ]
        assert_equal(whole, tmp_path / "out", store)


@pytest.mark.slow
def test_two_processes_do_not_train_into_one_folder(whole, base, tmp_path):
    def second(step, steps, metrics):
        with pytest.raises(LimaError, match=r"Another process is training into .*out right now"):
            resume(store.rows("select id from runs")[0]["id"], store)

    with Store(tmp_path / "l.db") as store:
        fine_tune(recipe(base, whole[0], tmp_path / "out", epochs=1), store, on_step=second)
