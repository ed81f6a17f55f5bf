"""Answering speed beside transformers' batched `generate`: the same random weights, prompts and greedy choice.

Knows nothing of which rows are measured, nor of how long they may take.
"""

import json
import random
import time
from pathlib import Path
from typing import Any

from shapes import random_model

PROMPTS, LONGEST = 30, 256
BANDWIDTH = 3.35e12
"Bytes a second that NVIDIA states for the H100 SXM's memory (4.8e12 for the H200's)"


def run_answers(folder: Path, device: str, new_tokens: int = LONGEST) -> dict[str, Any]:
    """30 prompts of 20 to 600 tokens, and `new_tokens` more for each, by lima and by transformers"""
    import torch

    from lima import CheckpointModel, Sampling
    from lima.model import folder as model

    model.load_model = lambda base, *_, **__: random_model(base, device, "bfloat16" if device == "cuda" else "float32")
    ours = CheckpointModel(folder, device=device)
    # A token beyond those of the tokenizer: random weights would stop at any other one, sooner or later.
    vocabulary = json.loads((folder / "config.json").read_text())["vocab_size"]
    ours.stop_ids = [vocabulary - 1]
    ours.model.generation_config.eos_token_id = vocabulary - 1
    draw = random.Random(0)
    prompts = [[draw.randrange(1, 8000) for _ in range(draw.randint(20, 600))] for _ in range(PROMPTS)]
    found: dict[str, Any] = {"batch": PROMPTS, "new_tokens": new_tokens}
    replies: dict[str, list[list[int]]] = {}
    for name in ("lima", "transformers"):
        for length in (8, new_tokens):  # the first one warms up
            sampling = Sampling(temperature=0, repetition_penalty=1.0, max_new_tokens=length)
            ours.prefix_cache = None if ours.prefix_cache is None else type(ours.prefix_cache)(ours.prefix_cache.limit)
            if device == "cuda":
                torch.cuda.synchronize()
            started = time.perf_counter()
            if name == "lima":
                replies[name] = [r.ids for r in ours.reply(prompts, sampling, 0)]
            else:
                replies[name] = transformers_generate(ours, prompts, length)
            seconds = time.perf_counter() - started
        made = sum(map(len, replies[name]))
        found |= {f"{name}_tokens_per_second": round(made / seconds, 1), f"{name}_seconds": round(seconds, 3)}
    size = sum(p.numel() * p.element_size() for p in ours.model.parameters())
    same = [common(a, b) for a, b in zip(replies["lima"], replies["transformers"], strict=True)]
    return found | {
        "times_transformers": round(found["lima_tokens_per_second"] / found["transformers_tokens_per_second"], 2),
        "identical_replies": sum(n == new_tokens for n in same),
        "tokens_until_first_difference": sorted(same),
        "share_of_bandwidth": round(size * new_tokens / BANDWIDTH / found["lima_seconds"], 3),
        "formula": "share_of_bandwidth = bytes of the weights x new tokens of a prompt / 3.35e12 / seconds",
    }


def transformers_generate(ours: Any, prompts: list[list[int]], new_tokens: int) -> list[list[int]]:
    """Greedy replies to left-padded prompts"""
    import torch

    width = max(map(len, prompts))
    ids = torch.tensor([[0] * (width - len(p)) + p for p in prompts], device=ours.device)
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=ours.device)
    with torch.inference_mode():
        out = ours.model.generate(
            ids, attention_mask=mask, max_new_tokens=new_tokens, do_sample=False, pad_token_id=0, use_cache=True
        )
    return out[:, width:].tolist()


def common(a: list[int], b: list[int]) -> int:
    """How many tokens two replies begin with in common"""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
