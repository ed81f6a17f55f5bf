"""Answering speed on CPU beside `generate` of transformers: same model, same prompts, greedy, and the ids compared.

    python -m venv .venv-bench && .venv-bench/bin/pip install -c constraints.txt -e . -e plugins/lima-chat \
        -e plugins/lima-dialogues -e plugins/lima-dialogue-eval -e plugins/lima-village
    .venv-bench/bin/python benchmarks/generate_cpu.py --rounds 5 --out benchmarks/results/generate_cpu.json

Two workloads of 64 conversations with three turns each. "dialogues": the village base, fine-tuned as in `lima demo`, holds those
of its evaluation; replies are short. "documents": the base itself goes on from the beginnings of documents, and from a further
beginning after each; replies are long. The arms take turns, `rounds` times, in one process with one thread. Time is that of the
processor, so that other work on the machine does not count; the ratio is of medians.
"""

import argparse
import json
import os
import platform
import random
import statistics
import tempfile
import time
import tomllib
from datetime import date
from importlib.metadata import version
from itertools import islice, takewhile
from pathlib import Path

import torch

from lima import CheckpointModel, Recipe, Sampling, Store, fine_tune, load_plugins
from lima.answer.checkpoint_model import PREFIX_CACHE_BYTES
from lima.answer.kv_cache import PrefixCache

CONVERSATIONS, TURNS, LONGEST = 64, 3, 128
ARMS = ("one at a time", "batched", "batched by length", "lima", "lima, nothing kept")
Prompts = list[list[int]]


def tuned(folder: Path) -> CheckpointModel:
    """The model of `lima demo`, fine-tuned here unless the folder has it"""
    from lima_village.demo import RECIPE

    values = {**tomllib.loads(RECIPE.read_text()), "out": str(folder / "tuned"), "device": "cpu"}
    if not (folder / "tuned" / "config.json").exists():
        with Store(folder / "lima.db") as store:
            fine_tune(Recipe().with_values(values), store)
    return CheckpointModel(
        folder / "tuned", load_plugins().registry("renderers").find(values["renderer"]), device="cpu"
    )


def dialogues(model: CheckpointModel) -> list[Prompts]:
    """The prompts of each turn: what was said so far, with the model's own replies"""
    from lima_chat import Turn
    from lima_village.conversations import conversations

    talks = [c for c in conversations("village-more") if len(c.turns) >= TURNS][:CONVERSATIONS]
    histories: list[tuple] = [() for _ in talks]
    turns = []
    for number in range(TURNS):
        asked = [(*h, Turn("user", c.turns[number].user)) for h, c in zip(histories, talks, strict=True)]
        turns.append([model.prompt_ids(h) for h in asked])
        replies = one_at_a_time(model, turns[-1])
        texts = [model.tokenizer.decode(ids, skip_special_tokens=True).strip() for ids in replies]
        histories = [(*h, Turn("assistant", t)) for h, t in zip(asked, texts, strict=True)]
    return turns


def documents(model: CheckpointModel) -> list[Prompts]:
    """The prompts of each turn: beginnings of documents, the model's own ends, and further beginnings"""
    from lima_village import corpus

    draw = random.Random(0)
    beginnings = [model.tokenizer(text).input_ids for text in islice(corpus.documents(99), TURNS * CONVERSATIONS)]
    beginnings = [ids[: draw.randint(4, 40)] for ids in beginnings]
    turns = [beginnings[:CONVERSATIONS]]
    for number in range(1, TURNS):
        more = beginnings[number * CONVERSATIONS :]
        replies = one_at_a_time(model, turns[-1])
        turns.append([p + r + model.stop_ids[:1] + b for p, r, b in zip(turns[-1], replies, more, strict=False)])
    return turns


def transformers_generate(model: CheckpointModel, prompts: Prompts) -> Prompts:
    """Its greedy replies to left-padded prompts, cut where they stop"""
    width, pad = max(map(len, prompts)), model.stop_ids[0]
    out = model.model.generate(
        torch.tensor([[pad] * (width - len(p)) + p for p in prompts]),
        attention_mask=torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts]),
        max_new_tokens=LONGEST,
        do_sample=False,
        pad_token_id=pad,
    )
    return [list(takewhile(lambda i: i not in model.stop_ids, reply)) for reply in out[:, width:].tolist()]


def one_at_a_time(model: CheckpointModel, prompts: Prompts) -> Prompts:
    return [transformers_generate(model, [p])[0] for p in prompts]


def by_length(model: CheckpointModel, prompts: Prompts) -> Prompts:
    """Half of the batch at a time, so that there is less padding and less waiting for the longest"""
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    half = len(order) // 2
    replies = [
        r for some in (order[:half], order[half:]) for r in transformers_generate(model, [prompts[i] for i in some])
    ]
    return [reply for _, reply in sorted(zip(order, replies, strict=True))]


def run(arm: str, model: CheckpointModel, turns: list[Prompts]) -> tuple[list[Prompts], float]:
    """(the replies to all turns, seconds)"""
    model.prefix_cache = PrefixCache(0 if arm == "lima, nothing kept" else PREFIX_CACHE_BYTES)
    sampling = Sampling(temperature=0, repetition_penalty=1.0, max_new_tokens=LONGEST)
    answer = {
        "one at a time": one_at_a_time,
        "batched": transformers_generate,
        "batched by length": by_length,
    }.get(arm, lambda model, prompts: [r.ids for r in model.reply(prompts, sampling, 0)])
    started = time.process_time()
    replies = [answer(model, prompts) for prompts in turns]
    return replies, time.process_time() - started


def measure(name: str, model: CheckpointModel, turns: list[Prompts], rounds: int) -> dict:
    seconds: dict[str, list[float]] = {arm: [] for arm in ARMS}
    replies: dict[str, list[Prompts]] = {}
    for number in range(rounds):
        for arm in ARMS:
            replies[arm], took = run(arm, model, turns)
            seconds[arm].append(took)
            print(f"{name} {number + 1} {arm:<18} {took:7.2f} s", flush=True)
    median = {arm: statistics.median(took) for arm, took in seconds.items()}
    flat = {arm: [r for turn in found for r in turn] for arm, found in replies.items()}
    expected = flat["one at a time"]
    same = {arm: sum(a == b for a, b in zip(flat[arm], expected, strict=True)) for arm in ARMS}
    assert same["lima"] == len(expected), f"{name}: {same['lima']} of {len(expected)} replies are identical"
    prompts, lengths = [len(p) for turn in turns for p in turn], [len(r) for r in expected]
    return {
        "parameters": model.model.num_parameters(),
        "prompt_tokens": {"least": min(prompts), "mean": statistics.mean(prompts), "most": max(prompts)},
        "reply_tokens": {"least": min(lengths), "mean": statistics.mean(lengths), "most": max(lengths)},
        "median_seconds": {arm: round(s, 3) for arm, s in median.items()},
        "reply_tokens_per_second": {arm: round(sum(lengths) / s) for arm, s in median.items()},
        "speed_of_lima": {f"over {arm}": round(median[arm] / median["lima"], 2) for arm in ARMS if arm != "lima"},
        "identical_replies": {arm: f"{count} of {len(expected)}" for arm, count in same.items()},
    }


def main() -> None:
    from lima_village.base_model import Base

    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--folder", type=Path, help="where the fine-tuned model is, or shall be")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = tuned(options.folder or Path(tempfile.mkdtemp(prefix="lima-bench-")))
    base = CheckpointModel(Base().folder(), device="cpu")
    report = {
        "date": str(date.today()),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, one thread",
        "versions": {n: version(n) for n in ("lima-tune", "torch", "transformers")},
        "rounds": options.rounds,
        "dialogues": measure("dialogues", model, dialogues(model), options.rounds),
        "documents": measure("documents", base, documents(base), options.rounds),
    }
    print(json.dumps(report, indent=2))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
