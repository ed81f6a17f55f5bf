"""Fine-tuning speed and peak memory on CPU beside TRL's SFTTrainer: same model, same examples in the same order, same steps.

    python -m venv .venv-bench && .venv-bench/bin/pip install -c constraints.txt -e . -e plugins/lima-chat trl==1.16.0
    .venv-bench/bin/python benchmarks/train_cpu.py --rounds 5 --out benchmarks/results/train_cpu.json

Every arm runs in a process of its own, the arms in turn, `rounds` times; the ratio is of medians. Time is that of the steps
alone, after loading and preparing. The losses are compared step by step: where data, order and masks are the same they agree.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import lima_like

ARMS = ("lima", "lima compiled", "lima bf16", "trl", "trl kept", "trl packed")
"""lima: its default; compiled: with compile=true, timed in a second epoch, when all graphs are there. trl: its default, which
recomputes activations, but in float32 as all but one; kept: without recomputing; packed: that, in rows of 4,096 tokens"""
BATCH, STEPS, RATE = 32, 2, 1e-4
TEMPLATE = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def make(folder: Path, heads: int) -> None:
    """The base (about 7M parameters, of so many heads) and the single exchanges, in the order in which lima will take them"""
    from transformers import LlamaConfig, LlamaForCausalLM

    from lima.testing import tiny_tokenizer
    from lima.train.batching import epoch_order

    talks = [t for t in lima_like.conversations(share=0.4) if len(t) == 2][: BATCH * STEPS]
    sample = " ".join(m["content"] for t in talks for m in t)
    tokenizer = tiny_tokenizer(("<|endoftext|>", "<|im_start|>", "<|im_end|>"), text=sample, vocabulary=8000)
    tokenizer.chat_template = TEMPLATE
    tokenizer.pad_token = "<|endoftext|>"
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=256,
        intermediate_size=704,
        num_hidden_layers=6,
        num_attention_heads=heads,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder / "base")
    tokenizer.save_pretrained(folder / "base")
    lines = [json.dumps({"messages": t}) for t in talks]
    (folder / "talks.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "ordered.jsonl").write_text("\n".join(lines[i] for i in epoch_order(len(lines), 0, 1)) + "\n")


def run_lima(folder: Path, precision: str, compiled: bool) -> dict:
    from lima import Recipe, Store, fine_tune

    recipe = Recipe(
        base=str(folder / "base"),
        sources=(str(folder / "talks.jsonl"),),
        renderer="chatml",
        out=str(Path(tempfile.mkdtemp(dir=folder)) / "out"),
        epochs=2 if compiled else 1,
        batch_size=BATCH,
        learning_rate=RATE,
        final_learning_rate=RATE,
        residual_dropout=0.0,
        precision=precision,
        compile=compiled,
        device="cpu",
        micro_batch_tokens=1536,
        save_every=-1,
    )
    with Store(Path(recipe.out).parent / "l.db") as store:
        fine_tune(recipe, store)
        rows = store.rows("select epoch, loss, tokens, seconds from steps order by step")
    timed = [r for r in rows if r["epoch"] == recipe.epochs]
    return {
        "losses": [r["loss"] for r in rows if r["epoch"] == 1],
        "tokens": sum(r["tokens"] for r in timed),
        "seconds": sum(r["seconds"] for r in timed),
    }


def run_trl(folder: Path, packed: bool, recompute: bool) -> dict:
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import SFTConfig, SFTTrainer

    talks = [json.loads(line)["messages"] for line in (folder / "ordered.jsonl").read_text().splitlines()]
    data = Dataset.from_list([{"prompt": t[:1], "completion": t[1:]} for t in talks])

    class Clock(TrainerCallback):
        seconds, losses, started = 0.0, [], 0.0

        def on_step_begin(self, *_, **__):
            self.started = time.perf_counter()

        def on_step_end(self, *_, **__):
            self.seconds += time.perf_counter() - self.started

        def on_log(self, args, state, control, logs=None, **__):
            if "loss" in logs:
                self.losses.append(logs["loss"])

    config = SFTConfig(
        output_dir=tempfile.mkdtemp(dir=folder),
        max_length=4096,
        # Packed rows hold 4,096 tokens: eight at once need more than 24 GiB here. Four rows a step make the steps of the data.
        per_device_train_batch_size=1 if packed else 8,
        gradient_accumulation_steps=4 if packed else BATCH // 8,
        num_train_epochs=1,
        max_steps=STEPS,
        learning_rate=RATE,
        lr_scheduler_type="constant",
        adam_beta2=0.95,
        weight_decay=0.1,
        use_cpu=True,
        bf16=False,
        packing=packed,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        gradient_checkpointing=recompute,
        train_sampling_strategy="sequential",
    )
    clock = Clock()
    trainer = SFTTrainer(model=str(folder / "base"), args=config, train_dataset=data, callbacks=[clock])
    tokens = sum(len(r["input_ids"]) for r in trainer.train_dataset)
    trainer.train()
    if packed:  # packing puts several examples into a row: only the rows of these steps were read
        tokens = sum(
            len(r["input_ids"])
            for r in trainer.train_dataset.select(range(min(BATCH * STEPS, len(trainer.train_dataset))))
        )
    return {"losses": clock.losses, "tokens": tokens, "seconds": clock.seconds}


def one(arm: str, folder: Path) -> None:
    """Run one arm here and print its result"""
    import torch

    torch.set_num_threads(2)
    result = (
        run_trl(folder, "packed" in arm, arm == "trl")
        if arm.startswith("trl")
        else run_lima(folder, "bfloat16" if "bf16" in arm else "float32", "compiled" in arm)
    )
    result["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    result["tokens_per_second"] = result["tokens"] / result["seconds"]
    print("RESULT " + json.dumps(result))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--arms", nargs="+", default=ARMS, choices=ARMS, help="bfloat16 needs a processor that has it")
    parser.add_argument("--heads", type=int, default=8, help="of a width of 256: 8 are 32 wide, 4 are 64")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--arm")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    if options.arm:
        one(options.arm, options.folder)
        return
    folder = Path(tempfile.mkdtemp(prefix="lima-bench-"))
    make(folder, options.heads)
    arms = [arm for arm in ARMS if arm in options.arms]
    found: dict[str, list[dict]] = {a: [] for a in arms}
    for number in range(options.rounds):
        for arm in arms:
            command = [sys.executable, __file__, "--arm", arm, "--folder", str(folder)]
            done = subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "2"}, capture_output=True, text=True)
            if done.returncode:
                sys.exit(f"{arm}: {done.stderr[-2000:]}")
            found[arm].append(json.loads(done.stdout.rpartition("RESULT ")[2]))
            print(
                f"{number + 1} {arm:<12} {found[arm][-1]['tokens_per_second']:8.0f} tokens/s, losses {found[arm][-1]['losses']}",
                flush=True,
            )
    median = {
        a: {k: statistics.median(r[k] for r in found[a]) for k in ("tokens_per_second", "seconds", "peak_mb", "tokens")}
        for a in arms
    }
    report = {
        "date": str(date.today()),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "versions": {n: version(n) for n in ("lima-tune", "trl", "torch", "transformers", "accelerate")},
        "rounds": options.rounds,
        "heads": options.heads,
        "medians": median,
        "losses": {a: found[a][0]["losses"] for a in arms},
        "ratios_of_tokens_per_second": {
            f"lima / {a}": round(median["lima"]["tokens_per_second"] / median[a]["tokens_per_second"], 2)
            for a in arms[1:]
        },
        "ratio_of_peak_memory": {
            f"lima / {a}": round(median["lima"]["peak_mb"] / median[a]["peak_mb"], 2)
            for a in arms
            if a.startswith("trl")
        },
    }
    print(json.dumps(report, indent=2))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
