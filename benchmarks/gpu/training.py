"""Training speed: whole runs of `fine_tune` but for reading and saving the weights, and TRL's SFTTrainer beside them.

Counted are real tokens (padding is not) in the later half of the steps, by their median: in the first ones blocks are
compiled. Knows nothing of which rows are measured, nor of how long they may take.
"""

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from shapes import random_model

BATCH, RANK = 32, 16
PEAK = 989e12
"Operations a second in dense bfloat16 that NVIDIA states for H100 SXM and H200"
FORMULA = (
    "mfu = operations / seconds / 989e12. Operations of a step, two for a multiplication that is added: in full fine-tuning "
    "6 x weights of the linear layers in the blocks x real tokens + 6 x weights of the LM head x trained tokens; with LoRA 4 in "
    "place of both 6, and of the adapters nothing; attention 6 x heads x head width x tokens^2 for each example and layer. "
    "Nothing is counted for recomputing, padding, embeddings, norms, clipping and AdamW."
)


def recipe_of(shape: str, folder: Path, device: str, compile: bool, tokens: int) -> Any:
    from lima import Recipe

    return Recipe(
        base=str(folder),
        sources=(str(folder / "pairs.jsonl"),),
        renderer="plain",
        out=str(Path(tempfile.mkdtemp(dir=folder.parent)) / "out"),
        epochs=1,
        batch_size=BATCH,
        residual_dropout=0.3,
        lora_rank=RANK if shape.startswith("lora") else 0,
        precision="bfloat16",
        device=device,
        compile=compile,
        micro_batch_tokens=tokens,
        gradient_checkpointing=shape == "full 8B",
        save_every=-1,
    )


def prepare_lima(
    shape: str, folder: Path, device: str, compile: bool, tokens: int, profile: Path | None = None
) -> Callable[[], dict]:
    """A run of `fine_tune` whose model is made in memory and not saved; preparing touches no device"""
    from lima import load_plugins
    from lima.data.dataset import prepare
    from lima.train.plan import plan

    recipe = recipe_of(shape, folder, "cpu", compile, tokens)
    ready = prepare(recipe, load_plugins())
    planned = plan(recipe, ready, bfloat16=True, device=device)
    work = operations(
        folder, [(len(r.ids), r.trained) for rows in ready.rendered for r in rows], bool(recipe.lora_rank)
    )
    return lambda: run_lima(replace(recipe, device=device), planned, work, profile)


def run_lima(recipe: Any, planned: Any, work: float, profile: Path | None) -> dict:
    import torch

    from lima import Store, fine_tune
    from lima.model import build
    from lima.train import loop
    from lima.train.plan import GIB

    device = recipe.device
    if device == "cuda" and planned.peak > torch.cuda.get_device_properties(0).total_memory:
        return {"error": f"does not fit: {planned.peak / GIB:.0f} GiB are planned"}
    load_model = build.load_model
    build.load_model = lambda base, weights=True, **more: (
        random_model(base, device) if weights else load_model(base, weights=False, **more)
    )
    loop.write_checkpoint = lambda trainee, run, folder, step: None
    with Store(Path(recipe.out).parent / "l.db") as store, profiled(profile):
        run = fine_tune(recipe, store)
        steps = store.rows("select loss, tokens, seconds from steps order by step")
        message = store.run(run.id)["message"]
    return summary([s["tokens"] for s in steps], [s["seconds"] for s in steps], work, device) | {
        "parameters": planned.parameters,
        "planned_peak_gib": round(planned.peak / GIB, 2),
        "micro_batch_tokens": recipe.micro_batch_tokens,
        "losses": [round(s["loss"], 4) for s in steps],
        **({"note": message} if message else {}),
    }


class profiled:
    """Where a path is given, what the device did in a whole run, by kernel, as a table in that file"""

    def __init__(self, path: Path | None) -> None:
        self.path = path

    def __enter__(self) -> None:
        if self.path:
            from torch.profiler import ProfilerActivity, profile

            self.profile = profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA])
            self.profile.__enter__()

    def __exit__(self, *about: Any) -> None:
        if self.path:
            self.profile.__exit__(*about)
            by = "self_device_time_total"
            self.path.write_text(self.profile.key_averages().table(sort_by=by, row_limit=45, max_name_column_width=90))


def operations(folder: Path, lengths: list[tuple[int, int]], lora: bool) -> float:
    """Operations for a token, by FORMULA, over examples of (tokens, trained tokens)"""
    config = json.loads((folder / "config.json").read_text())
    width, heads = config["hidden_size"], config["num_attention_heads"]
    each = config.get("head_dim") or width // heads
    keys = config["num_key_value_heads"] * each
    block = 2 * width * heads * each + 2 * width * keys + 3 * width * config["intermediate_size"]
    passes, layers = 4 if lora else 6, config["num_hidden_layers"]
    total = sum(
        passes * layers * block * n + passes * config["vocab_size"] * width * trained + 6 * layers * heads * each * n**2
        for n, trained in lengths
    )
    return total / sum(n for n, _ in lengths)


def run_trl(shape: str, folder: Path, device: str) -> dict:
    """TRL's SFTTrainer as it comes, in bfloat16, with the same LoRA"""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoTokenizer, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    os.environ["WANDB_DISABLED"] = "true"
    rows = [json.loads(line) for line in (folder / "pairs.jsonl").read_text().splitlines()]
    data = Dataset.from_list([{"prompt": r["prompt"], "completion": r["response"]} for r in rows])
    seconds: list[float] = []

    class Clock(TrainerCallback):
        def on_step_begin(self, *_, **__):
            self.started = time.perf_counter()

        def on_step_end(self, *_, **__):
            if device == "cuda":
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - self.started)

    config = SFTConfig(
        output_dir=tempfile.mkdtemp(dir=folder.parent),
        max_length=2048,
        per_device_train_batch_size=8,
        gradient_accumulation_steps=BATCH // 8,
        max_steps=len(rows) // BATCH,
        bf16=device == "cuda",
        use_cpu=device == "cpu",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    trainer = SFTTrainer(
        model=random_model(folder, device),
        args=config,
        train_dataset=data,
        processing_class=AutoTokenizer.from_pretrained(folder),
        callbacks=[Clock()],
        peft_config=LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules="all-linear")
        if shape.startswith("lora")
        else None,
    )
    sizes = [len(r["input_ids"]) for r in trainer.train_dataset]
    trainer.train()
    trained = [sum(r.get("completion_mask") or [1] * len(r["input_ids"])) for r in trainer.train_dataset]
    work = operations(folder, list(zip(sizes, trained, strict=True)), shape.startswith("lora"))
    # Its order is its own: every step has the mean number of tokens.
    return summary([sum(sizes) * BATCH / len(rows)] * len(seconds), seconds, work, device)


def summary(tokens: list[float], seconds: list[float], work: float, device: str) -> dict:
    import torch

    half = len(seconds) // 2
    speed = statistics.median(t / s for t, s in zip(tokens[half:], seconds[half:], strict=True))
    on_gpu = device == "cuda"
    return {
        "tokens_per_second": round(speed, 1),
        **({"mfu": round(speed * work / PEAK, 4)} if on_gpu else {}),
        "operations_per_token": work,
        "tokens_per_step": round(statistics.mean(tokens)),
        "first_step_seconds": round(seconds[0], 2),
        "seconds": [round(s, 4) for s in seconds],
        "peak_gib": round(torch.cuda.max_memory_allocated() / 2**30, 2) if on_gpu else None,
        **(allocator() if on_gpu else {}),
    }


def allocator() -> dict:
    """How often the driver was asked for memory, and how much torch held at most: many calls are seconds lost"""
    import torch

    found = torch.cuda.memory_stats()
    return {
        "reserved_gib": round(torch.cuda.max_memory_reserved() / 2**30, 2),
        "driver_allocations": found["num_device_alloc"],
        "driver_frees": found["num_device_free"],
        "allocation_retries": found["num_alloc_retries"],
    }
