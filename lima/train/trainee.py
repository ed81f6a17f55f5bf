"""The model that trains, on its device, with its optimizer: built, sharded, restored, proved and compiled, in this order.

Knows nothing of steps or of the store.
"""

from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from lima.data.dataset import Prepared
from lima.model import attention, compiled, gated, norms
from lima.model.build import Built, build, freeze_embeddings, parameter_groups
from lima.model.folder import saved_dtype
from lima.model.neftune import Neftune
from lima.model.onednn import use_onednn
from lima.model.shard import raise_together, shard_model
from lima.recipe import Recipe
from lima.train.head import can_chunk
from lima.train.loss import prove_isolation, score_chunk
from lima.train.resume_state import load_state
from lima.train.saved_tokenizer import to_save


class Trainee:
    """One model in training; `model` is the one to call, with its wrappers"""

    def __init__(self, recipe: Recipe, ready: Prepared, accelerator: Accelerator, state: Path | None) -> None:
        """From the base's weights, or from those in a state's folder. LimaError if it cannot be trained with this recipe"""
        self.recipe, self.ready, self.accelerator = recipe, ready, accelerator
        device = accelerator.device
        self.autocast = recipe.in_bfloat16(device.type)
        self.compile = compiled.wanted(recipe, device)
        self.score = compiled.compile_score(score_chunk) if self.compile else score_chunk
        with raise_together():
            self.built = self.build(weights=accelerator.is_main_process or not recipe.shard)
            self.saved_dtype = saved_dtype(ready.base, recipe.trust_remote_code)
        model, plain = self.built.model, self.built.plain
        if device.type == "cpu" and not self.compile:
            use_onednn(model)
            if not recipe.gradient_checkpointing and not recipe.shard:
                gated.keep_less(model)
                norms.keep_less(model)
        if recipe.shard:
            shard_model(model, device, self.autocast)
        # After the adapter, which puts a module of its own in the place of the embedding.
        self.noise = Neftune(plain, recipe.neftune_alpha) if recipe.neftune_alpha else None
        frozen = []
        if recipe.freeze == "embeddings" and not recipe.lora_rank:
            frozen = freeze_embeddings(model, ready.additions.turn_rows)
        # Before the optimizer, whose state is read to where the parameters are.
        proved = model if recipe.shard else plain.to(device)
        groups = parameter_groups(model, recipe.weight_decay, frozen)
        optimizer = torch.optim.AdamW(groups, lr=recipe.rates()[0], betas=recipe.betas, fused=True)
        if state:
            with raise_together():
                load_state(state, model, optimizer)
        with torch.autocast(device.type, torch.bfloat16, enabled=self.autocast):
            can_chunk(proved, device)  # now, while all processes are here
            if recipe.micro_batch_tokens != 1:
                prove_isolation(proved, device)
        if self.compile:
            compiled.compile_blocks(model, recipe.gradient_checkpointing)
        # accelerate would copy the model to each process, which must not happen to a sharded one.
        self.model = model if recipe.shard else accelerator.prepare(model)
        self.optimizer = accelerator.prepare(optimizer)
        self.model.train()

    @cached_property
    def tokenizer(self) -> tuple[Any, str]:
        """The tokenizer that is saved with the model, and what the card says of it"""
        return to_save(self.ready)

    @property
    def bare(self) -> Any:
        """The model without the wrapper that reduces its gradients"""
        return self.accelerator.unwrap_model(self.model)

    def build(self, weights: bool = True) -> Built:
        """The model from the base's weights, or only its structure"""
        shared = compiled.register() if self.compile else attention.NAME
        recompute = self.recipe.gradient_checkpointing and not self.compile  # compiled blocks recompute on their own
        return build(self.recipe, self.ready.base, self.ready.additions, weights, shared, recompute, self.autocast)
