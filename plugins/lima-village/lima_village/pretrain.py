"""Pretraining of the village's base model: a small Llama on packed documents, on a CPU.

This is not LIMA's recipe but the training of the model that LIMA starts from. It knows only text and tokens, and uses nothing of
the fine-tuning engine but its resume states.
"""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass, fields
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.overrides import TorchFunctionMode

from lima import (
    LimaError,
    absolute,
    beside,
    check_new,
    exclusive,
    load_state,
    lock_of,
    newest_state,
    put_in_place,
    save_state,
    states_folder,
    to_disk,
)
from lima_village.base_model import RECIPE, hashes, village_hash
from lima_village.corpus import documents
from lima_village.tokens import build_tokenizer

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast


@dataclass(frozen=True)
class BaseRecipe:
    """Everything that decides the base model."""

    seed: int = 1
    vocabulary: int = 2048
    hidden: int = 256
    layers: int = 4
    heads: int = 8
    feed_forward: int = 704
    length: int = 256
    """tokens per row"""
    rows: int = 16
    """rows per step"""
    tokens: int = 24_000_000
    matrix_rate: float = 3e-3
    """peak learning rate of the weight matrices"""
    other_rate: float = 3e-3
    """peak learning rate of embeddings and norms"""
    optimizer: str = "muon"
    warm_up: float = 0.02
    """share of the steps until the peak; then the rate falls linearly to a hundredth"""
    weight_decay: float = 0.05
    compiled: bool = True
    precision: str = "bfloat16"
    """of the matrix products; float32 is several times faster on a processor without bfloat16"""
    threads: int = 1
    """compiled code with several threads adds up the embedding's gradient in varying order, so each run ends in other bits"""

    @property
    def steps(self) -> int:
        return self.tokens // (self.length * self.rows)


def rows(tokenizer: PreTrainedTokenizerFast, recipe: BaseRecipe) -> Iterator[list[int]]:
    """The corpus as rows of equal length, with the end-of-text token between documents"""
    stream, pending = documents(recipe.seed), []
    while True:
        for ids in tokenizer(list(islice(stream, 64)))["input_ids"]:
            pending += [*ids, tokenizer.eos_token_id]
        while len(pending) >= recipe.length:
            yield pending[: recipe.length]
            del pending[: recipe.length]


def new_model(recipe: BaseRecipe, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """An untrained Llama of the recipe's size"""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(recipe.seed)
    config = LlamaConfig(
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
    return LlamaForCausalLM(config)


def optimizers(model: LlamaForCausalLM, recipe: BaseRecipe) -> list[torch.optim.Optimizer]:
    """Muon for the layers' matrices if the recipe says so, AdamW for the rest; they share one state"""
    matrices = [p for p in model.model.layers.parameters() if p.ndim == 2]
    others = [p for name, p in model.named_parameters() if p.ndim != 2 or "layers" not in name]
    adam: dict[str, Any] = {"betas": (0.9, 0.98), "weight_decay": recipe.weight_decay, "fused": True}
    first: torch.optim.Optimizer
    if recipe.optimizer == "muon":
        first = torch.optim.Muon(
            matrices, lr=recipe.matrix_rate, weight_decay=recipe.weight_decay, adjust_lr_fn="match_rms_adamw"
        )
    else:
        first = torch.optim.AdamW(matrices, lr=recipe.matrix_rate, **adam)
    second = torch.optim.AdamW(others, lr=recipe.other_rate, **adam)
    second.state = first.state  # so that both are saved and loaded as one
    return [first, second]


class Float32(TorchFunctionMode):
    """Keeps Muon's matrix products in float32: torch's Muon converts to bfloat16, which some processors only emulate"""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **kwargs or {}) if func is not torch.Tensor.bfloat16 else args[0].float().clone()


def states_of(recipe: BaseRecipe, folder: Path) -> Path:
    """The folder for the states of an unfinished build with this recipe, text and version of torch"""
    text = f"{recipe} {torch.__version__} {village_hash()}"
    return states_folder(folder.resolve(), hashlib.sha256(text.encode()).hexdigest()[:8])


def pretrain(
    recipe: BaseRecipe, folder: Path, on_step: Callable[[int, int, float], None], save_seconds: float = 300.0
) -> None:
    """Train a base model into a folder, which appears when training is done

    A state is saved beside the folder every `save_seconds`; the next call with this recipe resumes from it and ends in the same
    bits. `on_step` gets each step's number, the number of steps and the loss. LimaError if the disk cannot be written, another
    process is building there, or the folder is not empty."""
    states = states_of(recipe, folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(lock_of(folder), f"building {folder}"):
            check_new(absolute(folder))
            states.mkdir(exist_ok=True)
            _pretrain(recipe, folder, states, on_step, save_seconds)
            shutil.rmtree(states, ignore_errors=True)
    except OSError as e:
        raise LimaError(f"Cannot write to {folder.parent}: {e.strerror}. Choose another --out.") from e


def _pretrain(
    recipe: BaseRecipe, folder: Path, states: Path, on_step: Callable[[int, int, float], None], save_seconds: float
) -> None:
    torch.set_num_threads(recipe.threads)
    tokenizer = build_tokenizer(recipe.seed, recipe.vocabulary)
    model = new_model(recipe, tokenizer)
    both = optimizers(model, recipe)
    groups = [group for optimizer in both for group in optimizer.param_groups]
    peaks = [group["lr"] for group in groups]
    state = newest_state(states)
    if state:
        load_state(state.folder, model, both[0])
    done = state.step if state else 0

    def loss_of(batch: torch.Tensor) -> torch.Tensor:
        hidden = model.model(batch, use_cache=False).last_hidden_state  # rows × length × hidden
        logits = model.lm_head(hidden[:, :-1]).float()
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())

    run = torch.compile(loss_of) if recipe.compiled else loss_of
    source, saved = islice(rows(tokenizer, recipe), done * recipe.rows, None), time.monotonic()
    for step in range(done + 1, recipe.steps + 1):
        share = step / recipe.steps
        factor = min(share / recipe.warm_up, max(0.01, (1 - share) / (1 - recipe.warm_up)))
        for group, peak in zip(groups, peaks, strict=True):
            group["lr"] = peak * factor
        batch = torch.tensor(list(islice(source, recipe.rows)))
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.precision == "bfloat16"):
            loss = run(batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        with Float32() if recipe.precision == "float32" else nullcontext():
            for optimizer in both:
                optimizer.step()
                optimizer.zero_grad()
        if time.monotonic() - saved > save_seconds:
            save_state(states, step, model, both[0])
            saved = time.monotonic()
        on_step(step, recipe.steps, loss.item())
    save(model, tokenizer, recipe, folder)


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, recipe: BaseRecipe, folder: Path) -> None:
    """Write the weights in bfloat16, the tokenizer, and the recipe with the hashes"""
    from transformers.utils import logging

    logging.disable_progress_bar()  # the command shows one
    shipped: Any = copy.deepcopy(model)
    shipped.to(torch.bfloat16)
    shipped.config.dtype = torch.bfloat16
    with beside(folder) as building:
        shipped.save_pretrained(building)
        tokenizer.save_pretrained(building)
        seen = recipe.steps * recipe.length * recipe.rows
        record = {**asdict(recipe), "tokens_seen": seen, **hashes(building)}
        text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in record.items())
        (building / RECIPE).write_text(f"# Rebuilds this base model: lima village build\n{text}", encoding="utf-8")
        to_disk(building)
        put_in_place(building, folder)


def load_recipe(path: Path) -> BaseRecipe:
    """The recipe beside the weights"""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    return BaseRecipe(**{f.name: table[f.name] for f in fields(BaseRecipe) if f.name in table})
