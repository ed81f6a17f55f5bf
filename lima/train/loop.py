"""The training loop: LIMA's recipe (§3) over rendered examples, on accelerate; CPU, one GPU or several from the same code.

Knows nothing of what the examples are about, of memory, nor of how a run is started or resumed.
"""

import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.utils import broadcast_object_list

from lima.contract.runs import Run
from lima.data.dataset import Prepared
from lima.model.memory import freed_memory_kept
from lima.model.shard import full_tensor, raise_together
from lima.train.batching import Steps, epoch_order, rows_of, steps_of
from lima.train.checkpoint import write_checkpoint
from lima.train.dev_answers import OnDev, answers
from lima.train.gradients import Gradients
from lima.train.measures import measures
from lima.train.metrics import StepMetrics
from lima.train.reporter import Reporter
from lima.train.resume_state import State, mark_ended, save_state, states_folder
from lima.train.trainee import Trainee


def train(
    run: Run,
    ready: Prepared,
    reporter: Reporter,
    accelerator: Accelerator,
    state: State | None = None,
    on_dev: OnDev | None = None,
) -> None:
    """Train, from the first hook to the last; with a `state`, from there"""
    with raise_together():
        if reporter.main:
            reporter.plugins.call("before_train", run=run, examples=ready.records)
    with freed_memory_kept(accelerator.device.type == "cpu"):
        Loop(run, ready, reporter, accelerator, state, on_dev).run_all()


class Loop:
    """One run's epochs and steps"""

    def __init__(
        self,
        run: Run,
        ready: Prepared,
        reporter: Reporter,
        accelerator: Accelerator,
        state: State | None,
        on_dev: OnDev | None,
    ) -> None:
        self.run, self.ready, self.recipe = run, ready, run.recipe
        self.reporter, self.accelerator, self.state, self.on_dev = reporter, accelerator, state, on_dev
        self.main, self.plugins, self.log = reporter.main, reporter.plugins, reporter.log
        self.states = states_folder(run.folder, run.id)
        self.per_epoch = -(-len(ready.rendered) // self.recipe.batch_size)
        self.steps = self.per_epoch * self.recipe.epochs
        self.trainee = Trainee(self.recipe, ready, accelerator, state.folder if state else None)
        if state:
            reporter.step = state.step
            reporter.budget.restore(state.beside)
        self.gradients = Gradients(self.trainee, reporter.budget)

    @property
    def step(self) -> int:
        """How many steps have been made"""
        return self.reporter.step

    def run_all(self) -> None:
        """All remaining epochs, and the model at the end"""
        recipe = self.recipe
        self.gradients.rehearse(Steps(self.ready.rendered, recipe.epochs, recipe.batch_size, recipe.seed))
        if self.state and not self.step % self.per_epoch:
            self.finish_epoch(self.state, self.step // self.per_epoch)
        for epoch in range(self.step // self.per_epoch + 1, recipe.epochs + 1):
            order = epoch_order(len(self.ready.rendered), recipe.seed, epoch)
            for members in steps_of(order, recipe.batch_size)[self.step % self.per_epoch :]:
                self.one_step(epoch, members)
                if self.step % self.per_epoch and self.state_due():
                    self.reporter.settle(self.steps)
                    self.save_state()
            self.reporter.settle(self.steps)
            # In this order: a run that stops in between, while answering for example, resumes there and repeats no step.
            self.keep_epoch(epoch)
            if self.state_due():
                self.save_state()
            self.end_of_epoch(epoch)
        write_checkpoint(self.trainee, self.run, self.run.folder, self.step)
        if self.main:
            self.log.checkpoint(recipe.epochs, self.step, self.run.folder)
            self.reporter.end("done")
            self.reporter.finished = True
            shutil.rmtree(self.states, ignore_errors=True)
            self.plugins.call("after_train", run=self.run, checkpoint=self.run.folder)

    def one_step(self, epoch: int, members: list[int]) -> None:
        """Forward and backward over the step's micro-batches, then one update"""
        self.reporter.begin_step()
        model, optimizer = self.trainee.model, self.trainee.optimizer
        rate = self.recipe.learning_rate_at(self.step, self.steps)
        for group in optimizer.param_groups:
            group["lr"] = rate
        rows = rows_of(self.ready.rendered, members)
        loss, right = self.gradients.of(rows, self.step)
        norm = full_tensor(self.accelerator.clip_grad_norm_(model.parameters(), self.recipe.clip or float("inf")))
        optimizer.step()
        optimizer.zero_grad()
        trained = sum(sum(w != 0 for w in row.weights[1:]) for row in rows)
        about = {"step": self.step + 1, "epoch": epoch, "learning_rate": rate, "trained_tokens": trained}
        about["tokens"] = sum(len(row.ids) for row in rows)
        names = [self.ready.id(i) for i in members]
        self.reporter.add(StepMetrics(about, names, loss, right / trained, norm), self.steps)

    def state_due(self) -> bool:
        """Whether a state is saved after this step; after the last one only if its epoch has more to do than save the model"""
        every = self.recipe.save_every or self.per_epoch
        return every > 0 and self.step % every == 0 and (self.step < self.steps or self.recipe.keep_epochs)

    def save_state(self) -> None:
        """Save what a killed run needs to resume from here, after every step up to it is in the store"""
        with raise_together():
            if self.main:
                self.reporter.write()
            optimizer = self.trainee.optimizer.optimizer
            save_state(self.states, self.step, self.trainee.bare, optimizer, self.reporter.budget.state(), self.main)

    def epoch_folder(self, epoch: int) -> Path | None:
        """Where an epoch's model is kept; None if epochs are not kept"""
        return self.run.folder / f"epoch-{epoch:02d}" if self.recipe.keep_epochs else None

    def keep_epoch(self, epoch: int) -> None:
        """Save the epoch's model if the recipe keeps epochs"""
        if checkpoint := self.epoch_folder(epoch):
            write_checkpoint(self.trainee, self.run, checkpoint, self.step)
            if self.main:
                self.log.checkpoint(epoch, self.step, checkpoint)

    def finish_epoch(self, state: State, epoch: int) -> None:
        """On resuming: what is left to do of the epoch that the state ends, and its model again if somebody has removed it"""
        checkpoint = self.epoch_folder(epoch)
        lost = checkpoint is not None and not (checkpoint / "config.json").is_file()
        if broadcast_object_list([lost])[0]:
            self.keep_epoch(epoch)
        if not state.ended:
            self.end_of_epoch(epoch)

    def measured(self, model: Any) -> dict[str, float]:
        """What plugins measure of an epoch's model on the dev examples"""
        return measures(self.plugins, model, [prompt.record for prompt in self.ready.dev])

    def end_of_epoch(self, epoch: int) -> None:
        """Answer the dev prompts and tell the plugins"""
        checkpoint, recipe = self.epoch_folder(epoch), self.recipe
        with raise_together():
            answered = self.log.answered(epoch) if self.main else None
        left = self.ready.dev and not broadcast_object_list([answered])[0]
        # A sharded model needs all processes to answer. If one fails, the others wait inside and cannot be told: it ends, and the
        # launcher then ends the others.
        with nullcontext() if recipe.shard else raise_together():
            if checkpoint and left and (self.main or recipe.shard):
                on_dev = self.on_dev if self.main else None
                found = answers(checkpoint, self.ready.dev, recipe, self.ready.renderer, self.measured, on_dev)
                if self.main:
                    self.log.replies(epoch, found.replies, found.perplexity, found.measures)
        if self.main:
            self.plugins.call("after_epoch", run=self.run, epoch=epoch, checkpoint=checkpoint)
            if self.state_due():
                mark_ended(self.states, self.step)
