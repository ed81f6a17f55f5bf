"""Fine-tuning speed on one GPU: real (unpadded) tokens a second, share of the card's peak (MFU), and TRL beside it.

    python benchmarks/train_gpu.py --out benchmarks/results/train_gpu.json      # one call, under ten minutes on an H100 or H200
    python benchmarks/train_gpu.py --only lora --seconds 3000                    # some of it, with more time
    python benchmarks/train_gpu.py --tiny                                        # the same code on a tiny shape, on any machine

Random weights in published shapes, made on the card: nothing is downloaded, and no model is written. Every arm runs in a
process of its own; what no time is left for, does not fit, fails or is not installed is a row that says so. lima's arms are
whole runs of `fine_tune` but for reading and saving the weights. Of the steps the later half counts, by its median: in the
first ones blocks are compiled.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import lima_like

PEAK = 989e12
"Operations a second in dense bfloat16 that NVIDIA states for H100 SXM and H200"
BATCH, STEPS, RANK = 32, 16, 16


def qwen(kind: str, width: int, inner: int, layers: int, heads: int, groups: int, tied: bool = True) -> dict:
    more = {"head_dim": 128} if kind == "qwen3" else {}
    return {
        "model_type": kind,
        "vocab_size": 151_936,
        "hidden_size": width,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": groups,
        "max_position_embeddings": 32_768,
        "tie_word_embeddings": tied,
        **more,
    }


SHAPES = {
    "full 0.5B": qwen("qwen2", 896, 4864, 24, 14, 2),
    "full 1.5B": qwen("qwen2", 1536, 8960, 28, 12, 2),
    "full 8B": qwen("llama", 4096, 14_336, 32, 32, 8, tied=False) | {"vocab_size": 128_256},
    "lora 0.6B": qwen("qwen3", 1024, 3072, 28, 16, 8),
    "lora 1.7B": qwen("qwen3", 2048, 6144, 28, 16, 8),
    "lora 8B": qwen("qwen3", 4096, 12_288, 36, 32, 8, tied=False),
}
"Qwen 2 (2.5 has its shapes), Llama 3 and Qwen 3"
TINY = {
    "full tiny": qwen("qwen2", 32, 48, 3, 4, 2) | {"vocab_size": 9000},
    "lora tiny": qwen("qwen3", 32, 48, 3, 4, 2) | {"vocab_size": 9000, "head_dim": 8},
}
ENGINES = ("lima", "trl", "lima eager")


def make(folder: Path, values: dict, length: float) -> None:
    """A base without its weights, and examples in LIMA's lengths"""
    import torch
    from safetensors.torch import save_file
    from transformers import AutoConfig

    from lima.testing import tiny_tokenizer

    talks = [t for t in lima_like.conversations(length=length) if len(t) == 2][: BATCH * STEPS]
    sample = " ".join(m["content"] for t in talks[:100] for m in t)
    tokenizer = tiny_tokenizer(text=sample, vocabulary=8000)
    tokenizer.pad_token = "<|endoftext|>"
    values = {k: v for k, v in values.items() if k != "model_type"} | {"bos_token_id": None, "eos_token_id": 0}
    AutoConfig.for_model(SHAPES_AND_TINY[folder.name]["model_type"], **values).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    save_file({"lm_head.weight": torch.zeros(1, dtype=torch.bfloat16)}, folder / "model.safetensors")
    rows = [{"prompt": t[0]["content"], "response": t[1]["content"]} for t in talks]
    (folder / "pairs.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))


SHAPES_AND_TINY = SHAPES | TINY


def random_model(folder: str | Path, device: str, dtype: str = "float32"):
    """The causal LM of a folder's configuration with random weights, made where it will be trained"""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    with torch.device(device):
        return AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder), dtype=getattr(torch, dtype))


def recipe_of(shape: str, folder: Path, device: str, compile: bool):
    from lima import Recipe

    return Recipe(
        base=str(folder),
        sources=(str(folder / "pairs.jsonl"),),
        out=str(Path(tempfile.mkdtemp(dir=folder.parent)) / "out"),
        epochs=1,
        batch_size=BATCH,
        residual_dropout=0.3,
        lora_rank=RANK if "lora" in shape else 0,
        precision="bfloat16",
        device=device,
        compile=compile,
        micro_batch_tokens=1024 if "tiny" in shape else 16_384,
        gradient_checkpointing=shape == "full 8B",
        save_every=-1,
    )


def run_lima(shape: str, folder: Path, device: str, compile: bool) -> dict:
    """A run of `fine_tune` whose model is made in memory and not saved"""
    import torch

    from lima import Store, fine_tune, load_plugins, loop
    from lima.plan import GIB, plan
    from lima.prepare import prepare

    recipe = recipe_of(shape, folder, device, compile)
    found = plan(recipe, prepare(recipe, load_plugins()), bfloat16=True)
    if device == "cuda" and found.peak > torch.cuda.get_device_properties(0).total_memory:
        return {"error": f"does not fit: {found.peak / GIB:.0f} GiB are planned"}
    loop.load_model = lambda base, **_: random_model(base, device)
    loop.Loop.save = lambda self, folder: None
    with Store(Path(recipe.out).parent / "l.db") as store:
        fine_tune(recipe, store)
        steps = store.rows("select loss, tokens, seconds from steps order by step")
    # Recomputing is not counted: it is a way to get the step, not a part of it.
    passes = 2 if recipe.lora_rank else 3
    operations = found.operations * passes / (passes + recipe.gradient_checkpointing) / found.tokens
    return summary([s["tokens"] for s in steps], [s["seconds"] for s in steps], device) | {
        "operations_per_token": operations,
        "planned_peak_gib": round(found.peak / GIB, 2),
        "losses": [round(s["loss"], 4) for s in steps],
        "parameters": found.parameters,
    }


def run_trl(shape: str, folder: Path, device: str) -> dict:
    """TRL's SFTTrainer as it comes, in bfloat16, with the same LoRA"""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoTokenizer, TrainerCallback
    from trl import SFTConfig, SFTTrainer

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
        max_steps=STEPS,
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
        peft_config=LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules="all-linear") if "lora" in shape else None,
    )
    tokens = sum(len(r["input_ids"]) for r in trainer.train_dataset)
    trainer.train()
    # Its order is its own: every step has the mean number of tokens.
    return summary([tokens * BATCH / len(rows)] * len(seconds), seconds, device)


def summary(tokens: list[float], seconds: list[float], device: str) -> dict:
    import torch

    half = len(seconds) // 2
    return {
        "tokens_per_second": statistics.median(t / s for t, s in zip(tokens[half:], seconds[half:], strict=True)),
        "first_step_seconds": round(seconds[0], 2),
        "seconds": [round(s, 4) for s in seconds],
        "peak_gib": round(torch.cuda.max_memory_allocated() / 2**30, 2) if device == "cuda" else None,
    }


def one(engine: str, shape: str, folder: Path, device: str) -> None:
    """Run one arm here and print its result"""
    try:
        found = (
            run_trl(shape, folder, device)
            if engine == "trl"
            else run_lima(shape, folder, device, compile=engine == "lima")
        )
    except Exception as e:  # a row says it; the other arms go on
        found = {"error": f"{type(e).__name__}: {' '.join(str(e).split())[:300]}"}
    print("RESULT " + json.dumps(found))


def run_arm(engine: str, shape: str, folder: Path, device: str, seconds: float) -> dict:
    """An arm in a process of its own"""
    if engine == "trl" and not installed("trl"):
        return {"error": "trl is not installed"}
    if seconds < 30:
        return {"error": "not run: no time was left"}
    command = [sys.executable, __file__, "--arm", engine, shape, str(folder), device]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, env=os.environ)
    except subprocess.TimeoutExpired:
        return {"error": "stopped: no time was left"}
    if "RESULT " not in done.stdout:
        return {"error": done.stderr.strip()[-300:] or f"ended with {done.returncode}"}
    return json.loads(done.stdout.rpartition("RESULT ")[2])


def installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path)
    parser.add_argument("--only", default="", help="only the arms whose shape has this in its name")
    parser.add_argument("--seconds", type=float, default=560)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--arm", nargs=4)
    options = parser.parse_args()
    if options.arm:
        engine, shape, folder, device = options.arm
        one(engine, shape, Path(folder), device)
        return
    import torch

    ends = time.monotonic() + options.seconds
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu" and not options.tiny:
        sys.exit("No GPU is seen here. --tiny tries the code on this machine.")
    shapes = {k: v for k, v in (TINY if options.tiny else SHAPES).items() if options.only in k}
    folders = {shape: Path(tempfile.mkdtemp(prefix="lima-bench-")) / shape for shape in shapes}
    for shape, folder in folders.items():
        folder.mkdir()
        make(folder, shapes[shape], 0.1 if options.tiny else 1.0)
    rows = []
    for engine in ENGINES:
        for shape, folder in folders.items():
            row = {"engine": engine, "shape": shape, **run_arm(engine, shape, folder, device, ends - time.monotonic())}
            rows.append(row)
            print(json.dumps({k: v for k, v in row.items() if k not in ("losses", "seconds")}), flush=True)
    report = {
        "date": str(date.today()),
        "card": torch.cuda.get_device_name() if device == "cuda" else "none: a check of the code, no measurement",
        "versions": {n: installed(n) for n in ("lima-tune", "torch", "transformers", "peft", "trl", "triton")},
        "rows": with_ratios(rows, device),
    }
    text = json.dumps(report, indent=2)
    print(text)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text + "\n")


def with_ratios(rows: list[dict], device: str) -> list[dict]:
    """The rows with MFU, for which operations are those that the same work takes in lima, and each one's ratio to TRL's"""
    speed = {(r["engine"], r["shape"]): r.get("tokens_per_second") for r in rows}
    work = {r["shape"]: r["operations_per_token"] for r in rows if "operations_per_token" in r}
    for row in rows:
        shape, found, trl = row["shape"], row.get("tokens_per_second"), speed.get(("trl", row["shape"]))
        if found and device == "cuda" and shape in work:
            row["mfu"] = round(found * work[shape] / PEAK, 4)
        if found and trl and row["engine"] != "trl":
            row["times_trl"] = round(found / trl, 2)
    return rows


if __name__ == "__main__":
    main()
