"""Preparing 1,030 conversations (render, tokenize, mask; lima also verifies every one) beside TRL's SFTTrainer.

    python benchmarks/prepare_cpu.py --rounds 5 --out benchmarks/results/prepare_cpu.json

Same conversations, same tokenizer, same template, loss on the assistant's turns only, one process of each kind, in turn, with
nothing cached. Of both, the time for a single conversation is taken off, so that building a trainer does not count.
"""

import argparse
import json
import os
import platform
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

TEMPLATE = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}{% if m['role'] == 'assistant' %}{% generation %}"
    "{{ m['content'] + '<|im_end|>' }}{% endgeneration %}{{ '\n' }}{% else %}{{ m['content'] + '<|im_end|>' + '\n' }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def make(folder: Path) -> None:
    """All conversations, one of them alone, and a base model that is there for its tokenizer"""
    from lima.testing import tiny_base, tiny_tokenizer

    talks = lima_like.conversations()
    sample = " ".join(m["content"] for t in talks[:300] for m in t)
    tokenizer = tiny_tokenizer(("<|endoftext|>", "<|im_start|>", "<|im_end|>"), text=sample, vocabulary=8000)
    tokenizer.chat_template, tokenizer.pad_token = TEMPLATE, "<|endoftext|>"
    tiny_base(folder / "base", "llama", tokenizer, max_position_embeddings=8192)
    for name, some in (("all", talks), ("one", talks[:1])):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps({"messages": t}) + "\n" for t in some))


def lima(folder: Path, name: str) -> tuple[float, int, int]:
    from lima import Recipe, load_plugins
    from lima.data.dataset import prepare

    source = f"openai:{folder / name}.jsonl"
    started = time.perf_counter()
    ready = prepare(
        Recipe(base=str(folder / "base"), sources=(source,), renderer="chatml", max_tokens=8192), load_plugins()
    )
    seconds = time.perf_counter() - started
    return seconds, sum(s["tokens"] for s in ready.sources), sum(s["trained_tokens"] for s in ready.sources)


def trl(folder: Path, name: str) -> tuple[float, int, int]:
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    tokenizer = AutoTokenizer.from_pretrained(folder / "base")
    tokenizer.chat_template = TEMPLATE
    rows = [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]
    model = AutoModelForCausalLM.from_pretrained(folder / "base")
    config = SFTConfig(
        output_dir=tempfile.mkdtemp(dir=folder),
        max_length=8192,
        assistant_only_loss=True,
        use_cpu=True,
        bf16=False,
        report_to="none",
        disable_tqdm=True,
    )
    started = time.perf_counter()
    trainer = SFTTrainer(model=model, args=config, train_dataset=Dataset.from_list(rows), processing_class=tokenizer)
    seconds = time.perf_counter() - started
    data = trainer.train_dataset
    trained = sum(label != -100 for row in data["labels"] for label in row)
    return seconds, sum(map(len, data["input_ids"])), trained


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--arm")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    arms = {"lima": lima, "trl": trl}
    if options.arm:
        arms[options.arm](options.folder, "one")  # what is loaded or compiled on first use
        alone, *_ = arms[options.arm](options.folder, "one")
        seconds, tokens, trained = arms[options.arm](options.folder, "all")
        print("RESULT " + json.dumps({"seconds": seconds - alone, "tokens": tokens, "trained_tokens": trained}))
        return
    folder = Path(tempfile.mkdtemp(prefix="lima-bench-"))
    make(folder)
    found: dict[str, list[dict]] = {arm: [] for arm in arms}
    for _ in range(options.rounds):
        for arm in arms:
            command = [sys.executable, __file__, "--arm", arm, "--folder", str(folder)]
            cache = {"HF_DATASETS_CACHE": tempfile.mkdtemp(dir=folder), "HF_HUB_OFFLINE": "1"}
            done = subprocess.run(command, env=os.environ | cache, capture_output=True, text=True)
            if done.returncode:
                sys.exit(f"{arm}: {done.stderr[-2000:]}")
            found[arm].append(json.loads(done.stdout.rpartition("RESULT ")[2]))
            print(arm, found[arm][-1], flush=True)
    seconds = {arm: statistics.median(r["seconds"] for r in rows) for arm, rows in found.items()}
    report = {
        "date": str(date.today()),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "versions": {n: version(n) for n in ("lima-tune", "trl", "datasets", "transformers", "tokenizers")},
        "rounds": options.rounds,
        "conversations": 1030,
        "tokens": {arm: rows[0]["tokens"] for arm, rows in found.items()},
        "trained_tokens": {arm: rows[0]["trained_tokens"] for arm, rows in found.items()},
        "median_seconds": {arm: round(s, 2) for arm, s in seconds.items()},
        "trl / lima": round(seconds["trl"] / seconds["lima"], 2),
    }
    print(json.dumps(report, indent=2))
    if options.out:
        options.out.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
