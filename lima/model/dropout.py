"""Residual dropout that rises by layer, from 0 at the bottom to p at the last layer (LIMA §3).

Element-wise on each sub-layer's output before it is added, not stochastic depth. Where an architecture has a residual dropout
of its own, that module's p is set, so that nothing is dropped twice. It is the only one: what a base's configuration drops
elsewhere (GPT-2 a tenth of its embeddings and attention) is not in the recipe. Knows the architectures by name and nothing of
training.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from lima.errors import LimaError, did_you_mean


@dataclass(frozen=True)
class Place:
    """Where an architecture's residual branches end"""

    layers: str
    "Attribute path of the list of layers in the causal LM"
    outputs: tuple[str, ...]
    "Sub-modules of a layer whose output is added to the residual stream"
    own: bool = False
    "They are the architecture's own nn.Dropout: set their p"


_SUB_LAYERS = Place("model.layers", ("self_attn", "mlp"))

# A norm stands between the sub-layer and the add: drop after it.
_POST_NORMS = Place("model.layers", ("post_attention_layernorm", "post_feedforward_layernorm"))

PLACES = {
    "llama": _SUB_LAYERS,
    "mistral": _SUB_LAYERS,
    "mixtral": _SUB_LAYERS,
    "qwen2": _SUB_LAYERS,
    "qwen3": _SUB_LAYERS,
    "gemma": _SUB_LAYERS,
    "gemma2": _POST_NORMS,
    "gemma3": Place("model.language_model.layers", _POST_NORMS.outputs),
    "gemma3_text": _POST_NORMS,
    "olmo2": _POST_NORMS,
    "phi": Place("model.layers", ("resid_dropout",), own=True),
    "phi3": Place("model.layers", ("resid_attn_dropout", "resid_mlp_dropout"), own=True),
    "gpt2": Place("transformer.h", ("attn.resid_dropout", "mlp.dropout"), own=True),
    "gpt_neox": Place("gpt_neox.layers", ("post_attention_dropout", "post_mlp_dropout"), own=True),
}
"By transformers' model_type"


def by_layer(p: float, layers: int) -> list[float]:
    """p·l/(L−1) for each layer l: 0.0 at the bottom, p at the last (LIMA §3)"""
    return [p * i / (layers - 1) if layers > 1 else p for i in range(layers)]


def place_in(kind: str, p: float) -> Place | None:
    """Where an architecture's residual branches end; None for an unknown one if p is 0, else LimaError that names it"""
    if kind not in PLACES and p:
        raise LimaError(
            f"Where residual dropout goes in the architecture {kind!r} is not known. Set residual_dropout=0 to train without, "
            f"or use one of these.{did_you_mean(kind, PLACES)}"
        )
    return PLACES.get(kind)


def set_residual_dropout(model: torch.nn.Module, p: float) -> list[float]:
    """Put the dropout into a causal LM; the p of each layer. LimaError for an architecture it does not know, unless p is 0

    No other dropout is left in it."""
    place = place_in(model.config.model_type, p)  # type: ignore[arg-type,union-attr]
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        for name, value in vars(module).items():  # such as an attention's, which it passes on as a number
            if isinstance(value, float) and "drop" in name:
                setattr(module, name, 0.0)
    if place is None:
        return []
    layers: Any = model.get_submodule(place.layers)
    chances = by_layer(p, len(layers))
    for layer, chance in zip(layers, chances, strict=True):
        for name in place.outputs:
            module = layer.get_submodule(name)
            if place.own:
                module.p = chance
            elif p:
                module.residual_dropout = chance
                module.register_forward_hook(_drop)
    return chances


def set_apart(model: torch.nn.Module, wrap: Callable[[Any], Any]) -> None:
    """Call every dropout in a model through `wrap`, so that layers differ only by the p outside of it"""
    drop = wrap(_drop)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            # Its forward, because calling a module is what the compiler looks into: a hook or a wrapper module would be traced.
            module.forward = wrap(module.forward)  # type: ignore[method-assign]
        for key, hook in module._forward_hooks.items():
            if hook is _drop:
                # In its place and not registered again: a handle kept for that would not survive a copy of the model.
                module._forward_hooks[key] = drop


def _drop(module: Any, inputs: Any, output: Any) -> Any:
    """A forward hook that drops from a sub-layer's output while its module trains

    One function for all layers: a compiler assumes that layers of a kind have the same hooks."""
    if not module.training:
        return output
    if isinstance(output, tuple):
        return (F.dropout(output[0], module.residual_dropout), *output[1:])
    return F.dropout(output, module.residual_dropout)
