"""Decode a batch of prompts, a token a row at a time, and keep their keys and values for prompts that go on from there.

Rows end at the same column, so what a model sees is ordinary left padding. A row that is done leaves the batch. Rounding aside,
a reply depends neither on its batch nor on what was kept. Knows nothing of text, of sampling, or of where prompts come from.
"""

import inspect
import time
from bisect import bisect_left, insort
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

import torch
from torch.nn.functional import pad
from transformers import Cache, DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

States = list[tuple[torch.Tensor, torch.Tensor]]
"Keys and values of one row, layer by layer, each (heads, tokens, d)"
Draw = Callable[[torch.Tensor, torch.Tensor, list[int]], torch.Tensor]
"Logits (rows, vocabulary), the replies so far (rows, tokens) and the rows' numbers to the next token of each (rows,)"


@dataclass(eq=False)
class Row:
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


class Kept:
    """Keys and values of prompts and their replies, for prompts that begin with the same tokens

    At most `limit` bytes between two calls, the oldest forgotten first. On the device that the model is on."""

    def __init__(self, limit: int) -> None:
        self.limit, self.bytes = limit, 0
        self.states: dict[tuple[int, ...], tuple[int, States]] = {}  # by ids, oldest first: the prompt's length, states
        self.sorted: list[tuple[int, ...]] = []  # whatever begins like some ids stands beside their place in here

    def take(self, prompts: Sequence[list[int]]) -> list[tuple[int, States]]:
        """How many of its tokens are known of each prompt, at most all but the last, and states that begin with them

        What a prompt goes on from is forgotten: the longer one will take its place."""
        found: list[tuple[int, States]] = []
        continued = set()
        for ids in map(tuple, prompts):
            at = bisect_left(self.sorted, ids)
            near = [(_common(ids[:-1], other), other) for other in self.sorted[max(0, at - 1) : at + 1]]
            count, key = max(near, default=(0, ()))
            prompt, states = self.states[key] if count else (0, [])
            found.append((count, states))
            if count and count >= prompt:
                continued.add(key)
        for key in continued:
            self.forget(key)
        return found

    def add(self, ids: Sequence[int], prompt: int, states: States) -> None:
        """Keep copies of the states of these ids, the first `prompt` of which were the prompt"""
        key, size = tuple(ids), _bytes(states)
        if key in self.states:
            self.forget(key)
        if size > self.limit:
            return
        while self.bytes + size > self.limit:
            self.forget(next(iter(self.states)))
        self.states[key] = prompt, [(k.clone(), v.clone()) for k, v in states]
        insort(self.sorted, key)
        self.bytes += size

    def forget(self, key: tuple[int, ...]) -> None:
        """Drop what is kept of exactly these ids"""
        self.bytes -= _bytes(self.states.pop(key)[1])
        del self.sorted[bisect_left(self.sorted, key)]


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))


def _bytes(states: States) -> int:
    return sum(t.nelement() * t.element_size() for pair in states for t in pair)


def keeps(model: Any) -> bool:
    """Whether a token's keys and values are all that later tokens need of it, and stay as they are

    Not so in recurrent layers, where layers share or compress them, or where rotary frequencies depend on the length."""
    layers = DynamicCache(config=model.config).layers
    rope = getattr(model.config.get_text_config(decoder=True), "rope_parameters", None) or {}
    kinds = [str(r.get("rope_type")) for r in (rope, *rope.values()) if isinstance(r, dict)]
    return (
        bool(layers)
        and all(type(layer) in (DynamicLayer, DynamicSlidingWindowLayer) for layer in layers)
        and not any("dynamic" in kind or kind == "longrope" for kind in kinds)
        and "position_ids" in inspect.signature(model.forward).parameters
    )


class _Room(DynamicLayer):
    """A layer's keys and values in room made in advance: a step writes a column where transformers copies all of them

    Sliding windows are left to the mask, so that nothing is lost to whoever goes on from here."""

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__()
        self.size = rows, columns
        self.show(slice(rows), 0, 0)

    def show(self, rows: slice, start: int, stop: int) -> None:
        """Be, to the model, a cache of these rows that holds these columns"""
        self.rows, self.start, self.stop = rows, start, stop

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        rows, columns = self.size
        # Zeros, because a mask does not help against what is not a number.
        self.pair = [t.new_zeros(rows, t.shape[1], columns, t.shape[3]) for t in (key_states, value_states)]
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        keys, values = self.pair
        before, self.stop = self.stop, self.stop + key_states.shape[2]
        keys[self.rows, :, before : self.stop] = key_states
        values[self.rows, :, before : self.stop] = value_states
        return keys[self.rows, :, self.start : self.stop], values[self.rows, :, self.start : self.stop]

    def get_seq_length(self) -> int:
        return self.stop - self.start


class _Rooms(Cache):
    """The cache of a batch: a `_Room` for every layer"""

    def __init__(self, layers: int, rows: int, columns: int) -> None:
        self.rooms = [_Room(rows, columns) for _ in range(layers)]
        super().__init__(layers=list(self.rooms))

    def show(self, rows: slice, start: int, stop: int) -> None:
        for layer in self.rooms:
            layer.show(rows, start, stop)

    def put(self, row: int, stop: int, states: States, count: int) -> None:
        """Copy the first `count` tokens of kept states into a row, the last one before column `stop`"""
        for layer, pair in zip(self.rooms, states, strict=True):
            if not layer.is_initialized:
                layer.lazy_initialization(pair[0][None], pair[1][None])
            for room, kept in zip(layer.pair, pair, strict=True):
                room[row, :, stop - count : stop] = kept[:, :count]

    def get(self, row: int, start: int, stop: int) -> States:
        """A row's states in these columns; views"""
        return [(k[row, :, start:stop], v[row, :, start:stop]) for k, v in (layer.pair for layer in self.rooms)]

    def widen(self, columns: int) -> None:
        """Make room for that many more tokens"""
        for layer in self.rooms:
            layer.pair = [pad(room[layer.rows], (0, 0, 0, columns)) for room in layer.pair]

    def reorder_cache(self, beam_idx: torch.Tensor) -> None:
        moved = [(to, at) for to, at in enumerate(beam_idx.tolist()) if to != at]
        if moved:
            to, at = ([*places] for places in zip(*moved, strict=True))
            for layer in self.rooms:
                for room in layer.pair:
                    room[to, :, layer.start : layer.stop] = room[at, :, layer.start : layer.stop]


class Batch:
    """Some prompts that are answered together"""

    def __init__(self, model: Any, rows: list[Row], stop_ids: list[int], draw: Draw, kept: Kept | None) -> None:
        """`kept` is None for a model that does not `keeps`: transformers' own cache, and nothing is remembered"""
        self.model, self.stop_ids, self.draw, self.kept = model, stop_ids, draw, kept
        self.live = rows
        self.stop = max(len(row.prompt) for row in rows)
        for row in rows:
            row.start = self.stop - len(row.prompt)
        self.columns = self.stop + min(64, max(row.limit for row in rows))
        cache = DynamicCache(config=model.config)
        self.rooms = None if kept is None else _Rooms(len(cache.layers), len(rows), self.columns)
        self.cache: Cache = cache if self.rooms is None else self.rooms
        recurrent = "cache_params" in inspect.signature(model.forward).parameters  # Mamba
        self.cache_name = "cache_params" if recurrent else "past_key_values"
        self.attends = any(isinstance(layer, DynamicLayer) for layer in cache.layers)
        # With one kind of mask the model takes it ready-made, which saves making it at every step and, on a GPU, waiting for it.
        self.ready_mask = (
            kept is not None
            and all(type(layer) is DynamicLayer for layer in cache.layers)
            and model.config._attn_implementation in ("sdpa", "eager")
            and not getattr(model.config, "alibi", False)
        )

    @torch.inference_mode()
    def decode(self) -> None:
        """Fill in every row's answer"""
        began = time.perf_counter()
        logits = self.read()
        written = torch.empty(len(self.live), 0, dtype=torch.long, device=logits.device)
        while True:
            tokens = self.draw(logits.float(), written, [row.number for row in self.live])  # (rows,)
            going = self.take(tokens.tolist(), began)
            if not going:
                return
            written = torch.cat([written, tokens[:, None]], 1)
            if len(going) < len(self.live):
                written = written[self.close_up(going)]
            logits = self.step(written[:, -1:])

    def read(self) -> torch.Tensor:
        """Prefill what is not known of the prompts, those with about as many new tokens together; logits (rows, vocabulary)

        Where a row has fewer new tokens than its group it reads some known ones again, in place of padding."""
        known = (
            self.kept.take([row.prompt for row in self.live]) if self.kept is not None else [(0, [])] * len(self.live)
        )
        new = [len(row.prompt) - count for row, (count, _) in zip(self.live, known, strict=True)]
        order = sorted(range(len(new)), key=lambda i: -new[i])
        self.arrange([self.live[i] for i in order])
        logits = []
        for first, last in _groups([new[i] for i in order]) if self.rooms is not None else [(0, len(new))]:
            rows, count = self.live[first:last], new[order[first]] if self.kept is not None else self.stop
            start, before = min(row.start for row in rows), self.stop - count
            if self.rooms is not None:
                for at, row in enumerate(rows, first):
                    if row.start < before:
                        self.rooms.put(at, before, known[order[at]][1], before - row.start)
                self.rooms.show(slice(first, last), start, before)
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
        if self.rooms is not None:
            self.rooms.show(slice(len(new)), 0, self.stop)
        return torch.cat(logits)

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        """The logits after one more token a row, (rows, 1) → (rows, vocabulary)"""
        if self.stop == self.columns:
            more = self.columns // 2 + 64
            self.columns += more
            if self.rooms is not None:
                self.rooms.widen(more)
            self.arrange(self.live)
        start = 0
        if self.rooms is not None:
            start = min(row.start for row in self.live)
            self.rooms.show(slice(len(self.live)), start, self.stop)
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
        """Append each row's token, or end the row; the places that go on"""
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
            if self.kept is not None and self.rooms is not None:  # the last token was never read
                states = self.rooms.get(at, row.start, self.stop)
                self.kept.add((row.prompt + row.out)[: self.stop - row.start], len(row.prompt), states)
        return going

    def close_up(self, going: list[int]) -> torch.Tensor:
        """Let only these places go on, the last of them moved to where others left; the order they are in then"""
        stay, moving = set(going), iter(reversed(going))
        order = [at if at in stay else next(moving) for at in range(len(going))]
        index = torch.tensor(order)
        self.cache.reorder_cache(index)
        self.arrange([self.live[at] for at in order])
        return index.to(self.model.device)

    def arrange(self, rows: list[Row]) -> None:
        """These are the rows now; the mask over all columns that there is room for"""
        self.live, device = rows, self.model.device
        self.starts = torch.tensor([row.start for row in rows]).to(device, non_blocking=True)
        real = torch.arange(self.columns, device=device) >= self.starts[:, None]  # (rows, columns)
        if self.ready_mask:
            worst = torch.finfo(self.model.dtype).min
            self.mask = torch.zeros(real.shape, dtype=self.model.dtype, device=device).masked_fill_(~real, worst)
            self.mask = self.mask[:, None, None]
        else:
            self.mask = real.long()


def _groups(new: list[int]) -> list[tuple[int, int]]:
    """Ranges of a falling list, such that none of a range is less than three quarters of its first"""
    edges = [0]
    for at, count in enumerate(new):
        if count < 0.75 * new[edges[-1]]:
            edges.append(at)
    return list(zip(edges, [*edges[1:], len(new)], strict=True))
