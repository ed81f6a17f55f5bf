"""Layers whose `forward` is written as transformers writes it, found by their source, and given another that computes the same.

A layer that computes anything else is left alone. Knows nothing of what is computed.
"""

import inspect
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch

Forward = Callable[..., torch.Tensor]


def give(model: torch.nn.Module, alike: Callable[[list[str]], bool], forward: Forward) -> int:
    """Give this `forward` to every layer whose own is written like that, in place and for good; how many there are

    `alike` is asked with the lines of a layer's source, without white space around them."""
    layers: list[Any] = [module for module in model.modules() if alike(_lines(type(module)))]  # type: ignore[arg-type]
    for layer in layers:
        # The class and not a forward of its own: hooks and copies of the model stay right.
        layer.__class__ = _with(type(layer), forward)  # type: ignore[arg-type]
    return len(layers)


@lru_cache
def _lines(kind: type) -> list[str]:
    try:
        return [line.strip() for line in inspect.getsource(kind.forward).splitlines()]  # type: ignore[attr-defined]
    except (OSError, TypeError, AttributeError):
        return []


@lru_cache
def _with(kind: type, forward: Forward) -> type:
    return type(kind.__name__, (kind,), {"forward": forward, "__module__": kind.__module__})
