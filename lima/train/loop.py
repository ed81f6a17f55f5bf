"""The training loop: LIMA's recipe (§3) over rendered examples, on accelerate; CPU, one GPU or several from the same code.

A step's gradient is the weighted sum over its trained tokens divided by their total weight, however the step is split into
micro-batches and over processes. Every step draws its dropout from its own seed. Knows nothing of what the examples are about,
nor of how a run is started or resumed.
"""

import shutil
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list

from lima.contract.rendered import Rendered
from lima.contract.runs import Run
from lima.data.dataset import Prepared
from lima.errors import LimaError
from lima.isolation import plugin_code
from lima.model import attention, compiled
from lima.model.adapter import keep_adapter, merged_state, prove_merge, save_adapter, use_of
from lima.model.build import assemble, freeze_embeddings, parameter_groups
from lima.model.folder import load_model, saved_dtype
from lima.model.memory import give_back, too_large
from lima.model.neftune import Neftune
from lima.model.onednn import quicken
from lima.model.saving import save
from lima.model.shard import divide, gathered, here, together, whole, whole_state
from lima.plugins import Plugins
from lima.record.runs import RunLog, card, check_own
from lima.train.batching import all_steps, epoch_order, largest, micro_batch, split, step_weight, steps_of
from lima.train.budget import Budget
from lima.train.dev_answers import OnDev, answers
from lima.train.head import can_chunk
from lima.train.loss import prove_isolation, score_chunk, weighted_loss
from lima.train.metrics import Figures
from lima.train.resume_state import State, load_state, mark_ended, save_state, states_folder

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
        self.state: State | None = None
        self.finished = False
        self.on_dev: OnDev | None = None
        self.accelerator = accelerator
        self.per_epoch = -(-len(ready.rendered) // self.recipe.batch_size)
        self.steps = self.per_epoch * self.recipe.epochs
        self.step, self.pending = 0, list[dict[str, Any]]()
        self.waiting: Figures | None = None
        self.budget = Budget(self.recipe)
        self.started = self.flushed = self.clock = time.monotonic()
        self.autocast = self.recipe.in_bfloat16(self.accelerator.device.type)
        self.compile = compiled.wanted(self.recipe, self.accelerator.device)
        self.score = compiled.compile_score(score_chunk) if self.compile else score_chunk

    @property
    def main(self) -> bool:
        return bool(self.accelerator.is_main_process)

    def log_end(self, status: str, message: str = "") -> None:
        if self.main:
            if self.waiting:
                last, self.waiting = self.waiting, None
                with suppress(RuntimeError):  # of a device that failed: its numbers never come
                    self.pending.append(last.read())
            self.log.steps(self.pending)
            self.pending = []
            self.log.finish(
                status, " ".join([*self.budget.notes, message]).strip(), self.step, time.monotonic() - self.started
            )

    def build(self, weights: bool = True) -> tuple[Any, Any]:
        """(the model to train, the causal LM in it), or only their structure"""
        shared = compiled.register() if self.compile else attention.NAME
        recompute = self.recipe.gradient_checkpointing and not self.compile  # compiled blocks do it by themselves
        built = assemble(
            self.recipe, self.ready, weights, shared_attention=shared, recompute=recompute, bfloat16=self.autocast
        )
        self.saved_dtype = saved_dtype(self.ready.base, self.recipe.trust_remote_code)
        self.own_attention, self.attention = built.own_attention, built.attention
        return built.model, built.plain

    def load(self) -> None:
        """The model, divided over the processes if it is to be, and its optimizer"""
        recipe, ready, device = self.recipe, self.ready, self.accelerator.device
        with together():
            model, plain = self.build(weights=self.main or not recipe.shard)
        if device.type == "cpu" and not self.compile:
            quicken(model)
        if recipe.shard:
            divide(model, device, self.autocast)
        # After the adapter, which puts a module of its own in the place of the embedding.
        self.noise = Neftune(plain, recipe.neftune_alpha) if recipe.neftune_alpha else None
        frozen = (
            freeze_embeddings(model, ready.turn_rows) if recipe.freeze == "embeddings" and not recipe.lora_rank else []
        )
        # Before the optimizer, whose state is read to where the parameters are.
        proved = model if recipe.shard else plain.to(device)
        optimizer = torch.optim.AdamW(
            parameter_groups(model, recipe.weight_decay, frozen),
            lr=recipe.learning_rate,
            betas=recipe.betas,
            fused=True,
        )
        if self.state:
            with together():
                load_state(self.state.folder, model, optimizer)
            self.step = self.state.step
            self.budget.restore(self.state.beside)
        with torch.autocast(device.type, torch.bfloat16, enabled=self.autocast):
            can_chunk(proved, device)  # now, while all processes are here
            if recipe.micro_batch_tokens > 1:
                prove_isolation(proved, device)
        if self.compile:
            compiled.compile_blocks(model, recipe.gradient_checkpointing)
        # accelerate would copy the model to each process, which a sharded one must not be.
        self.model = model if recipe.shard else self.accelerator.prepare(model)
        self.optimizer = self.accelerator.prepare(optimizer)
        self.model.train()

    def run_all(self) -> None:
        """Everything from the first hook to the last"""
        with together():
            if self.main:
                self.plugins.call("before_train", run=self.run, examples=self.ready.records)
        self.load()
        self.rehearse()
        if self.state and not self.step % self.per_epoch and not self.state.ended:
            self.end_of_epoch(self.step // self.per_epoch)
        for epoch in range(self.step // self.per_epoch + 1, self.recipe.epochs + 1):
            for members in self.steps_of_epoch(epoch)[self.step % self.per_epoch :]:
                self.one_step(epoch, members)
                if self.step % self.per_epoch and self.state_due():
                    self.settle_all()
                    self.save_state()
            self.settle_all()
            # In this order: a run that stops on the way, in answering say, goes on with what is missing and repeats no step.
            self.keep_epoch(epoch)
            if self.state_due():
                self.save_state()
            self.end_of_epoch(epoch)
        self.save(self.run.folder)
        if self.main:
            self.log.checkpoint(self.recipe.epochs, self.step, self.run.folder)
            self.log_end("done")
            self.finished = True
            shutil.rmtree(states_folder(self.run.folder, self.run.id), ignore_errors=True)
            self.plugins.call("after_train", run=self.run, checkpoint=self.run.folder)

    def state_due(self) -> bool:
        """Whether a state is saved after this step; after the last one only where its epoch has more to do than save the model"""
        every = self.recipe.save_every or self.per_epoch
        return every > 0 and self.step % every == 0 and (self.step < self.steps or self.recipe.keep_epochs)

    def steps_of_epoch(self, epoch: int) -> list[list[int]]:
        """The examples of each of an epoch's steps"""
        return steps_of(epoch_order(len(self.ready.rendered), self.recipe.seed, epoch), self.recipe.batch_size)

    def rehearse(self) -> None:
        """Send the largest micro-batch through the model before the first step: what does not fit should fail now (oumi#1369)"""
        processes = self.accelerator.num_processes
        steps = all_steps(self.ready.rendered, self.recipe.epochs, self.recipe.batch_size, self.recipe.seed)
        moments = (
            0 if self.optimizer.state else 8 * sum(here(p).numel() for p in self.model.parameters() if p.requires_grad)
        )
        # Without what reduces gradients, so that one process may fail alone. A divided model is nothing without the others.
        dressed, self.model = self.model, self.accelerator.unwrap_model(self.model)
        short = True
        while short:
            step, members = largest(steps, self.budget.tokens, processes)
            examples = [step[i] for i in members]
            failed = self.attempt(examples, [list(range(len(members)))] * processes, spare=moments) is None
            short = bool(self.everywhere(torch.tensor(float(failed), device=self.accelerator.device)) > 0)
            if short:
                self.budget.halve(examples)
        self.model = dressed
        self.optimizer.zero_grad()

    def one_step(self, epoch: int, members: list[int]) -> None:
        """Forward and backward over the step's micro-batches, then one update"""
        if self.waiting is None:
            self.clock = time.monotonic()
        rate = self.recipe.learning_rate_at(self.step, self.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        examples = [self.ready.rendered[i] for i in members]
        while (found := self.attempt(examples)) is None:
            self.budget.halve(examples)
        loss, right = map(self.everywhere, found)
        norm = whole(self.accelerator.clip_grad_norm_(self.model.parameters(), self.recipe.clip or float("inf")))
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step += 1
        trained = sum(sum(w != 0 for w in e.weights[1:]) for e in examples)
        about = {"step": self.step, "epoch": epoch, "learning_rate": rate, "trained_tokens": trained}
        about["tokens"] = sum(len(e.ids) for e in examples)
        before, self.waiting = (
            self.waiting,
            Figures(about, [self.ready.records[i].id for i in members], loss, right / trained, norm),
        )
        if before:  # its numbers, now that the device has the work of this step
            self.settle(before)

    def settle_all(self) -> None:
        """Nothing is under way after this"""
        if self.waiting:
            last, self.waiting = self.waiting, None
            self.settle(last)

    def settle(self, figures: Figures) -> None:
        """Read what came of a step and pass it on"""
        metrics = figures.read()
        if wrong := figures.not_finite():
            self.step, self.waiting = metrics["step"] - 1, None
            raise LimaError(wrong)
        metrics["seconds"], self.clock = figures.wait() - self.clock, figures.wait()
        self.report(metrics)

    def attempt(
        self, examples: list[Rendered], groups: list[list[int]] | None = None, spare: int = 0
    ) -> tuple[torch.Tensor, torch.Tensor] | None:
        """`gradients` beside `spare` bytes; None when memory did not suffice

        After a backward pass that broke off DDP stops with an error of its own and FSDP2 goes on to wrong gradients: where they
        are at work it is an error at once."""
        # Seeded by step and process, so that a resumed run draws the same dropout.
        torch.manual_seed((self.recipe.seed * 1_000_003 + self.step) * 1009 + self.accelerator.process_index)
        try:
            room = torch.empty(spare, dtype=torch.uint8, device=self.accelerator.device)  # what AdamW will take later
            found = self.gradients(examples, groups)
            del room
            return found
        except (RuntimeError, MemoryError) as e:
            if not too_large(e):
                raise
        self.optimizer.zero_grad()
        give_back()
        alone = self.model is self.accelerator.unwrap_model(self.model) and not self.recipe.shard
        if not alone:
            raise self.budget.error(examples)
        return None

    def everywhere(self, tensor: torch.Tensor) -> torch.Tensor:
        """The sum over all processes"""
        summed: torch.Tensor = self.accelerator.reduce(tensor, "sum")
        return summed

    def gradients(
        self, examples: list[Rendered], groups: list[list[int]] | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Leave the step's gradient in the parameters; this process's part of (mean loss, trained tokens predicted right)

        `groups` says which examples share a micro-batch, where they are not split by the budget."""
        device, processes = self.accelerator.device, self.accelerator.num_processes
        groups = groups or split([len(e.ids) for e in examples], self.budget.tokens, processes)
        mine = groups[self.accelerator.process_index :: processes]
        rounds = -(-len(groups) // processes)
        # A process without a micro-batch in the last round repeats one at weight 0: all must take part in the reduction.
        padding = rounds - len(mine)
        scale = processes / step_weight(examples)  # data parallel averages over processes; undo that
        total = torch.zeros((), device=device)
        right = torch.zeros((), device=device)
        for number, group in enumerate([*mine, *[groups[0]] * padding]):
            counts = number < len(mine)
            # A sharded model reduces after each: gradients that wait for the last one would wait undivided.
            with self.accelerator.no_sync(self.model) if number < rounds - 1 else nullcontext():
                batch = micro_batch(examples, group)
                if self.noise:
                    self.noise.segments = batch.segments
                # Its cache would hold a copy of every weight until the last block; recomputing blocks is to save memory.
                cache = not self.recipe.gradient_checkpointing
                with torch.autocast(device.type, torch.bfloat16, enabled=self.autocast, cache_enabled=cache):
                    loss, hits = weighted_loss(self.model, batch, device, self.score)
                self.accelerator.backward(loss * (scale if counts else 0.0))
            if counts:
                total += loss.detach() * scale / processes
                right += hits
        return total, right

    def report(self, metrics: dict[str, Any]) -> None:
        if not self.main:
            return
        self.pending.append(metrics)
        if time.monotonic() - self.flushed > FLUSH_SECONDS:
            self.log.steps(self.pending)
            self.pending, self.flushed = [], time.monotonic()
        self.plugins.call("after_step", run=self.run, step=metrics["step"], metrics=metrics | {"steps": self.steps})
        if self.on_step:
            self.on_step(metrics["step"], self.steps, metrics)

    def epoch_folder(self, epoch: int) -> Path | None:
        """Where the model of an epoch is kept, if each is"""
        return self.run.folder / f"epoch-{epoch:02d}" if self.recipe.keep_epochs else None

    def keep_epoch(self, epoch: int) -> None:
        """Save the epoch's model where the recipe keeps each"""
        if checkpoint := self.epoch_folder(epoch):
            self.save(checkpoint)
            if self.main:
                self.log.checkpoint(epoch, self.step, checkpoint)

    def end_of_epoch(self, epoch: int) -> None:
        """Answer the dev prompts and tell the plugins"""
        checkpoint = self.epoch_folder(epoch)
        with together():
            answered = self.log.answered(epoch) if self.main else None
        left = self.ready.dev and not broadcast_object_list([answered])[0]
        # A divided model needs all processes to answer; where one fails, the others wait inside and cannot be told: it ends, and
        # with it, by the launcher, all of them.
        with nullcontext() if self.recipe.shard else together():
            if checkpoint and left and (self.main or self.recipe.shard):
                replies, perplexity = answers(
                    checkpoint, self.ready.dev, self.recipe, self.on_dev if self.main else None
                )
                if self.main:
                    self.log.replies(epoch, replies, perplexity)
        if self.main:
            self.plugins.call("after_epoch", run=self.run, epoch=epoch, checkpoint=checkpoint)
            if self.state_due():
                mark_ended(states_folder(self.run.folder, self.run.id), self.step)

    def save_state(self) -> None:
        """Keep what a killed run needs to go on from here; the store has every step up to it first"""
        with together():
            if self.main:
                self.log.steps(self.pending)
                self.pending = []
            model, folder = self.accelerator.unwrap_model(self.model), states_folder(self.run.folder, self.run.id)
            save_state(folder, self.step, model, self.optimizer.optimizer, self.budget.state(), self.main)

    def save(self, folder: Path) -> None:
        """Write the model as it is now; all processes bring their parts and the main one writes"""
        with together():
            model, lora = self.accelerator.unwrap_model(self.model), self.recipe.lora_rank > 0
            if lora and self.recipe.shard:
                model = self.undivided(model)
            state = {} if lora else whole_state(model, self.saved_dtype, keep=self.main)
            if self.main:
                self.write(folder, model, merged_state(model, self.saved_dtype) if lora else state)

    def undivided(self, model: Any) -> Any:
        """The model with its adapter once more, on the main process's CPU, to be merged as one process would merge it"""
        trained = {n: t.cpu() for n, t in gathered((n, p) for n, p in model.named_parameters() if p.requires_grad)}
        if not self.main:
            return model
        adapted, _ = self.build()
        adapted.load_state_dict(trained, strict=False)
        return adapted

    def write(self, folder: Path, model: Any, state: dict[str, torch.Tensor]) -> None:
        """A complete Hugging Face folder with this state; LimaError where somebody put another model meanwhile"""
        check_own(folder, self.run.id)
        plain = model.get_base_model() if self.recipe.lora_rank else model
        plain.set_attn_implementation(self.own_attention)
        tokenizer, renderer = self.ready.tokenizer, self.ready.renderer
        if hasattr(renderer, "chat_template"):
            with plugin_code(f"the renderer {self.run.renderer!r}"):
                tokenizer.chat_template = renderer.chat_template(tokenizer, self.ready.eot)
        about = card(self.run, self.step)
        if self.recipe.lora_rank:

            def finish(built: Path) -> str:
                size = save_adapter(model, built / "adapter")
                # bfloat16 keeps eight bits: a merge into it cannot come closer than that.
                tolerance = 1e-4 if self.saved_dtype == torch.float32 else 3e-2
                merged = load_model(built, trust_remote_code=self.recipe.trust_remote_code)
                try:
                    off, effect = prove_merge(model, merged, self.ready.rendered[0].ids[:32], tolerance)
                except LimaError as e:
                    raise LimaError(f"{e} {keep_adapter(built, folder)}") from e
                return (
                    f"\nLoRA of rank {self.recipe.lora_rank}, merged: where it changes logits by {effect:.1g} of their size, the "
                    f"merge differs by {off:.1g}. The adapter alone ({size:,} bytes) is in `adapter`. "
                    f"{use_of(model)}\n"
                )

            save(plain, tokenizer, self.ready.base, folder, self.saved_dtype, about, state, finish)
            model.train()
        else:
            save(plain, tokenizer, self.ready.base, folder, self.saved_dtype, about, state)
        plain.set_attn_implementation(self.attention)
