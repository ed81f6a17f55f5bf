"""Log-likelihoods of given answers: as a plain loop over transformers has them, however prefixes are shared."""

import math
import random

import pytest
import torch

from lima.answer import likelihood
from lima.answer.likelihood import log_likelihoods
from lima.testing import tiny_model


def plainly(model, prompt, answer):
    """One forward pass over all of it, no cache"""
    with torch.inference_mode():
        logits = model(torch.tensor([[*prompt, *answer]])).logits[0].float()
    rows = logits.log_softmax(-1)[len(prompt) - 1 : -1]
    return [float(row[token]) for row, token in zip(rows, answer, strict=True)]


def asked(vocabulary, seed=0):
    """Prompts that continue each other, end early, or have nothing in common"""
    draw = random.Random(seed)
    some = lambda n: [draw.randrange(vocabulary) for _ in range(n)]  # noqa: E731
    stem, more = some(12), some(9)
    prompts = [stem, [*stem, *more], [*stem, *some(3)], some(1), [*stem[:5], *some(8)], some(20), stem]
    return [(prompt, some(draw.randint(1, 7))) for prompt in prompts]


@pytest.mark.parametrize(
    ("kind", "config"),
    [("llama", {}), ("gpt2", {}), ("qwen2", {}), ("gemma3_text", {}), ("mistral", {"sliding_window": 4})],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_as_a_plain_loop_whatever_is_shared(kind, config, monkeypatch):
    monkeypatch.setattr(likelihood, "PIECE", 6)
    model = tiny_model(kind, **config).eval()
    wanted = asked(model.config.get_text_config().vocab_size)
    found = log_likelihoods(model, wanted)
    for (prompt, answer), scores in zip(wanted, found, strict=True):
        assert scores == pytest.approx(plainly(model, prompt, answer), abs=1e-4)
    assert log_likelihoods(model, wanted[::-1])[::-1] == [pytest.approx(one, abs=1e-4) for one in found]


def test_a_beginning_that_several_have_is_read_once():
    model, read = tiny_model("llama").eval(), []
    model.register_forward_pre_hook(lambda module, given: read.append(given[0].shape[1]))
    history = list(range(1, 41))
    heard = []
    log_likelihoods(model, [([*history, i], [50, 51]) for i in range(5)], heard.append)
    assert heard == [1] * 5
    assert sum(read) == len(history) + 2 * 5  # each question, and the answer's first token
    assert math.isfinite(log_likelihoods(model, [([1], [2])])[0][0])
