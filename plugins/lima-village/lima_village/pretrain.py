"""Pretraining of the village's base model: a small Llama on packed documents, on a CPU.

The loop knows text and tokens only. It is not LIMA's recipe: what is trained here is what LIMA starts from. Of the fine-tuning
engine it takes the states that a killed run goes on from.
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

from lima.checkpoint import load_state, newest_state, save_state, states_folder
from lima.errors import LimaError
from lima.lock import alone
from lima.run import lock_of
from lima.saving import beside, check_new, put_in_place, to_disk
from lima_village.base_model import RECIPE, hashes, village_hash
from lima_village.corpus import documents
from lima_village.tokens import build_tokenizer

if TYPE_CHECKING:
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
    threads: int = 1
    """compiled, more than one add up the embedding's gradient in whichever order they come, and end in other bits each time"""

    @property
    def steps(self) -> int:
        return self.tokens // (self.length * self.rows)


def rows(tokenizer: PreTrainedTokenizerFast, recipe: BaseRecipe) -> Iterator[list[int]]:
    """The corpus as rows of equal length, documents divided by the end-of-text token"""
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
    """Muon for the matrices of the layers where the recipe says so, AdamW for the rest; what they keep is in one table"""
    matrices = [p for p in model.model.layers.parameters() if p.ndim == 2]
    others = [p for name, p in model.named_parameters() if p.ndim != 2 or "layers" not in name]
    adam = {"betas": (0.9, 0.98), "weight_decay": recipe.weight_decay, "fused": True}
    if recipe.optimizer == "muon":
        first = torch.optim.Muon(
            matrices, lr=recipe.matrix_rate, weight_decay=recipe.weight_decay, adjust_lr_fn="match_rms_adamw"
        )
    else:
        first = torch.optim.AdamW(matrices, lr=recipe.matrix_rate, **adam)
    second = torch.optim.AdamW(others, lr=recipe.other_rate, **adam)
    second.state = first.state  # so that both are saved and read as one
    return [first, second]


class Float32(TorchFunctionMode):
    """Keeps Muon's matrix products in float32: torch's own turns to bfloat16 by itself, which some processors only emulate"""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **kwargs or {}) if func is not torch.Tensor.bfloat16 else args[0].float().clone()


def states_of(recipe: BaseRecipe, folder: Path) -> Path:
    """Where the states of an unfinished build are kept; another recipe, text or torch, has others"""
    text = f"{recipe} {torch.__version__} {village_hash()}"
    return states_folder(folder.resolve(), hashlib.sha256(text.encode()).hexdigest()[:8])


def pretrain(
    recipe: BaseRecipe, folder: Path, on_step: Callable[[int, int, float], None], save_seconds: float = 300.0
) -> None:
    """Train a base model into a folder, which appears when it is done; what a killed build has done so far is not lost

    A state is saved beside the folder every `save_seconds`, and the next call with this recipe goes on from it, to the same
    bits. `on_step` hears of each step made: its number, the number of all, and the loss. LimaError when the disk refuses,
    another process is building there, or the folder is not empty."""
    states = states_of(recipe, folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with alone(lock_of(folder), f"building {folder}"):
            check_new(folder.resolve())
            states.mkdir(exist_ok=True)
            _pretrain(recipe, folder, states, on_step, save_seconds)
            shutil.rmtree(states, ignore_errors=True)
    except OSError as e:
        raise LimaError(f"Cannot write to {folder.parent}: {e.strerror}. Choose another --out.") from e


def _pretrain(
    recipe: BaseRecipe,
    folder: Path,
    states: Path,
    on_step: Callable[[int, int, float], None],
    save_seconds: float,
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
    """Write the weights in bfloat16, the tokenizer, and the recipe with the hash of the weights"""
    from transformers.utils import logging

    logging.disable_progress_bar()  # the command has its own
    shipped = copy.deepcopy(model).to(torch.bfloat16)
    shipped.config.dtype = torch.bfloat16
    with beside(folder) as building:
        shipped.save_pretrained(building)
        tokenizer.save_pretrained(building)
        seen = recipe.steps * recipe.length * recipe.rows
        record = {**asdict(recipe), "tokens_seen": seen, **hashes(building)}
        lines = [
            "# Rebuilds this base model: lima village build",
            *(f"{k} = {json.dumps(v)}" for k, v in record.items()),
        ]
        (building / RECIPE).write_text("\n".join(lines) + "\n", encoding="utf-8")
        to_disk(building)
        put_in_place(building, folder)


def load_recipe(path: Path) -> BaseRecipe:
    """The recipe that lies next to the weights"""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    return BaseRecipe(**{f.name: table[f.name] for f in fields(BaseRecipe) if f.name in table})
