"""The end-of-turn token (EOT) given to a base: an id in its tokenizer, a row in its embedding and LM head, a stop in its configs.

Knows nothing of how a base is loaded, nor of which of its parameters train.
"""

import logging
from typing import Any

import torch

from lima.errors import LimaError

_logger = logging.getLogger("lima")


def extend_tokenizer(tokenizer: Any, tokens: list[str]) -> list[int]:
    """Make each token one special id, also if the tokenizer has it as an ordinary one; the new ids"""
    from tokenizers import AddedToken

    known = tokenizer.added_tokens_decoder
    missing = [t for t in dict.fromkeys(tokens) if t not in tokenizer.get_vocab()]
    special = {token.content for token in known.values() if token.special}
    wanted = [t for t in dict.fromkeys(tokens) if t not in special]
    tokenizer.add_tokens([AddedToken(t, special=True, normalized=False) for t in wanted], special_tokens=True)
    _check_found(tokenizer, tokens)
    return [int(i) for i in tokenizer.convert_tokens_to_ids(missing)]


def _check_found(tokenizer: Any, tokens: list[str]) -> None:
    """Raise LimaError for a token that is looked for in normalized text, where the tokenizer's normalizer changes the token"""
    normalizer = tokenizer.backend_tokenizer.normalizer
    normalized = {t.content for t in tokenizer.added_tokens_decoder.values() if t.normalized}
    for token in normalized.intersection(tokens) if normalizer else ():
        if (became := normalizer.normalize_str(token)) != token:
            raise LimaError(
                f"The tokenizer has {token!r} as a token that is looked for in normalized text, and its normalizer makes "
                f'{became!r} of it, so a model could not be stopped by it. Set "normalized" of that token to false in the base '
                "model's tokenizer.json and tokenizer_config.json, or choose a renderer with another end-of-turn token."
            )


def extend_embeddings(model: Any, new: list[int], used: int) -> None:
    """Give the new ids their rows in the embedding and the LM head, at the mean of the `used` first ones (paper silent)"""
    rows = model.get_input_embeddings().weight.shape[0]
    if not new:
        return
    if max(new) >= rows:
        model.resize_token_embeddings(max(new) + 1, mean_resizing=False)
    head = model.get_output_embeddings()
    weights = [model.get_input_embeddings().weight]
    if head is not None and head.weight is not weights[0]:
        weights.append(head.weight)
    if getattr(head, "bias", None) is not None:
        weights.append(head.bias)
    with torch.no_grad():
        for weight in weights:
            weight[new] = weight[: min(used, rows)].mean(0)


def set_stop(model: Any, tokenizer: Any, eot: str) -> None:
    """Write the EOT into config and generation_config, first, before whatever stopped the base (marin#4760)"""
    model.generation_config = _sound(model.generation_config)
    eot_id = tokenizer.convert_tokens_to_ids(eot)
    before = model.generation_config.eos_token_id
    before = [before] if isinstance(before, int) else list(before or [])
    if tokenizer.eos_token_id is not None:
        before.append(tokenizer.eos_token_id)
    stops = list(dict.fromkeys([eot_id, *before]))
    model.config.eos_token_id = stops
    model.generation_config.eos_token_id = stops
    if model.generation_config.pad_token_id is None:
        model.generation_config.pad_token_id = (
            tokenizer.pad_token_id if tokenizer.pad_token_id is not None else stops[-1]
        )


def _sound(generation: Any) -> Any:
    """A base's generation_config, corrected so that transformers will not refuse to save it when the training is done

    If it has values for sampling, it samples; if it is still invalid, only its token ids are kept."""
    from transformers import GenerationConfig

    for sampling in (generation.do_sample, True):
        generation.do_sample = sampling
        try:
            generation.validate(strict=True)
            return generation
        except ValueError as e:
            wrong = e
    ids = {key: getattr(generation, key) for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
    # Older checkpoints write -1 for no padding token.
    ids = {key: value for key, value in ids.items() if isinstance(value, list) or (value is not None and value >= 0)}
    lines = str(wrong).splitlines()
    why = next((line for line in lines if line.startswith("- ")), lines[0]).removeprefix("- ")
    _logger.warning("transformers refuses the base's generation_config, so only its token ids are kept: %s", why)
    return GenerationConfig(**ids)
