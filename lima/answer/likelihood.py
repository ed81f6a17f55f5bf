"""How likely a model holds given answers: the log-likelihood of their tokens, in nats, each after its own prompt.

Prompts that begin alike are read once. Knows nothing of what the answers are about.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from lima.answer.kv_cache import common, keeps

PIECE = 1024
"Tokens that go through the model at once, so that the logits of a long answer need little memory"

Asked = tuple[Sequence[int], Sequence[int]]
"A prompt's ids and an answer's"


@torch.inference_mode()
def log_likelihoods(
    model: Any, asked: Sequence[Asked], on_progress: Callable[[int], None] | None = None
) -> list[list[float]]:
    """For each prompt and answer the log-likelihood of each of the answer's tokens (nats), given the prompt and those before it

    `model` is a transformers model for text. `on_progress` is called with the number of answers after each of them. Prompts must
    have a token each. The order of `asked` decides nothing but the order of the results: they are read sorted, so that ids that
    begin alike are neighbours, and what one has of the last one's beginning is read from its cache."""
    found: dict[int, list[float]] = {}
    reader = _Reader(model)
    for number in sorted(range(len(asked)), key=lambda i: (*asked[i][0], *asked[i][1])):
        prompt, answer = asked[number]
        found[number] = reader.read([*prompt], [*answer])
        if on_progress:
            on_progress(1)
    return [found[i] for i in range(len(asked))]


class _Reader:
    """A model, the ids that it has read last, and their cache"""

    def __init__(self, model: Any) -> None:
        self.model, self.device = model, model.device
        layers = DynamicCache(config=model.config).layers
        self.keeps = keeps(model) and all(type(layer) is DynamicLayer for layer in layers)
        self.ids: list[int] = []
        self.cache: Any = None

    def read(self, prompt: list[int], answer: list[int]) -> list[float]:
        ids = [*prompt, *answer]
        if not self.keeps:  # its state cannot be cut back to a common beginning
            logits = self.model(
                torch.tensor([ids], device=self.device), use_cache=False, logits_to_keep=len(answer) + 1
            )
            return self._scores(logits.logits[0, :-1], answer)
        # The token before the answer is read in any case, because its logits are those of the answer's first.
        known = min(common(self.ids, ids), len(prompt) - 1)
        if self.cache is None or not known:
            self.cache = DynamicCache(config=self.model.config)
        elif known < len(self.ids):
            self.cache.crop(known - len(self.ids))
        self.ids, scores = ids, list[float]()
        for start in range(known, len(ids) - 1, PIECE):
            stop = min(start + PIECE, len(ids) - 1)  # nothing is to be predicted after the last token
            wanted = stop - max(start, len(prompt) - 1)
            logits = self.model(
                torch.tensor([ids[start:stop]], device=self.device),
                past_key_values=self.cache,
                use_cache=True,
                logits_to_keep=max(wanted, 1),
            ).logits[0]
            if wanted > 0:
                scores += self._scores(logits, ids[stop - wanted + 1 : stop + 1])
        self.ids = ids[:-1]
        return scores

    def _scores(self, logits: torch.Tensor, targets: Sequence[int]) -> list[float]:
        """Log-likelihood of each target, from logits (targets, vocabulary)"""
        of = torch.tensor(targets, device=self.device)[:, None]
        logits = logits.float()
        found: list[float] = (logits.gather(1, of)[:, 0] - logits.logsumexp(-1)).tolist()
        return found
