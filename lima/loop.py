"""The training loop: LIMA's recipe (§3) over rendered examples, on accelerate; CPU, one GPU or several from the same code.

A step's gradient is the weighted sum over its trained tokens divided by their total weight, however the step is split into
micro-batches and over processes. Every step draws its dropout from its own seed. Knows nothing of what the examples are about,
nor of how a run is started or resumed.
"""

import shutil
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from lima import attention
from lima.adapter import add_lora, merged_state, prove_merge, save_adapter
from lima.batching import epoch_order, micro_batch, split, step_weight, steps_of
from lima.checkpoint import load_state, save_state, states_folder
from lima.dropout import set_residual_dropout
from lima.errors import LimaError
from lima.loss import prove_isolation, weighted_loss
from lima.model import (
    extend_embeddings,
    freeze_embeddings,
    load_model,
    parameter_groups,
    recompute_activations,
    save,
    saved_dtype,
    set_stop,
)
from lima.neftune import Neftune
from lima.plugins import Plugins
from lima.prepare import Prepared
from lima.rendering import Rendered
from lima.run import Run, RunLog, card

OnStep = Callable[[int, int, dict[str, Any]], None]
"Hears (step from 1, steps, metrics)"

FLUSH_SECONDS = 1.0
"Steps are written to the store this often, and at the end whatever the end is"


class Loop:
    """The state of one run's loop"""

    def __init__(
        self, run: Run, ready: Prepared, log: RunLog, plugins: Plugins, on_step: OnStep | None, accelerator: Accelerator
    ) -> None:
        self.run, self.ready, self.log, self.plugins, self.on_step = run, ready, log, plugins, on_step
        self.recipe = run.recipe
        self.state: tuple[Path, int] | None = None
        self.finished = False
        self.accelerator = accelerator
        self.per_epoch = -(-len(ready.rendered) // self.recipe.batch_size)
        self.steps = self.per_epoch * self.recipe.epochs
        self.step, self.pending = 0, list[dict[str, Any]]()
        self.started = self.flushed = time.monotonic()
        wanted = self.recipe.precision
        on_gpu = self.accelerator.device.type == "cuda"
        self.autocast = wanted == "bfloat16" or (wanted == "auto" and on_gpu)

    @property
    def main(self) -> bool:
        return bool(self.accelerator.is_main_process)

    def log_end(self, status: str, message: str = "") -> None:
        if self.main:
            self.log.steps(self.pending)
            self.pending = []
            self.log.finish(status, message, self.step, time.monotonic() - self.started)

    def load(self) -> None:
        """The model with EOT, dropout and attention in place, and its optimizer"""
        recipe, ready = self.recipe, self.ready
        torch.manual_seed(recipe.seed)
        model = load_model(ready.base, trust_remote_code=recipe.trust_remote_code)
        self.saved_dtype = saved_dtype(ready.base, recipe.trust_remote_code)
        extend_embeddings(model, ready.new_ids, ready.used)
        set_stop(model, ready.tokenizer, ready.eot)
        set_residual_dropout(model, recipe.residual_dropout)
        attention.register()
        self.own_attention = model.config._attn_implementation
        # With a row for each example the model's own attention is right, whatever the architecture.
        self.attention = attention.NAME if recipe.micro_batch_tokens > 1 else self.own_attention
        model.set_attn_implementation(self.attention)
        if recipe.gradient_checkpointing:
            recompute_activations(model)
        plain = model
        if recipe.lora_rank:
            model = add_lora(model, recipe, ready.new_ids)
        # After the adapter, which puts a module of its own in the place of the embedding.
        self.noise = Neftune(plain, recipe.neftune_alpha) if recipe.neftune_alpha else None
        frozen = (
            freeze_embeddings(model, ready.new_ids) if recipe.freeze == "embeddings" and not recipe.lora_rank else []
        )
        optimizer = torch.optim.AdamW(
            parameter_groups(model, recipe.weight_decay, frozen),
            lr=recipe.learning_rate,
            betas=recipe.betas,
            fused=True,
        )
        if self.state:
            load_state(self.state[0], model, optimizer)
            self.step = self.state[1]
        if recipe.micro_batch_tokens > 1:
            prove_isolation(plain.to(self.accelerator.device), self.accelerator.device)
        self.model, self.optimizer = self.accelerator.prepare(model, optimizer)
        self.model.train()

    def run_all(self) -> None:
        """Everything from the first hook to the last"""
        if self.main:
            self.plugins.call("before_train", run=self.run, examples=self.ready.records)
        self.load()
        for epoch in range(self.step // self.per_epoch + 1, self.recipe.epochs + 1):
            order = epoch_order(len(self.ready.rendered), self.recipe.seed, epoch)
            for members in steps_of(order, self.recipe.batch_size)[self.step % self.per_epoch :]:
                self.one_step(epoch, members)
                if self.recipe.save_every > 0 and self.step % self.recipe.save_every == 0:
                    self.save_state()
            self.end_of_epoch(epoch)
            if self.recipe.save_every == 0:
                self.save_state()
        self.save(self.run.folder)
        if self.main:
            self.log.checkpoint(self.recipe.epochs, self.step, self.run.folder)
            self.log_end("done")
            self.finished = True
            shutil.rmtree(states_folder(self.run.folder, self.run.id), ignore_errors=True)
            self.plugins.call("after_train", run=self.run, checkpoint=self.run.folder)

    def one_step(self, epoch: int, members: list[int]) -> None:
        """Forward and backward over the step's micro-batches, then one update"""
        started, recipe = time.monotonic(), self.recipe
        rate = recipe.learning_rate_at(self.step, self.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        examples = [self.ready.rendered[i] for i in members]
        # Seeded by step and process, so that a resumed run draws the same dropout.
        torch.manual_seed((recipe.seed * 1_000_003 + self.step) * 1009 + self.accelerator.process_index)
        loss, right = self.gradients(examples)
        if not torch.isfinite(loss):
            names = ", ".join(self.ready.records[i].id for i in members[:8])
            raise LimaError(
                f"The loss of step {self.step + 1} is {loss.item()} (examples {names}{' …' if len(members) > 8 else ''}). "
                "Lower learning_rate, or look at these examples with `lima preview`."
            )
        norm = self.accelerator.clip_grad_norm_(self.model.parameters(), recipe.clip or float("inf"))
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step += 1
        trained = sum(sum(w != 0 for w in e.weights[1:]) for e in examples)
        self.report(
            {
                "step": self.step,
                "epoch": epoch,
                "loss": loss.item(),
                "accuracy": right.item() / trained,
                "learning_rate": rate,
                "gradient_norm": float(norm),
                "tokens": sum(len(e.ids) for e in examples),
                "trained_tokens": trained,
                "seconds": time.monotonic() - started,
            }
        )

    def gradients(self, examples: list[Rendered]) -> tuple[torch.Tensor, torch.Tensor]:
        """Leave the step's gradient in the parameters; (mean loss, trained tokens predicted right) over all processes"""
        device, processes = self.accelerator.device, self.accelerator.num_processes
        groups = split([len(e.ids) for e in examples], self.recipe.micro_batch_tokens, processes)
        mine = groups[self.accelerator.process_index :: processes]
        rounds = -(-len(groups) // processes)
        # A process without a micro-batch in the last round repeats one at weight 0: all must take part in the reduction.
        padding = rounds - len(mine)
        scale = processes / step_weight(examples)  # data parallel averages over processes; undo that
        total = torch.zeros((), device=device)
        right = torch.zeros((), device=device)
        for number, group in enumerate([*mine, *[groups[0]] * padding]):
            counts = number < len(mine)
            with self.accelerator.no_sync(self.model) if number < rounds - 1 else nullcontext():
                batch = micro_batch(examples, group)
                if self.noise:
                    self.noise.segments = batch.segments
                with torch.autocast(device.type, torch.bfloat16, enabled=self.autocast):
                    loss, hits = weighted_loss(self.model, batch, device)
                self.accelerator.backward(loss * (scale if counts else 0.0))
            if counts:
                total += loss.detach() * scale / processes
                right += hits
        return self.accelerator.reduce(total, "sum"), self.accelerator.reduce(right, "sum")

    def report(self, metrics: dict[str, Any]) -> None:
        if not self.main:
            return
        self.pending.append(metrics)
        if time.monotonic() - self.flushed > FLUSH_SECONDS:
            self.log.steps(self.pending)
            self.pending, self.flushed = [], time.monotonic()
        self.plugins.call("after_step", run=self.run, step=self.step, metrics=metrics | {"steps": self.steps})
        if self.on_step:
            self.on_step(self.step, self.steps, metrics)

    def end_of_epoch(self, epoch: int) -> None:
        checkpoint = None
        if self.recipe.keep_epochs:
            checkpoint = self.run.folder / f"epoch-{epoch:02d}"
            self.save(checkpoint)
            if self.main:
                self.log.checkpoint(epoch, self.step, checkpoint)
        if self.main:
            self.plugins.call("after_epoch", run=self.run, epoch=epoch, checkpoint=checkpoint)

    def save_state(self) -> None:
        """Keep what a killed run needs to go on from here; the store has every step up to it first"""
        if self.main and self.step < self.steps:
            self.log.steps(self.pending)
            self.pending = []
            model = self.accelerator.unwrap_model(self.model)
            save_state(states_folder(self.run.folder, self.run.id), self.step, model, self.optimizer.optimizer)

    def save(self, folder: Path) -> None:
        if not self.main:
            return
        model = self.accelerator.unwrap_model(self.model)
        plain = model.get_base_model() if self.recipe.lora_rank else model
        plain.set_attn_implementation(self.own_attention)
        tokenizer, renderer = self.ready.tokenizer, self.ready.renderer
        if hasattr(renderer, "chat_template"):
            tokenizer.chat_template = renderer.chat_template(tokenizer, self.ready.eot)
        about = card(self.run, self.step)
        if self.recipe.lora_rank:

            def finish(built: Path) -> str:
                size = save_adapter(model, built / "adapter")
                # bfloat16 keeps eight bits: a merge into it cannot come closer than that.
                exact = self.saved_dtype == torch.float32
                prove_merge(model, load_model(built), self.ready.rendered[0].ids[:32], 1e-4 if exact else 3e-2)
                return f"\nLoRA of rank {self.recipe.lora_rank}; the adapter alone ({size:,} bytes) is in `adapter`.\n"

            save(plain, tokenizer, folder, self.saved_dtype, about, merged_state(model), finish)
            model.train()
        else:
            save(plain, tokenizer, folder, self.saved_dtype, about, model.state_dict())
        plain.set_attn_implementation(self.attention)
