"""Whether the device gives what the CPU gives: kernels, masks, gradients, merges, resumed runs, compiled blocks, answers.

Each check compares with an independent result and says how large the difference is; `ok` is false where it is larger than
rounding explains. Knows nothing of speed.
"""

import hashlib
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

WIDE = {"hidden_size": 256, "intermediate_size": 512, "num_attention_heads": 4, "head_dim": 64}
"Heads of 64, which the kernels of a GPU take"
Check = Callable[[str, Path], dict[str, Any]]


def checks(compiled: bool) -> dict[str, Check]:
    """The checks by their names, in the order in which they run: those of compiled blocks, or all others"""
    if compiled:
        return {"compiled blocks": compiled_blocks, "compiled blocks, stopped and resumed": compiled_resumed}
    return {
        "attention kernel": attention_kernel,
        "no example sees another": isolation,
        "gradients": gradients,
        "gradients in bfloat16": gradients_in_bfloat16,
        "losses of a run": losses,
        "LoRA and its merge": merge,
        "stopped and resumed": resumed,
        "LoRA stopped and resumed": lora_resumed,
        "answers": answers,
    }


def run_checks(device: str, compiled: bool, report: Callable[[dict[str, Any]], None]) -> None:
    """Run them, and `report` each as soon as it is done"""
    for name, check in checks(compiled).items():
        with tempfile.TemporaryDirectory(prefix="lima-check-") as folder:
            try:
                found = check(device, Path(folder))
            except Exception as e:
                found = {"ok": False, "error": f"{type(e).__name__}: {' '.join(str(e).split())[:300]}"}
        report({"check": name, **found})


def attention_kernel(device: str, folder: Path) -> dict[str, Any]:
    """lima's attention in bfloat16 beside attention of each segment in float64 on the CPU, forward and backward"""
    import torch
    import torch.nn.functional as F

    from lima.model import attention

    worst = {"forward": 0.0, "backward": 0.0}
    lengths, dtype = (37, 1, 300, 64, 129), torch.bfloat16 if device == "cuda" else torch.float32
    for heads, groups, width, window in ((4, 4, 64, None), (8, 2, 64, None), (4, 1, 128, None), (4, 2, 64, 32)):
        draw = torch.Generator().manual_seed(heads * width)
        shapes = [(1, n, sum(lengths), width) for n in (heads, groups, groups)]
        given = [torch.randn(s, generator=draw).to(dtype) for s in shapes]
        towards = torch.randn(1, sum(lengths), heads, width, generator=draw).to(dtype)
        exact = [t.double().requires_grad_() for t in given]
        pieces = []
        for q, k, v in zip(*(t.split(lengths, 2) for t in exact), strict=True):
            n = q.shape[2]
            seen = torch.ones(n, n, dtype=torch.bool).tril()
            if window:
                seen &= torch.ones(n, n, dtype=torch.bool).triu(1 - window)
            pieces.append(F.scaled_dot_product_attention(q, k, v, attn_mask=seen, enable_gqa=True))
        right = torch.cat(pieces, 2).transpose(1, 2)
        right_grads = torch.autograd.grad((right * towards.double()).sum(), exact)
        ours = [t.to(device).requires_grad_() for t in given]
        found, _ = attention.attend(torch.nn.Identity(), *ours, None, segments=lengths, sliding_window=window)
        grads = torch.autograd.grad((found * towards.to(device)).sum(), ours)
        worst["forward"] = max(worst["forward"], distance(found, right))
        worst["backward"] = max([worst["backward"], *map(distance, grads, right_grads)])
    info = attention._kernel_is_right.cache_info()
    return {"ok": max(worst.values()) < 1e-2, "relative": rounded(worst), "kernel_tried_for_shapes": info.misses}


def isolation(device: str, folder: Path) -> dict[str, Any]:
    """The gradient that one example sends into the example before it: exactly zero, in float32 and in bfloat16"""
    import torch

    from lima.model import attention
    from lima.testing import tiny_model
    from lima.train.loss import prove_isolation

    attention.register()
    proved = []
    for kind in ("llama", "qwen2", "qwen3", "gemma2", "gemma3_text", "phi3", "gpt_neox"):
        wide = WIDE if kind not in ("phi3", "gpt_neox") else {k: v for k, v in WIDE.items() if k != "head_dim"}
        model = tiny_model(kind, **wide).to(device)
        model.set_attn_implementation(attention.NAME)
        for half in (False, True):
            with torch.autocast(device, torch.bfloat16, enabled=half):
                prove_isolation(model, device)
        proved.append(kind)
    return {"ok": True, "proved": proved}


def gradients(device: str, folder: Path) -> dict[str, Any]:
    """Loss and gradients of a model in float32 on the device, beside float64 on the CPU"""
    return compare_gradients(device, half=False, allowed=1e-4)


def gradients_in_bfloat16(device: str, folder: Path) -> dict[str, Any]:
    """The same under autocast in bfloat16"""
    return compare_gradients(device, half=True, allowed=0.1)


def compare_gradients(device: str, half: bool, allowed: float) -> dict[str, Any]:
    """The relative distance of all gradients as one vector, and of the losses"""
    import torch

    from lima.contract.rendered import Rendered
    from lima.model import attention
    from lima.testing import tiny_model
    from lima.train.batching import micro_batch
    from lima.train.loss import weighted_loss

    attention.register()
    draw = random.Random(0)
    examples = []
    for n in (90, 7, 250, 33):
        ids = [draw.randrange(400) for _ in range(n)]
        examples.append(Rendered(ids, [0.0] * (n // 3) + [1.0] * (n - n // 3), []))
    batch = micro_batch(examples, range(len(examples)))
    worst = {"loss": 0.0, "gradient": 0.0}
    for kind in ("llama", "qwen2", "qwen3", "gemma2"):
        flat, losses = [], []
        for where, dtype in (("cpu", torch.float64), (device, torch.float32)):
            model = tiny_model(kind, **WIDE)
            for parameter in model.parameters():  # a fresh model hardly tells one token from another
                parameter.data.mul_(3 if parameter.ndim > 1 else 1)
            model.to(where, dtype)
            model.set_attn_implementation(attention.NAME)
            with torch.autocast(device, torch.bfloat16, enabled=half and where == device and dtype == torch.float32):
                loss, _ = weighted_loss(model, batch, where)
            loss.backward()
            losses.append(loss.detach().double().cpu())
            flat.append(torch.cat([p.grad.double().cpu().flatten() for p in model.parameters()]))
        worst["loss"] = max(worst["loss"], distance(losses[1], losses[0]))
        worst["gradient"] = max(worst["gradient"], distance(flat[1], flat[0]))
    return {"ok": max(worst.values()) < allowed, "relative": rounded(worst), "allowed": allowed}


def losses(device: str, folder: Path) -> dict[str, Any]:
    """The losses of a run without dropout in float32 on the device and on the CPU"""
    base = base_with_data(folder)
    places = {"reference": "cpu", "tried": device}
    found = [train(base, folder / name, where, residual_dropout=0.0) for name, where in places.items()]
    off = max(abs(a - b) / b for a, b in zip(found[1].losses, found[0].losses, strict=True))
    return {"ok": off < 1e-3, "relative": float(f"{off:.2g}"), "steps": len(found[0].losses)}


def merge(device: str, folder: Path) -> dict[str, Any]:
    """A LoRA run on the device, whose merged checkpoint answers with the adapter's logits, from bases in both precisions"""
    import torch

    for dtype in (torch.float32, torch.bfloat16):
        base = base_with_data(folder / str(dtype), dtype=dtype)
        train(base, folder / str(dtype) / "out", device, lora_rank=4, precision="auto", learning_rate=1e-2)
    return {
        "ok": True,
        "proved": ["float32", "bfloat16"],
        "by": "lima.model.adapter.prove_merge at the end of each run",
    }


def resumed(device: str, folder: Path) -> dict[str, Any]:
    """A run in bfloat16 with dropout that is stopped after four of nine steps and resumed, beside one that is not"""
    return stop_and_resume(device, folder)


def lora_resumed(device: str, folder: Path) -> dict[str, Any]:
    """The same with LoRA"""
    return stop_and_resume(device, folder, lora_rank=4)


def compiled_resumed(device: str, folder: Path) -> dict[str, Any]:
    """The same with compiled blocks"""
    return stop_and_resume(device, folder, compile=True)


def stop_and_resume(device: str, folder: Path, **settings: Any) -> dict[str, Any]:
    base = base_with_data(folder)
    settings = {"residual_dropout": 0.3, "precision": "bfloat16", "save_every": 2, **settings}
    straight = train(base, folder / "straight", device, **settings)
    again = train(base, folder / "again", device, **settings)
    stopped = train(base, folder / "stopped", device, stop_after=5, **settings)
    found = {
        "two_runs_same_bits": straight.sha256 == again.sha256,
        "resumed_same_bits": straight.sha256 == stopped.sha256,
        "resumed_relative": float(f"{distance(stopped.weights, straight.weights):.2g}"),
        "two_runs_relative": float(f"{distance(again.weights, straight.weights):.2g}"),
    }
    return {"ok": found["resumed_same_bits"] or found["resumed_relative"] <= 2 * found["two_runs_relative"], **found}


def compiled_blocks(device: str, folder: Path) -> dict[str, Any]:
    """Losses of a run without dropout in float32, with compiled blocks and without"""
    base = base_with_data(folder)
    found = [
        train(base, folder / str(how), device, residual_dropout=0.0, compile=how, precision="float32")
        for how in (False, True)
    ]
    off = max(abs(a - b) / b for a, b in zip(found[1].losses, found[0].losses, strict=True))
    return {"ok": off < 1e-3, "relative": float(f"{off:.2g}"), "steps": len(found[0].losses)}


def answers(device: str, folder: Path) -> dict[str, Any]:
    """Greedy replies token for token beside transformers' `generate`, each prompt alone there, in float32"""
    import torch

    from lima import CheckpointModel, Sampling
    from lima.testing import tiny_base

    base = tiny_base(folder / "base", "llama", **WIDE, num_hidden_layers=4)
    ours = CheckpointModel(base, device=device)
    ours.model.float()
    draw, count = random.Random(1), 30 if device == "cuda" else 6
    prompts = [[draw.randrange(1, 300) for _ in range(draw.randint(3, 120))] for _ in range(count)]
    sampling = Sampling(temperature=0, repetition_penalty=1.0, max_new_tokens=48)
    replies = [r.ids for r in ours.reply(prompts, sampling, 0)]
    longer = [p + r + [7, 8, 9] for p, r in zip(prompts, replies, strict=True)]
    same = []
    # The second time most of each prompt is known from the first.
    for asked, replied in ((prompts, replies), (longer, [r.ids for r in ours.reply(longer, sampling, 0)])):
        for prompt, reply in zip(asked, replied, strict=True):
            with torch.inference_mode():
                out = ours.model.generate(
                    torch.tensor([prompt], device=ours.device), max_new_tokens=48, do_sample=False, pad_token_id=0
                )
            theirs = [i for i in out[0, len(prompt) :].tolist() if i not in ours.stop_ids]
            same.append(reply == theirs)
    return {"ok": all(same), "identical": sum(same), "of": len(same)}


class Trained:
    """What came of a run"""

    def __init__(self, folder: Path, losses: list[float]) -> None:
        import torch
        from safetensors.torch import load_file

        file = folder / "model.safetensors"
        self.losses = losses
        self.sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
        self.weights = torch.cat([t.float().flatten() for _, t in sorted(load_file(file).items())])


def train(base: Path, out: Path, device: str, stop_after: int = 0, **settings: Any) -> Trained:
    """A small run on the device; with `stop_after` it is stopped there and resumed"""
    from lima import Recipe, Store, fine_tune
    from lima.train.start import resume

    values = {
        "base": str(base),
        "sources": [str(base.parent / "pairs.jsonl")],
        "renderer": "plain",
        "out": str(out),
        "epochs": 3,
        "batch_size": 8,
        "learning_rate": 1e-3,
        "micro_batch_tokens": 512,
        "device": device,
        "precision": "float32",
        "compile": False,
        **settings,
    }

    def stop(step: int, steps: int, metrics: dict[str, Any]) -> None:
        if stop_after and step >= stop_after:
            raise KeyboardInterrupt

    with Store(out.parent / f"{out.name}.db") as store:
        try:
            fine_tune(Recipe().with_values(values), store, on_step=stop)
        except KeyboardInterrupt:
            resume(store.rows("select id from runs")[0]["id"], store)
        return Trained(out, [r["loss"] for r in store.rows("select loss from steps order by step")])


def base_with_data(folder: Path, dtype: Any = None) -> Path:
    """A small base of which heads suit a GPU's kernels, and 24 pairs beside it"""
    import json

    import torch

    from lima.testing import TEXT, tiny_base

    folder.mkdir(parents=True, exist_ok=True)
    base = tiny_base(folder / "base", "llama", **WIDE)
    if dtype not in (None, torch.float32):
        from transformers import AutoModelForCausalLM

        AutoModelForCausalLM.from_pretrained(base, dtype=dtype).save_pretrained(base)
    draw = random.Random(0)
    words = TEXT.split()

    def some(least: int, most: int) -> str:
        return " ".join(draw.choices(words, k=draw.randint(least, most)))

    rows = [{"prompt": some(3, 20), "response": some(5, 60)} for _ in range(24)]
    (folder / "pairs.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    return base


def distance(found: Any, right: Any) -> float:
    """‖found − right‖ / ‖right‖, in float64; not a number stays one, and no check passes with it"""
    found, right = found.detach().double().cpu(), right.detach().double().cpu()
    return float((found - right).norm() / right.norm())


def rounded(values: dict[str, float]) -> dict[str, float]:
    return {key: float(f"{value:.2g}") for key, value in values.items()}
