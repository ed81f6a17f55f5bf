"""The key-value cache of a batch that is being answered, and the entries kept for later prompts that continue earlier ones.

Knows nothing of how tokens are read or drawn.
"""

import inspect
from bisect import bisect_left, insort
from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import torch
from torch.nn.functional import pad
from transformers import Cache, DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

States = list[tuple[torch.Tensor, torch.Tensor]]
"Keys and values of one row, layer by layer, each (heads, tokens, d)"


class PrefixCache:
    """Keys and values of one model's prompts and replies, for prompts that begin with the same tokens

    On the model's device, and at most `limit` bytes; the oldest are forgotten first."""

    def __init__(self, limit: int) -> None:
        self.limit, self.bytes = limit, 0
        self.states: dict[tuple[int, ...], tuple[int, States]] = {}  # by ids, oldest first: the prompt's length, states
        self.sorted: list[tuple[int, ...]] = []  # sorted, so ids that begin alike are neighbours

    def take(self, prompts: Sequence[list[int]]) -> list[tuple[int, States]]:
        """How many of its tokens are known of each prompt, at most all but the last, and states that begin with them

        An entry that a prompt continues is dropped: the longer one will take its place."""
        found: list[tuple[int, States]] = []
        continued = set()
        for ids in map(tuple, prompts):
            at = bisect_left(self.sorted, ids)
            near = [(common(ids[:-1], other), other) for other in self.sorted[max(0, at - 1) : at + 1]]
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
        """Drop the entry of exactly these ids"""
        self.bytes -= _bytes(self.states.pop(key)[1])
        del self.sorted[bisect_left(self.sorted, key)]


def common(a: Sequence[int], b: Sequence[int]) -> int:
    """How many ids two sequences begin with alike"""
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


class LayerCache(DynamicLayer):
    """A layer's keys and values in room made in advance: a step writes a column where transformers copies all of them

    Sliding windows are left to the mask, so that a later prompt can continue from any column."""

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__()
        self.size = rows, columns
        self.rows, self.start, self.stop = slice(rows), 0, 0
        self.pair: list[torch.Tensor] = []
        "Keys and values, each (rows, heads, columns, d), once `is_initialized`"

    def show(self, rows: slice, start: int, stop: int) -> None:
        """Be, to the model, a cache of these rows that holds these columns"""
        self.rows, self.start, self.stop = rows, start, stop

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        rows, columns = self.size
        # Zeros, because a mask does not help against NaN.
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


class BatchCache(Cache):
    """The cache of a batch: a `LayerCache` for every layer"""

    def __init__(self, layers: int, rows: int, columns: int) -> None:
        self.layer_caches = [LayerCache(rows, columns) for _ in range(layers)]
        super().__init__(layers=list(self.layer_caches))

    def show(self, rows: slice, start: int, stop: int) -> None:
        for layer in self.layer_caches:
            layer.show(rows, start, stop)

    def put(self, row: int, stop: int, states: States, count: int) -> None:
        """Copy the first `count` tokens of kept states into a row, the last one before column `stop`"""
        for layer, pair in zip(self.layer_caches, states, strict=True):
            if not layer.is_initialized:
                layer.lazy_initialization(pair[0][None], pair[1][None])
            for room, kept in zip(layer.pair, pair, strict=True):
                room[row, :, stop - count : stop] = kept[:, :count]

    def get(self, row: int, start: int, stop: int) -> States:
        """A row's states in these columns; views"""
        return [(k[row, :, start:stop], v[row, :, start:stop]) for k, v in (layer.pair for layer in self.layer_caches)]

    def widen(self, columns: int) -> None:
        """Make room for that many more tokens"""
        for layer in self.layer_caches:
            layer.pair = [pad(room[layer.rows], (0, 0, 0, columns)) for room in layer.pair]

    def reorder_cache(self, beam_idx: torch.Tensor) -> None:
        moved = [(to, at) for to, at in enumerate(beam_idx.tolist()) if to != at]
        if moved:
            to, at = ([*places] for places in zip(*moved, strict=True))
            for layer in self.layer_caches:
                for room in layer.pair:
                    room[to, :, layer.start : layer.stop] = room[at, :, layer.start : layer.stop]
