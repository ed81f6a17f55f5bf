"""The LM head over the trained positions in chunks, so that only one chunk's logits exist at a time, forward and backward.

The causal LM's own forward is asked for one chunk after the other, while its decoder, which ran once, answers with what it gave
then: whatever an architecture does to its logits (a cap, a scale, a bias, an adapter) stays its own. Where that would not give
the same logits, seen on a few tokens, all positions go through at once. Knows nothing of losses.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch.utils.checkpoint import checkpoint

CHUNK_BYTES = 2**29
"Logits of a chunk in float32; smaller ones would spend their time on adding up the head's gradient"

Score = Callable[..., tuple[torch.Tensor, ...]]
"Makes sums over a chunk, from its logits (positions, vocabulary) and its part of each of the tensors by position"

_proved: WeakKeyDictionary[torch.nn.Module, bool] = WeakKeyDictionary()


def count_chunks(positions: int, vocabulary: int) -> int:
    """How many chunks of equal size keep each one's logits below CHUNK_BYTES"""
    return min(-(-positions * vocabulary * 4 // CHUNK_BYTES), positions)


def summed(
    model: Any, inputs: dict[str, Any], predict: torch.Tensor, by_position: Sequence[torch.Tensor], score: Score
) -> tuple[torch.Tensor, ...]:
    """What `score` makes of the logits at the positions `predict` of a row, all of them or summed over chunks

    In chunks, each one's logits are made again in the backward pass; what fits into one is never made twice."""
    plain = causal_lm(model)
    chunks = count_chunks(len(predict), plain.config.get_text_config().vocab_size)
    if chunks < 2 or not can_chunk(model, predict.device):
        return score(model(**inputs, logits_to_keep=predict).logits[0], *by_position)
    forward, decoder = plain.forward, plain.get_decoder()
    pieces = zip(*(tensor.tensor_split(chunks) for tensor in (predict, *by_position)), strict=True)

    def one(inputs: dict[str, Any], given: Any, places: torch.Tensor, *rest: torch.Tensor) -> tuple[torch.Tensor, ...]:
        with _forward_is(decoder, lambda *_, **__: given):
            logits = forward(**inputs, logits_to_keep=places).logits[0]
        return score(logits, *rest)

    def all_of_them(**inputs: Any) -> tuple[torch.Tensor, ...]:
        with _caught(decoder) as seen:
            forward(**inputs, logits_to_keep=predict[:1])
        sums = [checkpoint(one, inputs, seen[0], *piece, use_reentrant=False) for piece in pieces]
        return tuple(torch.stack(column).sum(0) for column in zip(*sums, strict=True))

    # Inside the one call of the outermost module, which gathers the head's weights where they are divided.
    with _forward_is(plain, all_of_them):
        return model(**inputs)


def causal_lm(model: Any) -> Any:
    """The causal LM in whatever was put around it: an adapter, data parallel"""
    from transformers import PreTrainedModel

    return next(module for module in model.modules() if isinstance(module, PreTrainedModel))


def can_chunk(model: Any, device: torch.device | str) -> bool:
    """Whether this model gives the same logits when its decoder is not run again but answers with what it gave

    Seen once a model, on a few tokens, and not looked up by name. All processes of a divided model must ask together."""
    plain = causal_lm(model)
    if plain not in _proved:
        reason = _why_not(model, plain, device)
        if reason:
            logging.getLogger("lima").warning("The LM head goes over all positions at once: %s.", reason)
        _proved[plain] = not reason
    return _proved[plain]


def _why_not(model: Any, plain: Any, device: torch.device | str) -> str:
    """What stands against chunks, or nothing"""
    forward, decoder, training = plain.forward, plain.get_decoder(), plain.training
    if decoder is plain:
        return f"{type(plain).__name__} has no decoder beside its head"
    rows = plain.config.get_text_config().vocab_size
    ids = torch.tensor([[(7 * i + 1) % rows for i in range(6)]], device=device)
    places = torch.tensor([1, 3, 4], device=device)
    found: list[str] = []

    def both_ways(**inputs: Any) -> torch.Tensor:
        with _caught(decoder) as seen:
            whole = forward(**inputs).logits
        if len(seen) != 1:
            found.append(f"{type(plain).__name__} ran its {type(decoder).__name__} {len(seen)} times and not once")
            return whole
        try:
            with _forward_is(decoder, lambda *_, **__: seen[0]):
                part = forward(**inputs, logits_to_keep=places).logits
            if not part.is_meta:  # there only the way through can be seen
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
    """Another forward of a module for a while; the hooks on it stay"""
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
    """What a module gives each time that it is called"""
    seen: list[Any] = []
    hook = module.register_forward_hook(lambda module, inputs, output: seen.append(output))
    try:
        yield seen
    finally:
        hook.remove()
