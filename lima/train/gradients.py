"""A step's gradient, whatever the memory: forward and backward over micro-batches, made smaller when memory runs out.

The gradient is the weighted sum over the step's trained tokens divided by their total weight, however the step is split into
micro-batches and over processes. Every step draws its dropout from its own seed. Knows nothing of optimizers, epochs or the
store.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch

from lima.contract.rendered import Rendered
from lima.model.memory import free_memory, is_out_of_memory
from lima.model.shard import local_part
from lima.train.batching import largest, micro_batch, split, step_weight
from lima.train.budget import Budget
from lima.train.loss import weighted_loss
from lima.train.trainee import Trainee


class Gradients:
    """Leaves a step's gradient in the trainee's parameters"""

    def __init__(self, trainee: Trainee, budget: Budget) -> None:
        self.trainee, self.budget, self.recipe = trainee, budget, trainee.recipe
        self.accelerator = trainee.accelerator
        self.processes, self.device = self.accelerator.num_processes, self.accelerator.device

    def rehearse(self, steps: Sequence[Sequence[Rendered]]) -> None:
        """Send the largest micro-batch through the model before the first step, so that out of memory shows up now (oumi#1369)"""
        trainee = self.trainee
        trained = sum(local_part(p).numel() for p in trainee.model.parameters() if p.requires_grad)
        moments = 0 if trainee.optimizer.state else 8 * trained  # bytes that AdamW will take
        # The bare model reduces nothing, so one process may fail alone. A sharded model needs the other processes.
        dressed, trainee.model = trainee.model, trainee.bare
        short = True
        while short:
            step, members = largest(steps, self.budget.tokens, self.processes)
            examples = [step[i] for i in members]
            failed = self.attempt(examples, 0, [list(range(len(members)))] * self.processes, moments) is None
            short = bool(self.summed(torch.tensor(float(failed), device=self.device)) > 0)
            if short:
                self.budget.halve(examples)
        trainee.model = dressed
        trainee.optimizer.zero_grad()

    def of(self, examples: Sequence[Rendered], step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """(mean loss, trained tokens predicted right) of a step, its gradient left in the parameters

        `step` is how many were made before it. LimaError if not even one example fits into memory."""
        while (found := self.attempt(examples, step)) is None:
            self.budget.halve(examples)
        loss, right = map(self.summed, found)
        return loss, right

    def attempt(
        self, examples: Sequence[Rendered], step: int, groups: list[list[int]] | None = None, spare: int = 0
    ) -> tuple[torch.Tensor, torch.Tensor] | None:
        """`backward` with `spare` bytes allocated; None if memory ran out

        After a backward pass that broke off DDP stops with an error of its own and FSDP2 continues with wrong gradients: where
        they are at work it is an error at once."""
        # Seeded by step and process, so that a resumed run draws the same dropout.
        torch.manual_seed((self.recipe.seed * 1_000_003 + step) * 1009 + self.accelerator.process_index)
        try:
            room = torch.empty(spare, dtype=torch.uint8, device=self.device)
            found = self.backward(examples, groups)
            del room
            return found
        except (RuntimeError, MemoryError) as e:
            if not is_out_of_memory(e):
                raise
        self.trainee.optimizer.zero_grad()
        free_memory()
        if self.trainee.model is not self.trainee.bare or self.recipe.shard:
            raise self.budget.error(examples)
        return None

    def backward(
        self, examples: Sequence[Rendered], groups: list[list[int]] | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """This process's part of (mean loss, trained tokens predicted right)

        `groups` says which examples share a micro-batch; without it the budget decides."""
        trainee, processes = self.trainee, self.processes
        groups = groups or split([len(e.ids) for e in examples], self.budget.tokens, processes)
        mine = groups[self.accelerator.process_index :: processes]
        rounds = -(-len(groups) // processes)
        # A process without a micro-batch in the last round repeats one at weight 0: all must take part in the reduction.
        padding = rounds - len(mine)
        scale = processes / step_weight(examples)  # data parallel averages over processes; undo that
        total = torch.zeros((), device=self.device)
        right = torch.zeros((), device=self.device)
        for number, group in enumerate([*mine, *[groups[0]] * padding]):
            counts = number < len(mine)
            # A sharded model reduces after each: gradients that wait for the last one would wait unsharded.
            with self.accelerator.no_sync(trainee.model) if number < rounds - 1 else nullcontext():
                loss, hits = self.forward(examples, group)
                self.accelerator.backward(loss * (scale if counts else 0.0))
            if counts:
                total += loss.detach() * scale / processes
                right += hits
        return total, right

    def forward(self, examples: Sequence[Rendered], group: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """(summed loss, trained tokens predicted right) of one micro-batch"""
        trainee, batch = self.trainee, micro_batch(examples, group)
        if trainee.noise:
            trainee.noise.segments = batch.segments
        # Its cache would hold a copy of every weight until the last block; recomputing blocks is to save memory.
        cache = not self.recipe.gradient_checkpointing
        with torch.autocast(self.device.type, torch.bfloat16, enabled=trainee.autocast, cache_enabled=cache):
            return weighted_loss(trainee.model, batch, self.device, trainee.score)

    def summed(self, tensor: torch.Tensor) -> Any:
        """The sum over all processes"""
        return self.accelerator.reduce(tensor, "sum")
