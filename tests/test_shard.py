"""Two processes make the steps of one, the model on each of them (DDP) or divided over them (FSDP2), over gloo on the CPU."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from lima.errors import LimaError
from lima.model.folder import load_model
from lima.model.shard import shard_model
from lima.recipe import Recipe
from lima.record.store import Store
from lima.testing import tiny_base, tiny_model
from lima.train.resume_state import newest_state, states_folder
from lima.train.start import fine_tune, resume

pytestmark = pytest.mark.usefixtures("core_alone")

KEYS = {
    "epochs": 2,
    "batch_size": 15,  # of 40 examples: the last step of an epoch is smaller
    "micro_batch_tokens": 100,
    "learning_rate": 1e-3,
    "final_learning_rate": 1e-4,
    "residual_dropout": 0.0,  # each process draws its own
    "device": "cpu",
}
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "LIMA_LOAD_PLUGINS": "", "HF_HUB_OFFLINE": "1"}


@pytest.fixture(scope="module")
def tied(tmp_path_factory):
    return tiny_base(tmp_path_factory.mktemp("tied"), tie_word_embeddings=True)


def values(base, pairs, out, **changes):
    return {"base": str(base), "sources": [str(pairs)], "out": str(out), **KEYS, **changes}


def alone(folder, name, recipe, stop=0):
    """A run of one process, in a database of its own"""

    def on_step(step, steps, metrics):
        if step == stop:
            raise RuntimeError("stop")

    with Store(folder / f"{name}.db") as store:
        fine_tune(Recipe().with_values(recipe), store, on_step=on_step)


def two(folder, jobs):
    """Let two processes do the jobs; for each, by name, what the main one and the other left"""
    file = folder / "jobs.json"
    file.write_text(json.dumps([{"database": str(folder / f"{job['name']}.db"), **job} for job in jobs]))
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    script = Path(__file__).with_name("two_processes.py")
    done = subprocess.run(
        [*launch, str(script), str(file)], env=ENVIRONMENT, capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return {
        job["name"]: [json.loads((folder / f"{job['name']}-{rank}.json").read_text()) for rank in (0, 1)]
        for job in jobs
    }


def rows(folder, name):
    with Store(folder / f"{name}.db") as store:
        return store.rows("select step, loss, gradient_norm from steps order by step")


def newest(folder, name):
    """(newest state, id) of the run in a database"""
    with Store(folder / f"{name}.db") as store:
        run = store.rows("select id from runs")[0]["id"]
    state, step = newest_state(states_folder(folder / name, run))[:2]
    assert step == 4
    return state, run


def assert_same_weights(one, other, tolerance=1e-5):
    wanted, found = load_file(one), load_file(other)
    assert wanted.keys() == found.keys()
    worst = {n: (found[n] - wanted[n]).abs().max().item() for n in wanted}
    assert {n: w for n, w in worst.items() if not w <= tolerance} == {}, other


def assert_same_run(folder, one, other, tolerance=1e-5, of_weights=1e-5):
    """Losses, gradient norms and weights, to what the order of sums changes in float32"""
    wanted, found = rows(folder, one), rows(folder, other)
    assert len(wanted) == len(found) > 0
    for a, b in zip(wanted, found, strict=True):
        assert b == pytest.approx(a, rel=tolerance), other
    assert_same_weights(*(folder / name / "model.safetensors" for name in (one, other)), of_weights)


VARIANTS = {
    "full": {},
    "tied": {},
    "lora": {"lora_rank": 1},
    "lora-tied": {"lora_rank": 4},
    "frozen": {"freeze": "embeddings", "gradient_checkpointing": True},
    "half": {"precision": "bfloat16", "keep_epochs": True},
    "chunks": {},
    "chunks-lora-tied": {"lora_rank": 4},
    "chunks-half": {"precision": "bfloat16"},
    "sees": {},
    "compiled": {},
    "compiled-lora": {"lora_rank": 4, "gradient_checkpointing": True},
    "compiled-half": {"precision": "bfloat16"},
}
WITH_DDP = ("full", "tied", "lora", "half", "chunks", "sees", "compiled-lora")
"Of these, what is tried where each process has the whole model; where it is divided all are"
DIFFERENT = {
    "chunks": {"chunk_bytes": 20_000},  # about a dozen positions of 401 logits
    "compiled": {"backend": "aot_eager"},
    # Half as long; what is made of a graph for the backward pass the other two compiled jobs show.
    "compiled-half": {"backend": "eager"},
}
"How a job differs from the run of one process that it must equal, by its name or the first part of it"


@pytest.mark.slow
@pytest.mark.parametrize("shard", [False, True], ids=["ddp", "fsdp2"])
def test_two_processes_make_the_steps_of_one(base, tied, seeing, pairs, tmp_path, shard):
    def recipe(name, out, **changes):
        chosen = seeing if name == "sees" else tied if "tied" in name else base
        return values(chosen, pairs, tmp_path / out, **changes)

    variants = {name: changes for name, changes in VARIANTS.items() if shard or name in WITH_DDP}
    for name, changes in variants.items():
        alone(tmp_path, f"one-{name}", recipe(name, f"one-{name}", **changes))
    jobs = [
        {
            "name": n,
            "recipe": recipe(n, n, shard=shard, compile="compiled" in n, **changes),
            **(DIFFERENT.get(n) or DIFFERENT.get(n.partition("-")[0], {})),
        }
        for n, changes in variants.items()
    ]
    left = two(tmp_path, jobs)
    for name, changes in variants.items():
        assert [(process["error"], process["steps"]) for process in left[name]] == [("", 6), ("", 6)]
        # A sharded block's norms are computed in bfloat16, other ones in float32. And AdamW's first step is the rate up or down:
        # where a gradient is as good as zero, rounding decides which, for 2 of 46,624 weights here; later steps add a little.
        tolerances = (1e-3, 2.2 * KEYS["learning_rate"]) if "half" in name else (1e-5, 1e-5)
        assert_same_run(tmp_path, f"one-{name}", name, *tolerances)
        one, other = (tmp_path / n for n in (f"one-{name}", name))
        assert sorted(p.name for p in one.iterdir()) == sorted(p.name for p in other.iterdir())
        for file in ("config.json", "generation_config.json"):
            assert (other / file).read_text() == (one / file).read_text()
        if "lora_rank" in changes:
            assert_same_weights(*(n / "adapter" / "adapter_model.safetensors" for n in (one, other)))
    trained = sum(t.numel() for t in load_file(tmp_path / "full" / "model.safetensors").values())
    for process in left["full"]:
        held, share = process["held"], 0.5 if shard else 1.0
        assert held["weights"] == pytest.approx(share * trained, rel=0.02)  # an odd row is padded
        assert held["gradients"] == pytest.approx(share * trained, rel=0.02)
        assert held["moments"] == pytest.approx(2 * share * trained, rel=0.02)
    assert sum(process["held"]["gradients"] for process in left["full"]) == (1 if shard else 2) * trained
    one, other = (AutoModelForCausalLM.from_pretrained(tmp_path / name) for name in ("one-full", "full"))
    logits, found = (model(input_ids=torch.arange(30)[None]).logits for model in (one, other))
    assert type(other) is type(one)
    torch.testing.assert_close(found, logits, rtol=0, atol=1e-4)


@pytest.mark.slow
def test_where_one_of_two_processes_is_short_of_memory_before_the_first_step_both_halve(base, pairs, tmp_path):
    changes = {"whole": {"micro_batch_tokens": 200}, "tighter": {}}
    jobs = [
        {"name": name, "room": room, "recipe": values(base, pairs, tmp_path / name, **changes[name])}
        for name, room in (("whole", 80), ("tighter", 10))
    ]
    alone(tmp_path, "one", values(base, pairs, tmp_path / "one"))
    left = two(tmp_path, jobs)
    assert [process["error"] for process in left["whole"]] == ["", ""]
    assert_same_run(tmp_path, "one", "whole")
    with Store(tmp_path / "whole.db") as store:
        message = store.rows("select message from runs")[0]["message"]
    assert message.startswith("Out of memory with micro_batch_tokens = 200: continued with ")
    for process in left["tighter"]:  # than the longest example
        assert process["error"].startswith("Out of memory with micro-batches of")


@pytest.mark.slow
def test_dev_prompts_are_answered_by_the_divided_model_as_by_the_whole_one(base, pairs, tmp_path):
    """From a folder that is divided once more: where the model needs several devices, none has room for all of it"""
    dev = tmp_path / "dev.jsonl"
    dev.write_text("".join(json.dumps({"prompt": f"Say {n}.", "response": f"It is {n}."}) + "\n" for n in "abcd"))
    changes = {"dev": [str(dev)], "keep_epochs": True, "max_tokens": 100}
    alone(tmp_path, "one", values(base, pairs, tmp_path / "one", **changes))
    (left,) = two(
        tmp_path, [{"name": "two", "recipe": values(base, pairs, tmp_path / "two", shard=True, **changes)}]
    ).values()
    assert [process["error"] for process in left] == ["", ""]
    said, perplexity = [], []
    for name in ("one", "two"):
        with Store(tmp_path / f"{name}.db") as store:
            said.append(store.rows("select epoch, position, reply, stop, tokens from generations"))
            perplexity.append(
                [r["perplexity"] for r in store.rows("select perplexity from checkpoints order by epoch")]
            )
    assert len(said[0]) == 8
    assert said[1] == said[0]
    assert perplexity[1] == pytest.approx(perplexity[0], rel=1e-4)


@pytest.mark.slow
def test_a_process_that_fails_while_a_divided_model_answers_ends_the_others(base, pairs, tmp_path):
    """They wait for it inside the model, where no message reaches them"""
    dev = tmp_path / "dev.jsonl"
    dev.write_text('{"prompt": "Say it.", "response": "It."}\n')
    recipe = values(base, pairs, tmp_path / "out", shard=True, dev=[str(dev)], keep_epochs=True)
    job = {"name": "out", "recipe": recipe, "fail_in": "perplexity"}
    began = time.monotonic()
    with pytest.raises(AssertionError, match="one process alone"):
        two(tmp_path, [job])
    assert time.monotonic() - began < 200  # and not the hours that a process waits for the others
    with Store(tmp_path / "out.db") as store:
        run = store.rows("select id from runs")[0]["id"]
        assert newest_state(states_folder(tmp_path / "out", run)).step == 3


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_processes(base, pairs, tmp_path):
    """Stopped on two and resumed on one, and the other way round, from states of one format; all weights, and LoRA"""
    runs, jobs, of_one = {}, [], {}
    for kind, rank in (("full", 0), ("lora", 4)):
        changes = {"save_every": 2, "lora_rank": rank}
        alone(tmp_path, f"whole-{kind}", values(base, pairs, tmp_path / f"whole-{kind}", **changes))
        with pytest.raises(RuntimeError, match="stop"):
            alone(tmp_path, f"up-{kind}", values(base, pairs, tmp_path / f"up-{kind}", **changes), stop=5)
        state, runs[f"up-{kind}"] = newest(tmp_path, f"up-{kind}")
        of_one[kind] = load_file(state / "state-00000.safetensors")
        recipe = values(base, pairs, tmp_path / f"down-{kind}", shard=True, **changes)
        jobs += [
            {"name": f"down-{kind}", "recipe": recipe, "stop": 5},
            {"name": f"up-{kind}", "resume": runs[f"up-{kind}"], "changes": {"shard": True}},
        ]
    left = two(tmp_path, jobs)
    for kind in ("full", "lora"):
        assert [(process["error"], process["steps"]) for process in left[f"down-{kind}"]] == [("Stop", 5), ("Stop", 5)]
        assert [(process["error"], process["steps"]) for process in left[f"up-{kind}"]] == [("", 2), ("", 2)]
        assert_same_run(tmp_path, f"whole-{kind}", f"up-{kind}")
        state, run = newest(tmp_path, f"down-{kind}")
        assert sorted(file.name for file in state.iterdir()) == ["state-00000.safetensors", "state.json"]
        of_two = load_file(state / "state-00000.safetensors")
        assert {n: (t.shape, t.dtype) for n, t in of_two.items()} == {
            n: (t.shape, t.dtype) for n, t in of_one[kind].items()
        }
        with Store(tmp_path / f"down-{kind}.db") as store:
            with pytest.raises(
                LimaError, match="there is one process, and nothing to divide the model over. Start one"
            ):
                resume(run, store)
            resume(run, store, changes={"shard": False})
        assert_same_run(tmp_path, f"whole-{kind}", f"down-{kind}")


@pytest.mark.slow
def test_a_full_disk_ends_both_processes(base, pairs, tmp_path):
    """While a state is saved and while the model is; told by a limit on the size of files"""
    limits = {"state": (400_000, {"save_every": 1}), "model": (180_000, {"save_every": -1})}
    jobs = [
        {"name": name, "recipe": values(base, pairs, tmp_path / name, shard=shard, **changes), "disk": limit}
        for what, (limit, changes) in limits.items()
        for name, shard in ((what, False), (f"{what}-sharded", True))
    ]
    left = two(tmp_path, jobs)
    for name, (main, other) in left.items():
        what = "the state of step 1" if "state" in name else "the model"
        assert main["error"] == other["error"]
        assert main["error"].startswith(f"Cannot save {what} to {tmp_path}")
        with Store(tmp_path / f"{name}.db") as store:
            (row,) = store.rows("select id, status, message from runs")
        # What is said on the screen is what is recorded, and how to resume.
        assert row["status"] == "failed"
        assert main["error"].startswith(row["message"])
        assert f"lima train --resume {row['id']}" in main["error"].removeprefix(row["message"])
        assert not (tmp_path / name).exists()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="finds the processes in /proc")
def test_killed_as_a_whole_on_two_processes_it_goes_on_on_one(base, pairs, tmp_path):
    """kill −9 of a real command under `accelerate launch`, and of all that it started"""
    changes = {"epochs": 8, "save_every": 1}
    alone(tmp_path, "whole", values(base, pairs, tmp_path / "whole", **changes))
    recipe = values(base, pairs, tmp_path / "out", **changes)
    settings = [f"--set={k}={json.dumps(v)}" for k, v in recipe.items()]
    launch = [sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch", "--multi_gpu", "--num_processes=2"]
    plain = ["--num_machines=1", "--mixed_precision=no", "--dynamo_backend=no", "--main_process_port=0"]
    command = [*launch, *plain, "-m", "lima", "train", *settings, "--set=shard=true", "-d", str(tmp_path / "out.db")]
    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    while process.poll() is None and not any(tmp_path.glob(".out-*/step-*[3-9]")):
        time.sleep(0.002)
    assert process.poll() is None, process.communicate()[0]
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for pid in [process.pid, *map(int, children)]:
        os.kill(pid, signal.SIGKILL)
    process.communicate()
    assert len(children) == 2
    with Store(tmp_path / "out.db") as store:
        (row,) = store.rows("select id, status from runs")
        assert row["status"] == "running"
        assert newest_state(states_folder(tmp_path / "out", row["id"]))[1] < 24
        resume(row["id"], store, changes={"shard": False})
    assert_same_run(tmp_path, "whole", "out", 1e-4, 1e-4)


def test_what_cannot_be_divided_is_refused_before_anything_is_read(base, pairs, tmp_path, monkeypatch):
    recipe = Recipe().with_values(values(base, pairs, tmp_path / "out", shard=True))
    with Store(tmp_path / "l.db") as store:
        with pytest.raises(LimaError, match=r"there is one process.*torchrun --nproc-per-node N -m lima train"):
            fine_tune(recipe, store)
        monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
        with pytest.raises(LimaError, match=r"ACCELERATE_USE_FSDP is set.*set shard=true"):
            fine_tune(recipe, store)
        assert store.rows("select * from runs") == []
    with pytest.raises(LimaError, match="LayerNorm does not take the bfloat16 weights.*Set precision=float32"):
        shard_model(tiny_model("gpt2"), torch.device("cpu"), bfloat16=True)


def test_the_structure_of_a_checkpoint_has_its_dtype_and_stops_without_its_weights(tmp_path):
    """As the processes that receive their parts of it build it, on a GPU in the dtype that was saved"""
    base = tiny_base(tmp_path / "base")
    model = load_model(base, "bfloat16")
    model.config.dtype = torch.bfloat16
    model.generation_config.eos_token_id = [7, 1]
    model.save_pretrained(tmp_path / "half")
    for dtype, found in (("auto", torch.bfloat16), ("float32", torch.float32)):
        ghost = load_model(tmp_path / "half", dtype, weights=False)
        assert {(p.device.type, p.dtype) for p in ghost.parameters()} == {("meta", found)}
        assert ghost.generation_config.eos_token_id == [7, 1]
