"""The place that a model gives to each token of a reply, after its prompt and the tokens before it.

The ids go through the model in pieces with a cache, and of each piece only ranks are kept, so that memory does not grow with the
vocabulary times the length. Knows nothing of who wrote the reply.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any

import torch
from transformers import DynamicCache

PIECE = 64
"Tokens whose logits are in memory at once"


@dataclass(frozen=True)
class Place:
    """Where a token stands among a model's choices"""

    rank: int
    "1 is the likeliest; tokens that are exactly as likely do not count"
    nats: float
    "Its log-likelihood"
    first: int
    "The likeliest token's id"


@torch.inference_mode()
def places(model: Any, prompt: Sequence[int], reply: Sequence[int]) -> list[Place]:
    """The place of each of the reply's tokens; `model` is a transformers model for text, and the prompt has a token at least"""
    ids = [*prompt, *reply]
    wanted = len(prompt) - 1  # whose logits are those of the reply's first token
    if "past_key_values" not in signature(model.forward).parameters:  # it cannot be read in pieces
        logits = model(
            torch.tensor([ids[:-1]], device=model.device), use_cache=False, logits_to_keep=len(reply)
        ).logits[0]
        pieces = range(0, len(reply), PIECE)
        return [place for at in pieces for place in _read(logits[at : at + PIECE], reply[at : at + PIECE])]
    cache, found = DynamicCache(config=model.config), list[Place]()
    stops = [*range(PIECE * 8, wanted, PIECE * 8), *range(wanted, len(ids) - 1, PIECE), len(ids) - 1]
    start = 0
    for stop in stops:
        if stop <= start:
            continue
        keep = stop - max(start, wanted)
        piece = torch.tensor([ids[start:stop]], device=model.device)
        logits = model(piece, past_key_values=cache, use_cache=True, logits_to_keep=max(keep, 1)).logits[0]
        if keep > 0:
            found += _read(logits, ids[stop - keep + 1 : stop + 1])
        start = stop
    return found


def _read(logits: torch.Tensor, targets: Sequence[int]) -> list[Place]:
    """From logits (targets, vocabulary)"""
    logits = logits.float()
    own = logits.gather(1, torch.tensor(targets, device=logits.device)[:, None])
    ranks = ((logits > own).sum(-1) + 1).tolist()
    nats = (own[:, 0] - logits.logsumexp(-1)).tolist()
    return [Place(*one) for one in zip(ranks, nats, logits.argmax(-1).tolist(), strict=True)]
