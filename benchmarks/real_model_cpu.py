"""Fine-tuning and answering of a real model on a CPU beside TRL and transformers, and beside what the machine can do.

    python -m venv .venv-bench && .venv-bench/bin/pip install -c constraints.txt -e . -e plugins/lima-chat trl==1.16.0
    .venv-bench/bin/python benchmarks/real_model_cpu.py --base FOLDER --out benchmarks/results/real_model_cpu.json

FOLDER is SmolLM2-135M (`lima base-models fetch smollm2`, or the folder of any Llama-like model with a chat template). Trained
are the sixteen exchanges of `data/sixteen_exchanges.jsonl`, two epochs, eight a step. Every arm runs in a process of its own, the
arms in turn, `--rounds` times; ratios are of medians. Each training process also clocks the machine: how fast torch and oneDNN
multiply in float32 and bfloat16, and how fast memory is read. The operations of a model are 6 × its parameters × real tokens
(4 × with LoRA, which makes hardly any gradient of weights), and of attention 6 × layers × width × the sum of squared lengths.
`--shape` takes a model of 30M parameters with random weights in the base's place.
"""

import argparse
import hashlib
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

DATA = Path(__file__).parent / "data" / "sixteen_exchanges.jsonl"
DATA_HASH = "da42b2af707427eb2b23d418ecef686f213f1396c8abca8356d7cb53fc057131"
TRAINING = ("lima", "lima bf16", "trl", "trl packed", "lima lora", "trl lora")
ANSWERING = ("lima 10", "lima 30", "transformers 10", "transformers 30")
ARMS = (*TRAINING, *(f"{arm}{kind}" for arm in ANSWERING for kind in ("", " bf16")))
BATCH, RATE, RANK = 8, 1e-5, 16
LONGEST = 220


def shaped(shape: str, base: Path, folder: Path) -> Path:
    """A model of that architecture with about 30M parameters and the base's tokenizer"""
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    about = {"hidden_size": 320, "intermediate_size": 896, "num_hidden_layers": 12, "head_dim": 64}
    about |= {
        "num_attention_heads": 5,
        "num_key_value_heads": 1 if shape == "gemma" else 5,
        "tie_word_embeddings": True,
    }
    config = AutoConfig.for_model(shape, vocab_size=len(tokenizer), **about)
    config.eos_token_id, config.bos_token_id, config.pad_token_id = tokenizer.eos_token_id, None, None
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def exchanges() -> list[list[dict]]:
    text = DATA.read_bytes()
    if hashlib.sha256(text).hexdigest() != DATA_HASH:
        sys.exit(f"{DATA} is not the one that the figures are of.")
    return [json.loads(line)["messages"] for line in text.decode().splitlines()]


def median_seconds(what, times: int = 5) -> float:
    import torch

    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    what()
    taken = []
    for _ in range(times):
        started = clock()
        what()
        taken.append(clock() - started)
    return statistics.median(taken)


def machine() -> dict[str, float]:
    """GFLOP/s of products of 2,048 rows with a matrix of 2,048 × 2,048, and GB/s of reading a gigabyte"""
    import torch
    import torch.nn.functional as F

    rows, weight = torch.randn(2048, 2048), torch.randn(2048, 2048)
    half, half_weight = rows.bfloat16(), weight.bfloat16()
    onednn = getattr(torch.ops.mkldnn, "_linear_pointwise", None)
    with torch.no_grad():
        speeds = {
            "torch float32": lambda: F.linear(rows, weight),
            "oneDNN float32": lambda: onednn(rows, weight, None, "none", [], ""),
            "bfloat16": lambda: F.linear(half, half_weight),
        }
        found = {name: 2 * 2048**3 / median_seconds(what) / 1e9 for name, what in speeds.items()}
        much = torch.ones(2**28)
        found["memory GB/s"] = much.nbytes / median_seconds(much.sum) / 1e9
    return found


class Clock:
    """Seconds, of the clock and of the processor, that blocks took together"""

    def __init__(self) -> None:
        self.seconds = self.processor_seconds = 0.0

    def __enter__(self) -> None:
        self.seconds -= time.perf_counter()
        self.processor_seconds -= time.process_time()

    def __exit__(self, *_) -> None:
        self.seconds += time.perf_counter()
        self.processor_seconds += time.process_time()


def run_lima(base: Path, precision: str, rank: int, epochs: int) -> dict:
    from lima import Recipe, Store, fine_tune
    from lima.train.loop import Loop

    clock, step = Clock(), Loop.one_step

    def timed(*about):
        with clock:
            step(*about)

    Loop.one_step = timed
    folder = Path(tempfile.mkdtemp(prefix="lima-real-"))
    recipe = Recipe(
        base=str(base),
        sources=(f"openai:{DATA}",),
        out=str(folder / "out"),
        epochs=epochs,
        batch_size=BATCH,
        learning_rate=RATE,
        final_learning_rate=RATE,
        residual_dropout=0.0,
        precision=precision,
        lora_rank=rank,
        device="cpu",
        save_every=-1,
    )
    with Store(folder / "l.db") as store:
        fine_tune(recipe, store)
        rows = store.rows("select loss, tokens from steps order by step")
    return {"losses": [row["loss"] for row in rows], "tokens": sum(row["tokens"] for row in rows), **vars(clock)}


def run_trl(base: Path, packed: bool, rank: int, epochs: int) -> dict:
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import TrainerCallback
    from trl import SFTConfig, SFTTrainer

    from lima.train.batching import epoch_order

    talks = exchanges()
    talks = [
        talks[at] for epoch in range(1, epochs + 1) for at in epoch_order(len(talks), 0, epoch)
    ]  # as lima takes them
    data = Dataset.from_list([{"prompt": t[:1], "completion": t[1:]} for t in talks])

    clock, losses = Clock(), []

    class Clocked(TrainerCallback):
        def on_step_begin(self, *_, **__):
            clock.__enter__()

        def on_step_end(self, *_, **__):
            clock.__exit__()

        def on_log(self, args, state, control, logs=None, **__):
            if "loss" in logs:
                losses.append(logs["loss"])

    config = SFTConfig(
        output_dir=tempfile.mkdtemp(prefix="lima-real-"),
        max_length=2048,
        per_device_train_batch_size=2 if packed else BATCH,  # rows of 2,048 tokens hold about four exchanges each
        num_train_epochs=1,
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
        train_sampling_strategy="sequential",
        model_init_kwargs={"dtype": "float32"},
    )
    adapter = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear") if rank else None
    trainer = SFTTrainer(model=str(base), args=config, train_dataset=data, callbacks=[Clocked()], peft_config=adapter)
    tokens = sum(len(row["input_ids"]) for row in trainer.train_dataset)
    trainer.train()
    return {"losses": losses, "tokens": tokens, **vars(clock)}


def run_answering(base: Path, arm: str) -> dict:
    """Greedy replies to the beginnings of ten exchanges, or of thirty, which are ten with three system prompts

    They end at LONGEST tokens, not at the end of a turn, which in bfloat16 comes elsewhere: so all have the same to do."""
    import torch

    from lima import CheckpointModel, Sampling

    precision = "bfloat16" if arm.endswith("bf16") else "float32"
    model = CheckpointModel(base, device="cpu", precision=precision)
    said = [talk[:1] for talk in exchanges()[:10]]
    if " 30" in arm:
        voices = ("You are brief.", "You are a helpful assistant.", "You are kind, and answer in full sentences.")
        said = [[{"role": "system", "content": voice}, *talk] for voice in voices for talk in said]
    prompts = [
        model.tokenizer.apply_chat_template(t, add_generation_prompt=True, tokenize=True, return_dict=False)
        for t in said
    ]
    model.stop_ids = [max(model.tokenizer.added_tokens_decoder)]  # one that no reply has
    settings = Sampling(temperature=0, repetition_penalty=1.0, max_new_tokens=LONGEST)
    clock = Clock()
    if arm.startswith("lima"):
        with clock:
            replies = [reply.ids for reply in model.reply(prompts, settings, 0)]
    else:
        from transformers import AutoModelForCausalLM

        theirs = AutoModelForCausalLM.from_pretrained(base, dtype=getattr(torch, precision)).eval()
        width, pad = max(map(len, prompts)), model.stop_ids[0]
        with clock:
            found = theirs.generate(
                torch.tensor([[pad] * (width - len(p)) + p for p in prompts]),
                attention_mask=torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts]),
                max_new_tokens=LONGEST,
                do_sample=False,
                pad_token_id=pad,
                eos_token_id=pad,
            )[:, width:].tolist()
        replies = [ids[: next((at for at, i in enumerate(ids) if i in model.stop_ids), len(ids))] for ids in found]
    return {"tokens": sum(map(len, replies)), "replies": replies, **vars(clock)}


def operations(base: Path, tokens: int, lora: bool) -> float:
    """Of a run of `tokens` in all: 6 × parameters × tokens, and attention (causal: half of the scores)"""
    from transformers import AutoConfig, AutoTokenizer

    from lima.model.folder import load_model

    config, tokenizer = AutoConfig.from_pretrained(base), AutoTokenizer.from_pretrained(base)
    parameters = sum(p.numel() for p in load_model(base, weights=False).parameters())
    lengths = [len(tokenizer.apply_chat_template(t, tokenize=True, return_dict=False)) for t in exchanges()]
    width = config.num_attention_heads * config.head_dim
    attention = 6 * config.num_hidden_layers * width * sum(length**2 for length in lengths) * tokens / sum(lengths)
    return (4 if lora else 6) * parameters * tokens + attention


def one(arm: str, base: Path, epochs: int, threads: int) -> None:
    """Run one arm here and print its result"""
    import torch

    torch.set_num_threads(threads)
    if arm in TRAINING:
        rank = RANK if "lora" in arm else 0
        precision = "bfloat16" if "bf16" in arm else "float32"
        if arm.startswith("lima"):
            result = run_lima(base, precision, rank, epochs)
        else:
            result = run_trl(base, "packed" in arm, rank, epochs)
        result["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        result |= machine()
    else:
        result = run_answering(base, arm)
    # One thread waits for no other: its processor time is what it would take on a machine of its own.
    taken = result["processor_seconds" if threads == 1 else "seconds"]
    result["tokens_per_second"] = result["tokens"] / taken
    if arm in TRAINING:
        result["gflops"] = operations(base, result["tokens"], "lora" in arm) / taken / 1e9
    print("RESULT " + json.dumps(result))


def share(row: dict[str, float], precision: str) -> float:
    """Which part of the machine's own best speed the steps reach"""
    best = row["bfloat16"] if precision == "bf16" else max(row["torch float32"], row["oneDNN float32"])
    return round(row["gflops"] / best, 2)


def report(options: argparse.Namespace, found: dict[str, list[dict]]) -> dict:
    """Medians and their ratios"""
    medians = {
        arm: {k: statistics.median(r[k] for r in rows) for k, v in rows[0].items() if not isinstance(v, list)}
        for arm, rows in found.items()
    }
    speed = {arm: row["tokens_per_second"] for arm, row in medians.items()}
    ratios, memory = {}, {}
    for ours in [arm for arm in speed if arm.startswith("lima")]:
        for theirs in [arm for arm in speed if not arm.startswith("lima") and (arm in TRAINING) == (ours in TRAINING)]:
            alike = ("lora" in ours) == ("lora" in theirs) and (" 30" in ours) == (" 30" in theirs)
            if alike:
                ratios[f"{ours} / {theirs}"] = round(speed[ours] / speed[theirs], 2)
            if alike and ours in TRAINING:
                memory[f"{ours} / {theirs}"] = round(medians[ours]["peak_mb"] / medians[theirs]["peak_mb"], 2)
    replies = {arm: rows[0]["replies"] for arm, rows in found.items() if "replies" in rows[0]}
    same = {
        f"{size}{kind}": replies[f"lima {size}{kind}"] == replies[f"transformers {size}{kind}"]
        for size in ("10", "30")
        for kind in ("", " bf16")
        if {f"lima {size}{kind}", f"transformers {size}{kind}"} <= set(replies)
    }
    return {
        "date": str(date.today()),
        "machine": f"{processor()}, {os.cpu_count()} cores",
        "versions": {n: version(n) for n in ("lima-tune", "trl", "torch", "transformers", "peft")},
        "rounds": options.rounds,
        "epochs": options.epochs,
        "threads": options.threads,
        "time": "processor" if options.threads == 1 else "clock",
        "base": options.shape or "smollm2",
        "data": DATA_HASH,
        "medians": medians,
        "losses": {arm: rows[0]["losses"] for arm, rows in found.items() if "losses" in rows[0]},
        "ratios_of_tokens_per_second": ratios,
        "ratios_of_peak_memory": memory,
        "share_of_the_machines_best": {
            arm: share(row, arm.rpartition(" ")[2]) for arm, row in medians.items() if arm in TRAINING
        },
        "replies_are_those_of_transformers": same,
    }


def processor() -> str:
    """The name that the processor gives itself"""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--shape", choices=("llama", "qwen2", "gemma"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--arms", nargs="+", default=ARMS, choices=ARMS)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument(
        "--threads", type=int, default=os.cpu_count(), help="1: processor time, for a machine that is shared"
    )
    parser.add_argument("--out", type=Path)
    parser.add_argument("--arm", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.arm:
        one(options.arm, options.base, options.epochs, options.threads)
        return
    exchanges()
    folder = Path(tempfile.mkdtemp(prefix="lima-real-"))
    base = shaped(options.shape, options.base, folder) if options.shape else options.base
    found: dict[str, list[dict]] = {arm: [] for arm in options.arms}
    for number in range(options.rounds):
        for arm in options.arms:
            command = [sys.executable, __file__, "--arm", arm, "--base", str(base)]
            command += ["--epochs", str(options.epochs), "--threads", str(options.threads)]
            environment = os.environ | {"OMP_NUM_THREADS": str(options.threads), "HF_HUB_OFFLINE": "1"}
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
            if done.returncode:
                sys.exit(f"{arm}: {done.stderr[-2000:]}")
            found[arm].append(json.loads(done.stdout.rpartition("RESULT ")[2]))
            last = found[arm][-1]
            print(
                f"{number + 1} {arm:<22} {last['tokens_per_second']:7.1f} tokens/s {last.get('peak_mb', 0):6.0f} MB",
                flush=True,
            )
            result = report(
                argparse.Namespace(**vars(options) | {"rounds": number + 1}), {a: r for a, r in found.items() if r}
            )
            if options.out:  # after each arm, so that nothing is lost where the machine is taken away
                options.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
