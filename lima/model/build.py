"""The model to train, put together from a base: end-of-turn token, dropout, attention, adapter, and which weights train.

Both what trains and what `lima plan` counts on the meta device are built here, so they cannot differ. Knows nothing of data sets,
devices, processes or optimizers.
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch

from lima.errors import LimaError
from lima.model import attention
from lima.model.adapter import add_lora, freeze_in_saved_dtype
from lima.model.attention import ONE_ROW_EACH
from lima.model.dropout import set_residual_dropout
from lima.model.eot import extend_embeddings, set_stop
from lima.model.folder import load_model, saved_dtype
from lima.model.shard import shard_like
from lima.recipe import Recipe

_logger = logging.getLogger("lima")


class Longest(NamedTuple):
    """The longest example that the model will see"""

    what: str
    "Which example, as the subject of a sentence"
    tokens: int


@dataclass(frozen=True)
class Additions:
    """What a base is given before it trains"""

    tokenizer: Any
    "With the tokens that the format needs"
    eot: str
    new_ids: list[int]
    "Tokens that the base does not have"
    used: int
    "How many tokens the base has"
    turn_rows: list[int]
    "Rows of the embeddings that train where the others do not"
    longest: Longest


class Built(NamedTuple):
    """A model, and what of it must be known to save it again"""

    model: Any
    "The one to train, with the adapter if there is one"
    plain: Any
    "The causal LM in it"
    own_attention: str
    "transformers' name of the attention that it came with"
    attention: str
    "transformers' name of the attention that it trains with"


def build(
    recipe: Recipe,
    folder: Path,
    added: Additions,
    weights: bool = True,
    shared_attention: str = attention.NAME,
    recompute: bool | None = None,
    bfloat16: bool = False,
) -> Built:
    """Build the model from the base's folder; without `weights` only its structure, on the meta device

    The recipe decides all else. `shared_attention` serves where examples share a row; `bfloat16` is whether layers will be
    multiplied in it. LimaError for a base or an architecture that cannot be trained so."""
    torch.manual_seed(recipe.seed)
    plain = load_model(folder, trust_remote_code=recipe.trust_remote_code, weights=weights)
    check_positions(plain, added.longest)
    extend_embeddings(plain, added.new_ids, added.used)
    # A padding_idx keeps that row from learning, and for some bases it is the EOT. Nothing here is padded.
    plain.get_input_embeddings().padding_idx = None
    set_stop(plain, added.tokenizer, added.eot)
    set_residual_dropout(plain, recipe.residual_dropout)
    own = plain.config._attn_implementation
    shared = recipe.micro_batch_tokens != 1
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
    model = add_lora(plain, recipe, added.turn_rows) if recipe.lora_rank else plain
    if recipe.lora_rank and bfloat16 and not recipe.shard:
        freeze_in_saved_dtype(plain, saved_dtype(folder, recipe.trust_remote_code))
    return Built(model, plain, own, chosen)


def check_positions(model: Any, longest: Longest) -> None:
    """Raise LimaError if an example is longer than the model's table of positions; if positions are computed, only warn"""
    own = (model.get_input_embeddings(), model.get_output_embeddings())
    limit = getattr(model.config.get_text_config(), "max_position_embeddings", None) or 0
    if not 0 < limit < longest.tokens:
        return
    what = f"{longest.what} has {longest.tokens} tokens, and the base model"
    # A table of `limit` rows, or of a few more (OPT begins at the third).
    tables = [m for m in model.modules() if isinstance(m, torch.nn.Embedding) and m not in own]
    if any(limit <= table.num_embeddings < limit + 8 for table in tables):
        raise LimaError(f"{what} has only {limit} positions. Set max_tokens={limit}.")
    _logger.warning(
        "%s was made for %d: training works, but beyond the lengths that it has seen. To cut: max_tokens=%d.",
        what,
        limit,
        limit,
    )


def recompute_activations(model: Any) -> None:
    """Save memory by computing each layer again in the backward pass"""
    # transformers renamed it in 5.2x; the minimum that we support has only the older name.
    enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
    enable({"use_reentrant": False})


def freeze_unread(model: Any) -> None:
    """Freeze parts outside of the decoder, such as a vision tower: text does not go through them, so they would get no gradient,
    and data parallel would wait for one"""
    decoder, tokens = model.get_decoder(), model.get_input_embeddings()
    if all(module is not tokens for module in decoder.modules()):  # some call their LM head so (ModernBERT)
        return
    read = {id(p) for p in decoder.parameters()}
    for parameter in model.base_model.parameters():
        if id(parameter) not in read:
            parameter.requires_grad_(False)


def freeze_embeddings(model: Any, trained_rows: list[int]) -> list[torch.nn.Parameter]:
    """Leave only these rows of the embedding and the LM head to train; the parameters concerned, which must not decay"""
    head = model.get_output_embeddings()
    parameters = [model.get_input_embeddings().weight]
    if head is not None and head.weight is not parameters[0]:
        parameters.append(head.weight)
    for parameter in parameters:
        keep = torch.zeros(parameter.shape[0], 1)
        keep[trained_rows] = 1
        keep = shard_like(keep, parameter)

        # After it was accumulated: the gradient of a sharded parameter comes from a reduction, past the hooks of autograd.
        def mask(parameter: torch.nn.Parameter, keep: torch.Tensor = keep) -> None:
            if parameter.grad is not None:
                parameter.grad.mul_(keep.to(parameter.grad.device))

        parameter.register_post_accumulate_grad_hook(mask)
    return parameters


def parameter_groups(model: Any, decay: float, frozen: list[torch.nn.Parameter]) -> list[dict[str, Any]]:
    """Weight decay on matrices only: not on biases, norms and embeddings"""
    embeddings = {id(m.weight) for m in model.modules() if isinstance(m, torch.nn.Embedding)} | {id(p) for p in frozen}
    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    parameters = [p for _, p in trained]
    # The embedding rows that an adapter trains count as an embedding, too.
    decayed = [p for name, p in trained if p.ndim >= 2 and id(p) not in embeddings and "trainable_tokens" not in name]
    chosen = {id(p) for p in decayed}
    return [
        {"params": decayed, "weight_decay": decay},
        {"params": [p for p in parameters if id(p) not in chosen], "weight_decay": 0.0},
    ]
