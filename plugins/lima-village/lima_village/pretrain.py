"""Pretraining of the village's base model: a small Llama on packed documents, on one CPU core.

The loop knows text and tokens only. It is not LIMA's recipe and shares nothing with the fine-tuning engine: what is trained
here is what LIMA starts from.
"""

from __future__ import annotations

import json
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from lima_village.base_model import sha256
from lima_village.corpus import documents
from lima_village.tokens import build_tokenizer

if TYPE_CHECKING:
    import torch
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast


@dataclass(frozen=True)
class BaseRecipe:
    """Everything that decides what the base model becomes."""

    seed: int = 1
    vocabulary: int = 2048
    hidden: int = 256
    layers: int = 4
    heads: int = 8
    feed_forward: int = 704
    length: int = 256
    """tokens in a row"""
    rows: int = 16
    """rows in a step"""
    tokens: int = 24_000_000
    matrix_rate: float = 3e-3
    """peak learning rate of the weight matrices"""
    other_rate: float = 3e-3
    """peak learning rate of embeddings and norms"""
    optimizer: str = "muon"
    warm_up: float = 0.02
    """share of the steps until the peak; from there the rate falls in a line to a hundredth"""
    weight_decay: float = 0.05
    compiled: bool = True
    precision: str = "bfloat16"
    """of the matrix products; a processor without bfloat16 is several times faster in float32"""


def rows(tokenizer: PreTrainedTokenizerFast, recipe: BaseRecipe) -> Iterator[list[int]]:
    """The corpus as rows of equal length, documents divided by the end-of-text token"""
    from itertools import islice

    stream, pending = documents(recipe.seed), []
    while True:
        for ids in tokenizer(list(islice(stream, 64)))["input_ids"]:
            pending += [*ids, tokenizer.eos_token_id]
        while len(pending) >= recipe.length:
            yield pending[: recipe.length]
            del pending[: recipe.length]


def new_model(recipe: BaseRecipe, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """An untrained Llama of the recipe's size"""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(recipe.seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=recipe.hidden,
            intermediate_size=recipe.feed_forward,
            num_hidden_layers=recipe.layers,
            num_attention_heads=recipe.heads,
            num_key_value_heads=recipe.heads,
            max_position_embeddings=512,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=None,
            dtype=torch.float32,
        )
    )


def optimizers(model: LlamaForCausalLM, recipe: BaseRecipe) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the layers where the recipe says so, AdamW for the rest"""
    import torch

    matrices = [p for p in model.model.layers.parameters() if p.ndim == 2]
    others = [p for name, p in model.named_parameters() if p.ndim != 2 or "layers" not in name]
    adam = {"betas": (0.9, 0.98), "weight_decay": recipe.weight_decay, "fused": True}
    if recipe.optimizer == "muon":
        first = torch.optim.Muon(
            matrices, lr=recipe.matrix_rate, weight_decay=recipe.weight_decay, adjust_lr_fn="match_rms_adamw"
        )
    else:
        first = torch.optim.AdamW(matrices, lr=recipe.matrix_rate, **adam)
    return [first, torch.optim.AdamW(others, lr=recipe.other_rate, **adam)]


def pretrain(
    recipe: BaseRecipe, folder: Path, on_step: Callable[[int, int, float], None], checkpoint_seconds: float = 300.0
) -> None:
    """Train a base model into a folder; every few minutes what exists is saved there and can be used"""
    import torch

    torch.set_num_threads(1)
    tokenizer = build_tokenizer(recipe.seed, recipe.vocabulary)
    model = new_model(recipe, tokenizer)
    both = optimizers(model, recipe)
    steps = recipe.tokens // (recipe.length * recipe.rows)
    peaks = [group["lr"] for optimizer in both for group in optimizer.param_groups]

    def loss_of(batch: torch.Tensor) -> torch.Tensor:
        hidden = model.model(batch, use_cache=False).last_hidden_state  # rows × length × hidden
        logits = model.lm_head(hidden[:, :-1]).float()
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())

    run = torch.compile(loss_of) if recipe.compiled else loss_of
    source, saved = rows(tokenizer, recipe), time.monotonic()
    for step in range(steps):
        share = (step + 1) / steps
        factor = min(share / recipe.warm_up, max(0.01, (1 - share) / (1 - recipe.warm_up)))
        groups = [group for optimizer in both for group in optimizer.param_groups]
        for group, peak in zip(groups, peaks, strict=True):
            group["lr"] = peak * factor
        batch = torch.tensor([next(source) for _ in range(recipe.rows)])
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.precision == "bfloat16"):
            loss = run(batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in both:
            optimizer.step()
            optimizer.zero_grad()
        on_step(step + 1, steps, loss.item())
        if time.monotonic() - saved > checkpoint_seconds:
            save(model, tokenizer, recipe, folder, step + 1)
            saved = time.monotonic()
    save(model, tokenizer, recipe, folder, steps)


def save(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, recipe: BaseRecipe, folder: Path, step: int
) -> None:
    """Write the weights in bfloat16, the tokenizer, and the recipe with the hash of the weights"""
    import copy

    import torch

    folder.mkdir(parents=True, exist_ok=True)
    shipped = copy.deepcopy(model).to(torch.bfloat16)
    shipped.config.dtype = torch.bfloat16
    shipped.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)  # safetensors leaves it to its owner alone
    seen = step * recipe.length * recipe.rows
    record = {**asdict(recipe), "tokens_seen": seen, "sha256": sha256(folder / "model.safetensors")}
    lines = [f"{key} = {json.dumps(value)}" for key, value in record.items()]
    (folder / "recipe.toml").write_text(
        "# Rebuilds this base model: lima village build\n" + "\n".join(lines) + "\n", encoding="utf-8"
    )


def load_recipe(path: Path) -> BaseRecipe:
    """The recipe that lies next to the weights"""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    return BaseRecipe(**{f.name: table[f.name] for f in fields(BaseRecipe) if f.name in table})
