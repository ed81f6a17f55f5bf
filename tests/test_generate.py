"""Batched decoding: the same tokens as transformers, whatever shares the batch; penalty on the reply only."""

import pytest
import torch

from lima.generate import CheckpointModel, Sampling, _Draw
from lima.testing import ARCHITECTURES, tiny_base, tiny_tokenizer

GREEDY = Sampling(temperature=0, repetition_penalty=1.0, max_new_tokens=12)
PROMPTS = [[5, 6, 7], [9], [11, 12, 13, 14, 15, 16, 17, 18], [20, 21]]


def model_of(folder, architecture="llama"):
    made = tiny_base(folder, architecture, tiny_tokenizer(), initializer_range=0.2)
    return CheckpointModel(made)


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_greedy_is_transformers_greedy_token_for_token(tmp_path, architecture):
    model = model_of(tmp_path, architecture)
    expected = []
    for prompt in PROMPTS:
        out = model.model.generate(
            torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt)),
            max_new_tokens=12,
            do_sample=False,
            pad_token_id=0,
        )
        tokens = out[0, len(prompt) :].tolist()
        expected.append(tokens[: tokens.index(0)] if 0 in tokens else tokens)
    replies = model.reply(PROMPTS, GREEDY, 0)
    assert [r.ids for r in replies] == expected
    assert [r.prompt_ids for r in replies] == PROMPTS
    assert {r.stop for r in replies} <= {"eot", "length"}


def test_a_sampled_reply_does_not_depend_on_its_batch_and_repeats_under_its_seed(tmp_path):
    model = model_of(tmp_path)
    sampling = Sampling(max_new_tokens=10)
    together = model.reply(PROMPTS, sampling, [1, 2, 3, 4])
    alone = [model.reply([p], sampling, [s])[0] for p, s in zip(PROMPTS, (1, 2, 3, 4), strict=True)]
    assert [r.ids for r in together] == [r.ids for r in alone]
    assert [r.ids for r in model.reply(PROMPTS, sampling, 7)] == [r.ids for r in model.reply(PROMPTS, sampling, 7)]
    assert [r.ids for r in model.reply(PROMPTS, sampling, 7)] != [r.ids for r in model.reply(PROMPTS, sampling, 8)]


def test_the_penalty_is_on_the_replys_own_tokens_and_never_on_what_stops_it():
    settings = Sampling(temperature=0, repetition_penalty=2.0)
    logits = torch.tensor([[3.0, 2.0, 2.5, -1.0]])
    assert _Draw(settings, [0], stop_ids=[0])(logits.clone(), [[]], [0]) == [0]
    assert _Draw(settings, [0], stop_ids=[0])(logits.clone(), [[0, 3]], [0]) == [0]
    assert _Draw(settings, [0], stop_ids=[3])(logits.clone(), [[0]], [0]) == [2]


def test_the_nucleus_holds_the_smallest_set_that_reaches_p():
    settings = Sampling(temperature=1.0, top_p=0.6, repetition_penalty=1.0)
    logits = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log()
    draw = _Draw(settings, [0], stop_ids=[])
    assert {draw(logits.clone(), [[]], [0])[0] for _ in range(200)} == {0, 1}


def test_a_prompt_that_fills_the_context_says_so_and_the_others_are_answered(tmp_path):
    model = model_of(tmp_path)
    replies = model.reply(
        [[5] * 512, [5] * 510, [6]], Sampling(temperature=0, max_new_tokens=4, repetition_penalty=1.0), 0
    )
    assert (replies[0].stop, replies[0].ids) == ("context", [])
    assert len(replies[1].ids) <= 2
    assert len(replies[2].ids) == 4 or replies[2].stop == "eot"


def test_progress_hears_every_reply(tmp_path):
    model, heard = model_of(tmp_path), []
    model.batch_size = 3
    model.reply(PROMPTS, GREEDY, 0, heard.append)
    assert heard == [3, 1]
