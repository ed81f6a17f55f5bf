"""The LM head over the trained positions in chunks: a chunk's logits, their loss and its gradient, then the next chunk.

So only one chunk's logits exist at a time (on a CPU they stay in its cache), and none are computed twice. The decoder runs
once; the causal LM's own forward is then called for each chunk with the decoder's output replayed, so whatever an architecture
does to its logits (a cap, a scale, a bias, an adapter) still happens. If that would not give the same logits, tested on a few
tokens, all positions go through at once. Knows nothing of losses.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch

from lima.model.shard import blocks_of

CHUNK_BYTES = {"cuda": 2**30, "cpu": 2**23}
"Logits of a chunk in float32, by device: a GPU wants large matrices, a CPU what stays in its cache"

CHUNK_ROWS = 256
"Fewest positions of a chunk: with fewer, most time would go into adding up the head's gradient"

ROW_MULTIPLE = 64
"Chunks are whole multiples of that number of positions, for which kernels of matrix products need no remainder"

Score = Callable[..., tuple[torch.Tensor, ...]]
"Computes sums over a chunk, from its logits (positions, vocabulary) and its part of each tensor with a value per position"

_proved: WeakKeyDictionary[torch.nn.Module, bool] = WeakKeyDictionary()


def chunk_rows(vocabulary: int, device: str) -> int:
    """Positions of every chunk but the last: as many as keep the logits below CHUNK_BYTES, but CHUNK_ROWS at least"""
    rows = max(CHUNK_BYTES["cuda" if device == "cuda" else "cpu"] // (4 * vocabulary), CHUNK_ROWS)
    return rows - rows % ROW_MULTIPLE or rows


def summed(
    model: Any, inputs: dict[str, Any], predict: torch.Tensor, by_position: Sequence[torch.Tensor], score: Score
) -> tuple[torch.Tensor, ...]:
    """The sums of `score` over the logits at the positions `predict` of a row, chunk by chunk; the first has a gradient"""
    plain = causal_lm(model)
    if not can_chunk(model, predict.device):
        return score(model(**inputs, logits_to_keep=predict).logits[0], *by_position)
    forward, decoder = plain.forward, plain.get_decoder()
    rows = chunk_rows(plain.config.get_text_config().vocab_size, predict.device.type)

    def all_of_them(**inputs: Any) -> tuple[torch.Tensor, ...]:
        with _caught(decoder) as seen:
            forward(**inputs, logits_to_keep=predict[:0])
        hidden = seen[0][0][:, predict]  # (1, trained, d)

        def one(hidden: torch.Tensor, *rest: torch.Tensor) -> tuple[torch.Tensor, ...]:
            with _forward_is(decoder, lambda *_, **__: _with_hidden(seen[0], hidden)):
                logits = forward(**inputs).logits
            return score(logits.flatten(0, 1), *rest)

        rest = (tensor.split(rows) for tensor in by_position)
        pieces = list(zip(hidden.split(rows, 1), *rest, strict=True))
        if not torch.is_grad_enabled():
            return _added(one(*piece) for piece in pieces)
        return _derived(one, pieces, [hidden, *_weights(plain)])

    # Inside one call of the outermost module, which gathers the head's weights if they are sharded.
    with _forward_is(plain, all_of_them):
        return model(**inputs)


def _derived(
    one: Score, pieces: Sequence[Sequence[torch.Tensor]], inputs: list[torch.Tensor]
) -> tuple[torch.Tensor, ...]:
    """The sums over the pieces; the first sum has its gradients by the first of `inputs`, which the pieces' first tensors are
    parts of, and by those of the other inputs (weights) that it depends on"""
    weights, sums, by_hidden = inputs[1:], [], []
    by_weight: dict[int, torch.Tensor] = {}
    # What autograd saves for a piece is freed at its end, and no outer hook on saved tensors sees it.
    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t):
        for hidden, *rest in pieces:
            hidden = hidden.detach().requires_grad_()
            found = one(hidden, *rest)
            ours, *theirs = torch.autograd.grad(found[0], [hidden, *weights], allow_unused=True)
            sums.append(tuple(value.detach() for value in found))
            by_hidden.append(ours)
            for at, gradient in enumerate(theirs):
                if gradient is not None:
                    by_weight[at] = by_weight[at].add_(gradient) if at in by_weight else gradient
    first, *others = _added(sums)
    gradients = [torch.cat(by_hidden, 1), *by_weight.values()]
    return _Known.apply(first, len(gradients), inputs[0], *(weights[at] for at in by_weight), *gradients), *others


class _Known(torch.autograd.Function):
    """A number whose gradients by some tensors have been computed already"""

    @staticmethod
    def forward(ctx: Any, value: torch.Tensor, count: int, *tensors: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(*tensors[count:])
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *given: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        # In place: the head's gradient is as large as the head.
        gradients = [gradient.mul_(given[0]) for gradient in ctx.saved_tensors]
        return (None, None, *gradients, *[None] * len(gradients))


def _added(sums: Iterable[tuple[torch.Tensor, ...]]) -> tuple[torch.Tensor, ...]:
    return tuple(torch.stack(column).sum(0) for column in zip(*sums, strict=True))


def _weights(plain: Any) -> list[torch.nn.Parameter]:
    """The trained parameters outside of the decoder blocks, such as the head's"""
    inside = {id(p) for block in blocks_of(plain) for p in block.parameters()}
    return [p for p in plain.parameters() if p.requires_grad and id(p) not in inside]


def _with_hidden(given: Any, hidden: torch.Tensor) -> Any:
    """A decoder's output with other hidden states"""
    if isinstance(given, tuple):
        return (hidden, *given[1:])
    key = next(iter(given))
    return type(given)(**{**given, key: hidden})


def causal_lm(model: Any) -> Any:
    """The causal LM inside its wrappers: an adapter, data parallel"""
    from transformers import PreTrainedModel

    return next(module for module in model.modules() if isinstance(module, PreTrainedModel))


def can_chunk(model: Any, device: torch.device | str) -> bool:
    """Whether this model gives the same logits when its decoder's output is replayed instead of computed again

    Tested once per model on a few tokens, not looked up by name. All processes of a sharded model must call this together."""
    plain = causal_lm(model)
    if plain not in _proved:
        reason = _why_not(model, plain, device)
        if reason:
            logging.getLogger("lima").warning("The LM head goes over all positions at once: %s.", reason)
        _proved[plain] = not reason
    return _proved[plain]


def _why_not(model: Any, plain: Any, device: torch.device | str) -> str:
    """Why chunks would not give the same logits; empty if they would"""
    forward, decoder, training = plain.forward, plain.get_decoder(), plain.training
    if decoder is plain:
        return f"{type(plain).__name__} has no decoder apart from its head"
    rows = plain.config.get_text_config().vocab_size
    ids = torch.tensor([[(7 * i + 1) % rows for i in range(6)]], device=device)
    places = torch.tensor([1, 3, 4], device=device)
    found: list[str] = []

    def both_ways(**inputs: Any) -> torch.Tensor:
        with _caught(decoder) as seen:
            whole = forward(**inputs).logits
        if len(seen) != 1:
            found.append(f"{type(plain).__name__} ran its {type(decoder).__name__} {len(seen)} times, not once")
            return whole
        try:
            with _forward_is(decoder, lambda *_, **__: _with_hidden(seen[0], seen[0][0][:, places])):
                part = forward(**inputs).logits
            if not part.is_meta:  # on the meta device only the calls can be compared, not values
                torch.testing.assert_close(part, whole[:, places], rtol=0, atol=0.02 * whole.abs().max().item())
        except (RuntimeError, TypeError, ValueError, AttributeError, LookupError, AssertionError) as e:
            found.append(f"{type(e).__name__}: {str(e).partition(chr(10))[0]}")
        return whole

    model.eval()
    try:
        with torch.no_grad(), _forward_is(plain, both_ways):
            model(input_ids=ids, position_ids=torch.arange(6, device=device)[None], use_cache=False)
    finally:
        model.train(training)
    return "; ".join(found)


@contextmanager
def _forward_is(module: torch.nn.Module, forward: Callable[..., Any]) -> Iterator[None]:
    """Replace a module's forward within this block; its hooks stay"""
    before = vars(module).get("forward")
    module.forward = forward
    try:
        yield
    finally:
        if before is None:
            del module.forward
        else:
            module.forward = before


@contextmanager
def _caught(module: torch.nn.Module) -> Iterator[list[Any]]:
    """The outputs of a module's calls within this block"""
    seen: list[Any] = []
    hook = module.register_forward_hook(lambda module, inputs, output: seen.append(output))
    try:
        yield seen
    finally:
        hook.remove()
