"""The model to train, put together from a recipe's base: end-of-turn token, dropout, attention and adapter in their places.

What trains, and what `lima plan` counts on the meta device, are built here, so that they are one. Knows nothing of devices,
processes or optimizers.
"""

import logging
from typing import Any, NamedTuple

import torch

from lima import attention
from lima.adapter import add_lora
from lima.attention import ONE_ROW_EACH
from lima.dropout import set_residual_dropout
from lima.eot import extend_embeddings, set_stop
from lima.errors import LimaError
from lima.model import load_model, saved_dtype
from lima.parameters import freeze_in_saved_dtype, freeze_unread
from lima.prepare import Prepared
from lima.recipe import Recipe

_logger = logging.getLogger("lima")


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
    bfloat16: bool = False,
) -> Assembled:
    """Build it from the base's weights, or without `weights` its structure on the meta device; the recipe decides all else

    `shared_attention` serves where examples share a row; `bfloat16` is whether layers will be multiplied in it.
    LimaError for a base or an architecture that cannot be trained so."""
    torch.manual_seed(recipe.seed)
    plain = load_model(ready.base, trust_remote_code=recipe.trust_remote_code, weights=weights)
    check_positions(plain, ready)
    extend_embeddings(plain, ready.new_ids, ready.used)
    # It keeps the row of the padding token from learning, and for some bases that is the EOT. Nothing here is padded.
    plain.get_input_embeddings().padding_idx = None
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
    freeze_unread(plain)
    model = add_lora(plain, recipe, ready.turn_rows) if recipe.lora_rank else plain
    if recipe.lora_rank and bfloat16 and not recipe.shard:
        freeze_in_saved_dtype(plain, saved_dtype(ready.base, recipe.trust_remote_code))
    return Assembled(model, plain, own, chosen)


def check_positions(model: Any, ready: Prepared) -> None:
    """Raise LimaError where an example is longer than the model's table of positions; only say so where they are computed"""
    own = (model.get_input_embeddings(), model.get_output_embeddings())
    limit = getattr(model.config.get_text_config(), "max_position_embeddings", None) or 0
    named = [*zip(ready.records, ready.rendered, strict=True), *((d.record, d.rendered) for d in ready.dev)]
    longest, one = max(named, key=lambda pair: len(pair[1].ids))
    length = len(one.ids)
    if not 0 < limit < length:
        return
    what = f"Example {longest.id!r} of source {longest.source!r} has {length} tokens, and the base model"
    # Of so many rows, or of a few more (OPT begins at the third).
    tables = [m for m in model.modules() if isinstance(m, torch.nn.Embedding) and m not in own]
    if any(limit <= table.num_embeddings < limit + 8 for table in tables):
        raise LimaError(f"{what} knows {limit} positions. Set max_tokens={limit}.")
    _logger.warning(
        "%s was made for %d: it trains, but beyond what it has seen. max_tokens=%d cuts.", what, limit, limit
    )


def recompute_activations(model: Any) -> None:
    """Save memory by computing each layer again in the backward pass"""
    # transformers renamed it in 5.2x; the minimum that we support has only the older name.
    enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
    enable({"use_reentrant": False})
