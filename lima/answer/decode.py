"""Decode a batch of prompts, one token per row at a time; what is cached of earlier prompts is not read again.

Rows end at the same column, so what a model sees is ordinary left padding. A row that is done leaves the batch. Rounding aside,
a reply depends neither on its batch nor on what was kept. Knows nothing of text, of sampling, or of where prompts come from.
"""

import inspect
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from lima.answer import half_steps
from lima.answer.kv_cache import BatchCache, PrefixCache

ALIGNED = 8
"Columns by which a mask's rows are aligned: a GPU's attention kernels read them sixteen bytes at a time"

Draw = Callable[[torch.Tensor, torch.Tensor, list[int]], torch.Tensor]
"Logits (rows, vocabulary), the replies so far (rows, tokens) and the rows' numbers to the next token of each (rows,)"


@dataclass(eq=False)
class Answering:
    """A prompt that is being answered, and its answer"""

    number: int
    "Its place among the prompts"
    prompt: list[int]
    limit: int
    "How many tokens the answer may have"
    out: list[int] = field(default_factory=list)
    stop: str = "length"
    "Or 'eot'"
    seconds: float = 0.0
    start: int = 0
    "The column of its first token"


class Batch:
    """Some prompts that are answered together"""

    def __init__(
        self,
        model: Any,
        rows: list[Answering],
        stop_ids: list[int],
        draw: Draw,
        prefix_cache: PrefixCache | None,
        on_end: Callable[[Answering], None] | None = None,
    ) -> None:
        """Without `prefix_cache`, for a model whose cache cannot be kept (see `keeps`), the batch gets transformers' own cache

        `on_end` is called with each row as it ends."""
        self.model, self.stop_ids, self.draw, self.prefix_cache = model, stop_ids, draw, prefix_cache
        self.on_end = on_end
        self.stop = max(len(row.prompt) for row in rows)
        for row in rows:
            row.start = self.stop - len(row.prompt)
        self.columns = _aligned(self.stop + min(64, max(row.limit for row in rows)))
        cache = DynamicCache(config=model.config)
        self.batch_cache = None if prefix_cache is None else BatchCache(len(cache.layers), len(rows), self.columns)
        self.cache: Any = cache if self.batch_cache is None else self.batch_cache
        recurrent = "cache_params" in inspect.signature(model.forward).parameters  # Mamba
        self.cache_name = "cache_params" if recurrent else "past_key_values"
        self.attends = any(isinstance(layer, DynamicLayer) for layer in cache.layers)
        # With one kind of mask the model takes it ready-made, which saves making it at every step and, on a GPU, waiting for it.
        self.ready_mask = (
            prefix_cache is not None
            and all(type(layer) is DynamicLayer for layer in cache.layers)
            and model.config._attn_implementation in ("sdpa", "eager", half_steps.NAME)
            and not getattr(model.config, "alibi", False)
        )
        self.arrange(rows)

    def decode(self) -> None:
        """Fill in every row's answer"""
        for _ in self.steps():
            pass

    @torch.inference_mode()
    def steps(self) -> Iterator[None]:
        """Fill in every row's answer, a token a row at a time; a row that ended is no longer touched"""
        began = time.perf_counter()
        logits = self.read()
        written = torch.empty(len(self.live), 0, dtype=torch.long, device=logits.device)
        while True:
            tokens = self.draw(logits.float(), written, [row.number for row in self.live])  # (rows,)
            going = self.take(tokens.tolist(), began)
            yield
            if not going:
                return
            written = torch.cat([written, tokens[:, None]], 1)
            if len(going) < len(self.live):
                written = written[self.close_up(going)]
            logits = self.step(written[:, -1:])

    def read(self) -> torch.Tensor:
        """Read what is not cached of the prompts, grouped by their number of new tokens; logits (rows, vocabulary)

        A row with fewer new tokens than its group reads some cached ones again, in place of padding."""
        prompts = [row.prompt for row in self.live]
        known = self.prefix_cache.take(prompts) if self.prefix_cache is not None else [(0, [])] * len(prompts)
        new = [len(ids) - count for ids, (count, _) in zip(prompts, known, strict=True)]
        order = sorted(range(len(new)), key=lambda i: -new[i])
        self.arrange([self.live[i] for i in order])
        logits = []
        for first, last in _groups([new[i] for i in order]) if self.batch_cache is not None else [(0, len(new))]:
            rows, count = self.live[first:last], new[order[first]]
            start, before = min(row.start for row in rows), self.stop - count
            if self.batch_cache is not None:
                for at, row in enumerate(rows, first):
                    if row.start < before:
                        self.batch_cache.put(at, before, known[order[at]][1], before - row.start)
                self.batch_cache.show(slice(first, last), start, before)
            ids = [[self.stop_ids[0]] * (count - len(row.prompt)) + row.prompt[-count:] for row in rows]
            columns = torch.arange(start, self.stop, device=self.model.device)
            starts = self.starts[first:last, None]
            logits.append(
                self.forward(
                    torch.tensor(ids, device=self.model.device),
                    (columns >= starts).long(),
                    (columns[before - start :] - starts).clamp(min=0),
                )
            )
        if self.batch_cache is not None:
            self.batch_cache.show(slice(len(new)), 0, self.stop)
        return torch.cat(logits)

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        """The logits after one more token a row, (rows, 1) → (rows, vocabulary)"""
        if self.stop == self.columns:
            more = _aligned(self.columns // 2 + 64)
            self.columns += more
            if self.batch_cache is not None:
                self.batch_cache.widen(more)
            self.arrange(self.live)
        start = 0
        if self.batch_cache is not None:
            start = min(row.start for row in self.live) // ALIGNED * ALIGNED
            self.batch_cache.show(slice(len(self.live)), start, self.stop)
        # Layers without attention would take the mask to be of the new tokens alone.
        mask = self.mask[..., start : self.stop + 1] if self.attends else None
        logits = self.forward(tokens, mask, (self.stop - self.starts)[:, None])
        self.stop += 1
        return logits

    def forward(self, ids: torch.Tensor, mask: torch.Tensor | None, positions: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            use_cache=True,
            logits_to_keep=1,
            **{self.cache_name: self.cache},
        ).logits
        return logits[:, -1]

    def take(self, tokens: list[int], began: float) -> list[int]:
        """Append each row's token, or end the row; the places of the rows that continue"""
        going = []
        for at, (row, token) in enumerate(zip(self.live, tokens, strict=True)):
            if token in self.stop_ids:
                row.stop = "eot"
            else:
                row.out.append(token)
                if len(row.out) < row.limit:
                    going.append(at)
                    continue
            row.seconds = time.perf_counter() - began
            if self.prefix_cache is not None and self.batch_cache is not None:  # the last token was never read
                states = self.batch_cache.get(at, row.start, self.stop)
                self.prefix_cache.add((row.prompt + row.out)[: self.stop - row.start], len(row.prompt), states)
            if self.on_end:
                self.on_end(row)
        return going

    def close_up(self, going: list[int]) -> torch.Tensor:
        """Keep only these places, the last of them moved to where rows have ended; the new order"""
        stay, moving = set(going), iter(reversed(going))
        order = [at if at in stay else next(moving) for at in range(len(going))]
        index = torch.tensor(order)
        self.cache.reorder_cache(index)
        self.arrange([self.live[at] for at in order])
        return index.to(self.model.device)

    def arrange(self, rows: list[Answering]) -> None:
        """Set the rows, and their mask over all columns that there is room for"""
        self.live, device = rows, self.model.device
        self.starts = torch.tensor([row.start for row in rows]).to(device, non_blocking=True)
        real = torch.arange(self.columns, device=device) >= self.starts[:, None]  # (rows, columns)
        if self.ready_mask:
            worst = torch.finfo(self.model.dtype).min
            self.mask = torch.zeros(real.shape, dtype=self.model.dtype, device=device).masked_fill_(~real, worst)
            self.mask = self.mask[:, None, None]
        else:
            self.mask = real.long()


def _aligned(columns: int) -> int:
    return -(-columns // ALIGNED) * ALIGNED


def _groups(new: list[int]) -> list[tuple[int, int]]:
    """Ranges of a descending list, in each of which no value is less than three quarters of the first"""
    edges = [0]
    for at, count in enumerate(new):
        if count < 0.75 * new[edges[-1]]:
            edges.append(at)
    return list(zip(edges, [*edges[1:], len(new)], strict=True))
