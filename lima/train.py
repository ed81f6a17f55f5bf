"""The training loop: LIMA's recipe (§3) over rendered examples, on accelerate; CPU, one GPU or several from the same code.

A step's gradient is the weighted sum over its trained tokens divided by their total weight, however the step is split into
micro-batches and over processes. Every step draws its dropout from its own seed. Knows nothing of what the examples are about.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from lima import attention
from lima.batching import epoch_order, micro_batch, split, step_weight, steps_of
from lima.dropout import set_residual_dropout
from lima.errors import LimaError
from lima.loss import weighted_loss
from lima.model import (
    extend_embeddings,
    folder_hash,
    freeze_embeddings,
    load_model,
    pick_device,
    recompute_activations,
    save,
    set_stop,
)
from lima.plugins import Plugins, load_plugins
from lima.prepare import Prepared, prepare
from lima.recipe import Recipe
from lima.rendering import Rendered
from lima.run import Run, RunLog, environment, new_run_id
from lima.store import Store

OnStep = Callable[[int, int, dict[str, Any]], None]
"Hears (step from 1, steps, metrics)"

FLUSH_SECONDS = 1.0
"Steps are written to the store this often, and at the end whatever the end is"


def train(recipe: Recipe, store: Store, plugins: Plugins | None = None, on_step: OnStep | None = None) -> Run:
    """Fine-tune as the recipe says; the run, whose folder then holds a complete Hugging Face model

    LimaError for anything wrong with recipe, examples, base or disk, before the first step where it can be known. On any
    error and on Ctrl-C the run's row says how far it came."""
    plugins = plugins or load_plugins()
    device = pick_device(recipe.device)
    run_id = new_run_id()
    folder = Path(recipe.out or f"lima-runs/{run_id}").resolve()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise LimaError(f"{folder} exists and is not empty. Choose another --out, or remove it first.")
    ready = prepare(recipe, plugins)
    run = Run(
        id=run_id,
        recipe=recipe,
        base=ready.base,
        base_hash=folder_hash(ready.base),
        renderer=recipe.renderer,
        eot=ready.eot,
        seed=recipe.seed,
        folder=folder,
        database=store.path,
        sources=tuple(ready.sources),
        plugins=tuple(
            {"plugin": p.name, "version": p.version, "hash": p.content_hash()}
            for p in plugins.loaded
            if p.module is not None
        ),
        environment=environment(),
    )
    accelerator = Accelerator(cpu=device == "cpu")
    loop = _Loop(run, ready, RunLog(store, run), plugins, accelerator, on_step)
    if loop.main:
        loop.log.start(ready.examples)
    try:
        loop.run_all()
    except BaseException as e:
        status = "interrupted" if isinstance(e, KeyboardInterrupt) else "failed"
        try:
            loop.log_end(status, str(e) or type(e).__name__)
        except LimaError as worse:  # a full disk, say: what stopped the run must stay what is reported
            e.add_note(str(worse))
        raise
    return run


class _Loop:
    """The state of one run's loop"""

    def __init__(
        self, run: Run, ready: Prepared, log: RunLog, plugins: Plugins, accelerator: Accelerator, on_step: OnStep | None
    ) -> None:
        self.run, self.ready, self.log, self.plugins = run, ready, log, plugins
        self.accelerator, self.on_step = accelerator, on_step
        self.recipe = run.recipe
        self.per_epoch = -(-len(ready.rendered) // self.recipe.batch_size)
        self.steps = self.per_epoch * self.recipe.epochs
        self.step, self.pending = 0, list[dict[str, Any]]()
        self.started = self.flushed = time.monotonic()
        wanted = self.recipe.precision
        on_gpu = accelerator.device.type == "cuda"
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
        self.saved_dtype = _saved_dtype(ready.base)
        extend_embeddings(model, ready.new_ids, ready.used)
        set_stop(model, ready.tokenizer, ready.eot)
        set_residual_dropout(model, recipe.residual_dropout)
        attention.register()
        self.own_attention = model.config._attn_implementation
        model.set_attn_implementation(attention.NAME)
        if recipe.gradient_checkpointing:
            recompute_activations(model)
        frozen = freeze_embeddings(model, ready.new_ids) if recipe.freeze == "embeddings" else []
        optimizer = torch.optim.AdamW(
            _parameter_groups(model, recipe.weight_decay, frozen),
            lr=recipe.learning_rate,
            betas=recipe.betas,
            fused=True,
        )
        self.model, self.optimizer = self.accelerator.prepare(model, optimizer)
        self.model.train()

    def run_all(self) -> None:
        """Everything from the first hook to the last"""
        if self.main:
            self.plugins.call("before_train", run=self.run, examples=self.ready.records)
        self.load()
        for epoch in range(1, self.recipe.epochs + 1):
            order = epoch_order(len(self.ready.rendered), self.recipe.seed, epoch)
            for members in steps_of(order, self.recipe.batch_size):
                self.one_step(epoch, members)
            self.end_of_epoch(epoch)
        self.save(self.run.folder)
        if self.main:
            self.log.checkpoint(self.recipe.epochs, self.step, self.run.folder)
            self.log_end("done")
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
            with self.accelerator.no_sync(self.model) if number < rounds - 1 else _nothing():
                with torch.autocast(device.type, torch.bfloat16, enabled=self.autocast):
                    loss, hits = weighted_loss(self.model, micro_batch(examples, group), device)
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
        self.plugins.call("after_step", run=self.run, step=self.step, metrics=metrics)
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

    def save(self, folder: Path) -> None:
        if not self.main:
            return
        model = self.accelerator.unwrap_model(self.model)
        model.set_attn_implementation(self.own_attention)
        renderer, tokenizer = self.ready.renderer, self.ready.tokenizer
        template = renderer.chat_template(tokenizer, self.ready.eot) if hasattr(renderer, "chat_template") else None
        save(model, tokenizer, folder, self.saved_dtype, template, _card(self.run, self.step))
        model.set_attn_implementation(attention.NAME)


def _nothing() -> Any:
    from contextlib import nullcontext

    return nullcontext()


def _saved_dtype(base: Path) -> torch.dtype:
    """The dtype of the base's weights, which the checkpoint keeps"""
    from transformers import AutoConfig

    dtype = AutoConfig.from_pretrained(base, local_files_only=True).dtype
    return dtype if isinstance(dtype, torch.dtype) else torch.float32


def _parameter_groups(model: Any, decay: float, frozen: list[torch.nn.Parameter]) -> list[dict[str, Any]]:
    """Weight decay on matrices only: biases, norms and embeddings stand for directions that decay would only bend"""
    embeddings = {id(m.weight) for m in model.modules() if isinstance(m, torch.nn.Embedding)} | {id(p) for p in frozen}
    parameters = [p for p in model.parameters() if p.requires_grad]
    decayed = [p for p in parameters if p.ndim >= 2 and id(p) not in embeddings]
    chosen = {id(p) for p in decayed}
    return [
        {"params": decayed, "weight_decay": decay},
        {"params": [p for p in parameters if id(p) not in chosen], "weight_decay": 0.0},
    ]


def _card(run: Run, steps: int) -> str:
    """The README.md of a checkpoint folder"""
    sources = "\n".join(
        f"- {s['source']}: {s['examples']} examples, {s['licence']}, sha256 {s['hash'][:16]}" for s in run.sources
    )
    return (
        f"# {run.folder.name}\n\nFine-tuned with lima {run.environment['lima-tune']} (run {run.id}) from {run.base.name}, "
        f"sha256 {run.base_hash[:16]}, in {steps} steps.\n\nFormat: {run.renderer}; turns end with `{run.eot}`.\n\n"
        f"Trained on\n{sources}\n"
    )
