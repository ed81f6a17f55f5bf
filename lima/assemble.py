"""The model to train, put together from a recipe's base: end-of-turn token, dropout, attention and adapter in their places.

What trains, and what `lima plan` counts on the meta device, are built here, so that they are one. Knows nothing of devices,
processes or optimizers.
"""

from typing import Any, NamedTuple

import torch

from lima import attention
from lima.adapter import add_lora
from lima.attention import ONE_ROW_EACH
from lima.dropout import set_residual_dropout
from lima.errors import LimaError
from lima.model import extend_embeddings, load_model, recompute_activations, set_stop
from lima.prepare import Prepared
from lima.recipe import Recipe


class Assembled(NamedTuple):
    """A model, and what of it must be known to save it again"""

    model: Any
    "The one to train, with the adapter if there is one"
    plain: Any
    "The causal LM in it"
    own_attention: str
    "transformers' name of the attention that it came with"
    attention: str
    "And of the one that it trains with"


def assemble(
    recipe: Recipe,
    ready: Prepared,
    weights: bool = True,
    shared_attention: str = attention.NAME,
    recompute: bool | None = None,
) -> Assembled:
    """Build it from the base's weights, or without `weights` its structure on the meta device; the recipe decides all else

    `shared_attention` serves where examples share a row. LimaError for a base or an architecture that cannot be trained so."""
    torch.manual_seed(recipe.seed)
    plain = load_model(ready.base, trust_remote_code=recipe.trust_remote_code, weights=weights)
    extend_embeddings(plain, ready.new_ids, ready.used)
    set_stop(plain, ready.tokenizer, ready.eot)
    set_residual_dropout(plain, recipe.residual_dropout)
    own = plain.config._attn_implementation
    shared = recipe.micro_batch_tokens > 1
    if shared and "chunked_attention" in (getattr(plain.config.get_text_config(), "layer_types", None) or ()):
        raise LimaError(
            f"{plain.config.model_type!r} attends in chunks, which attention by segments does not know. {ONE_ROW_EACH}"
        )
    attention.register()
    # With a row for each example the model's own attention is right, whatever the architecture.
    chosen = shared_attention if shared else own
    plain.set_attn_implementation(chosen)
    if recipe.gradient_checkpointing if recompute is None else recompute:
        recompute_activations(plain)
    model = add_lora(plain, recipe, ready.turn_rows) if recipe.lora_rank else plain
    return Assembled(model, plain, own, chosen)
