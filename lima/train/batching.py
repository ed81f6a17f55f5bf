"""Which examples make up a step, and how its rows are split into micro-batches without padding.

`batch_size` counts examples, each of which is one row or several, all in one step: removing padding never changes the number of
steps (packing a thousand examples into fewer steps makes results worse). A micro-batch is one long row with segment boundaries.
Knows nothing of models.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import torch

from lima.contract.rendered import Rendered
from lima.data.packed import Rows


@dataclass(frozen=True)
class MicroBatch:
    """Some rows of a step as one row of tokens"""

    members: tuple[int, ...]
    "Which of the step's rows"
    segments: tuple[int, ...]
    "Their lengths, in row order"
    ids: torch.Tensor
    "(1, tokens)"
    positions: torch.Tensor
    "(1, tokens), starting at 0 in each segment"
    predict: torch.Tensor
    "(trained,) indices into the row from which a trained token is predicted"
    targets: torch.Tensor
    "(trained,) the tokens to predict there"
    weights: torch.Tensor
    "(trained,) their loss weights"


Sizes = list[tuple[int, int]]
"Of each row of a step (its tokens, those that carry loss)"


def epoch_order(count: int, seed: int, epoch: int) -> list[int]:
    """The order of `count` examples in an epoch; a function of seed and epoch alone, so that resuming needs no state"""
    generator = torch.Generator().manual_seed((seed * 1_000_003 + epoch) % 2**63)
    return torch.randperm(count, generator=generator).tolist()


def steps_of(order: Sequence[int], batch_size: int) -> list[list[int]]:
    """The examples of each step; the last one may be smaller"""
    return [list(order[i : i + batch_size]) for i in range(0, len(order), batch_size)]


def rows_of(examples: Sequence[Sequence[Rendered]], members: Sequence[int]) -> list[Rendered]:
    """The rows of these examples: all of an example's are in one step"""
    return [row for i in members for row in examples[i]]


class Steps(Sequence[list[Rendered]]):
    """The rows of every step of a run, made when they are asked for"""

    def __init__(self, examples: Rows, epochs: int, batch_size: int, seed: int) -> None:
        self.examples, self.epochs, self.batch_size, self.seed = examples, epochs, batch_size, seed
        self.per_epoch = -(-len(examples) // batch_size)

    def __len__(self) -> int:
        return self.per_epoch * self.epochs

    @overload
    def __getitem__(self, at: int) -> list[Rendered]: ...
    @overload
    def __getitem__(self, at: slice) -> list[list[Rendered]]: ...
    def __getitem__(self, at: int | slice) -> list[Rendered] | list[list[Rendered]]:
        if isinstance(at, slice):
            return [self[i] for i in range(*at.indices(len(self)))]
        if not -len(self) <= at < len(self):
            raise IndexError(at)
        epoch, step = divmod(at % len(self), self.per_epoch)
        order = epoch_order(len(self.examples), self.seed, epoch + 1)
        return rows_of(self.examples, steps_of(order, self.batch_size)[step])

    def sizes(self) -> Iterator[Sizes]:
        """Of each step the sizes of its rows, without making them"""
        rows = self.examples
        for epoch in range(1, self.epochs + 1):
            for members in steps_of(epoch_order(len(rows), self.seed, epoch), self.batch_size):
                yield [(rows.sizes[row], rows.trained[row]) for member in members for row in rows.of(member)]


def sizes_of(steps: Sequence[Sequence[Rendered]]) -> Iterator[Sizes]:
    """Of each step the sizes of its rows"""
    if isinstance(steps, Steps):
        return steps.sizes()
    return ([(len(row.ids), row.trained) for row in step] for step in steps)


def split(lengths: Sequence[int], budget: int, parts: int = 1) -> list[list[int]]:
    """Indices grouped so that each group has at most `budget` tokens, or a single longer example

    About `parts` groups where the lengths allow it, so that every process has work. Longest first into the
    fullest group where it still fits (best fit); the result depends on nothing but the arguments."""
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    budget = min(budget, max(-(-sum(lengths) // parts), max(lengths, default=1)))
    groups: list[list[int]] = []
    loads: list[int] = []
    for i in order:
        fitting = [g for g, load in enumerate(loads) if load + lengths[i] <= budget]
        if fitting:
            best = max(fitting, key=lambda g: loads[g])
            groups[best].append(i)
            loads[best] += lengths[i]
        else:
            groups.append([i])
            loads.append(lengths[i])
    return groups


def largest(steps: Sequence[Sequence[Rendered]], budget: int, parts: int = 1) -> tuple[Sequence[Rendered], list[int]]:
    """The step with the largest micro-batch, and its members: by tokens, then by trained ones"""
    sized = (
        ((sum(sizes[i][0] for i in group), sum(sizes[i][1] for i in group)), -number, group)
        for number, sizes in enumerate(sizes_of(steps))
        for group in split([tokens for tokens, _ in sizes], budget, parts)
    )
    _, number, group = max(sized, key=lambda one: one[:2])
    return steps[-number], group


def micro_batch(step: Sequence[Rendered], members: Sequence[int]) -> MicroBatch:
    """The chosen examples of a step as one row"""
    ids: list[int] = []
    positions: list[int] = []
    predict: list[int] = []
    targets: list[int] = []
    weights: list[float] = []
    segments = []
    for member in members:
        one, start = step[member], len(ids)
        ids += one.ids
        positions += range(len(one.ids))
        segments.append(len(one.ids))
        # A segment's first token has nothing before it to be predicted from.
        trained = [i for i in range(1, len(one.ids)) if one.weights[i]]
        predict += [start + i - 1 for i in trained]
        targets += [one.ids[i] for i in trained]
        weights += [one.weights[i] for i in trained]
    return MicroBatch(
        members=tuple(members),
        segments=tuple(segments),
        ids=torch.tensor([ids]),
        positions=torch.tensor([positions]),
        predict=torch.tensor(predict),
        targets=torch.tensor(targets),
        weights=torch.tensor(weights),
    )


def step_weight(step: Sequence[Rendered]) -> float:
    """The total loss weight of a step, by which its summed loss is divided, whatever the split (trl#2604)"""
    return sum(sum(one.weights[1:]) for one in step)
