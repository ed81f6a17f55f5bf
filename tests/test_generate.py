"""Batched decoding: the same tokens as transformers, whatever shares the batch or was kept; penalty on the reply only."""

from collections import Counter

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from lima.answer.checkpoint_model import CheckpointModel
from lima.answer.kv_cache import PrefixCache, keeps
from lima.answer.sampling import Sampler
from lima.contract.answers import Sampling
from lima.testing import ARCHITECTURES, tiny_base, tiny_model, tiny_tokenizer

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("core_alone")]

GREEDY = Sampling(temperature=0, repetition_penalty=1.0, max_new_tokens=12)
PROMPTS = [[5, 6, 7], [9], [11, 12, 13, 14, 15, 16, 17, 18], [20, 21]]
NEXT = [[[30], [31, 32], [33], [34, 35, 36, 37, 38, 39, 40]], [[41, 42], [43], [44, 45, 46], [47]]]
"What is said after each reply, in two more turns"
RECURRENT = {
    "lfm2": {
        **ARCHITECTURES["llama"],
        "layer_types": ["conv", "full_attention", "conv"],
        "block_ff_dim": 48,
        "block_auto_adjust_ff_dim": False,
    },
    "mamba": {"hidden_size": 32, "num_hidden_layers": 3, "state_size": 8},
}


def model_of(folder, architecture="llama", stops=(0,), **options):
    made = tiny_base(folder, architecture, tiny_tokenizer(), initializer_range=0.2)
    model = CheckpointModel(made, **options)
    model.stop_ids = list(stops)
    return model


def alone(model, prompt, length=12):
    """(the reply's ids, why it stopped) of transformers' own greedy search"""
    ids = model.model.generate(
        torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
        max_new_tokens=length,
        do_sample=False,
        eos_token_id=model.stop_ids,
        pad_token_id=0,
    )[0, len(prompt) :].tolist()
    return (ids[:-1], "eot") if ids[-1] in model.stop_ids else (ids, "length")


def three_turns(model):
    """The replies of three turns, each prompt going on from the reply before"""
    turns = [model.reply(PROMPTS, GREEDY, 0)]
    for said in NEXT:
        prompts = [r.prompt_ids + r.ids + [model.stop_ids[0]] + m for r, m in zip(turns[-1], said, strict=True)]
        turns.append(model.reply(prompts, GREEDY, 0))
    return turns


def calls(model, prompts, settings=GREEDY):
    """(rows, tokens) that each forward call of one reply reads"""
    shapes = []
    hook = model.model.register_forward_pre_hook(
        lambda _, __, inputs: shapes.append(tuple(inputs["input_ids"].shape)), with_kwargs=True
    )
    model.reply(prompts, settings, 0)
    hook.remove()
    return shapes


@pytest.mark.parametrize("prefix_cache_bytes", [None, 0], ids=["kept", "recomputed"])
@pytest.mark.parametrize("architecture", sorted([*ARCHITECTURES, *RECURRENT]))
def test_greedy_is_transformers_greedy_token_for_token_over_three_turns(
    tmp_path, monkeypatch, architecture, prefix_cache_bytes
):
    if architecture in RECURRENT:
        monkeypatch.setitem(ARCHITECTURES, architecture, RECURRENT[architecture])
    model = model_of(tmp_path, architecture, stops=range(3, 400, 4), prefix_cache_bytes=prefix_cache_bytes)
    replies = [r for turn in three_turns(model) for r in turn]
    assert [(r.ids, r.stop) for r in replies] == [alone(model, r.prompt_ids) for r in replies]
    assert len({len(r.ids) for r in replies}) > 1
    assert (model.prefix_cache is None) == (architecture in RECURRENT)


def test_models_whose_states_change_or_are_shared_are_not_kept():
    assert keeps(tiny_model("gemma3_text"))
    assert keeps(tiny_model("llama", rope_parameters={"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0}))
    assert not keeps(tiny_model("llama", rope_parameters={"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}))


def test_only_what_is_new_is_read_of_a_prompt_that_goes_on(tmp_path):
    model, once = model_of(tmp_path), Sampling(temperature=0, repetition_penalty=1.0, max_new_tokens=3)
    assert calls(model, [[5] * 20, [6] * 30], once) == [(1, 30), (1, 20), (2, 1), (2, 1)]
    replies = [[5] * 20 + alone(model, [5] * 20, 3)[0], [6] * 30 + alone(model, [6] * 30, 3)[0]]
    # The third token of each reply was drawn but never read; with it and what is said next that makes four and three.
    after = [replies[0] + [0, 9, 9], replies[1] + [0, 9]]
    assert calls(model, after, once) == [(2, 4), (2, 1), (2, 1)]
    model.prefix_cache = PrefixCache(0)
    assert calls(model, after, once) == [(1, 35), (1, 26), (2, 1), (2, 1)]


def test_a_prompt_that_differs_from_what_was_written_is_read_from_there_on(tmp_path):
    model = model_of(tmp_path)
    [reply] = model.reply([[5, 6, 7, 8]], GREEDY, 0)
    changed = [5, 6, 7, 8, *reply.ids[:4], 99, *reply.ids[5:], 0, 9]
    assert calls(model, [changed]) == [(1, len(changed) - 8), *[(1, 1)] * 11]
    model.prefix_cache = PrefixCache(model.prefix_cache.limit)
    model.reply([[5, 6, 7, 8]], GREEDY, 0)
    assert model.reply([changed], GREEDY, 0)[0].ids == alone(model, changed)[0]


def test_the_same_prompt_again_is_read_by_its_last_token_and_answered_alike(tmp_path):
    model = model_of(tmp_path)
    first = model.reply(PROMPTS, GREEDY, 0)
    assert calls(model, PROMPTS)[0] == (4, 1)
    assert [r.ids for r in model.reply(PROMPTS, GREEDY, 0)] == [r.ids for r in first]


def states(tokens):
    return [(torch.ones(2, tokens, 4), torch.ones(2, tokens, 4))]  # 64 bytes a token


def test_the_oldest_are_forgotten_when_the_limit_is_reached():
    kept = PrefixCache(64 * 10)
    kept.add([1, 2, 3, 4], 2, states(4))
    kept.add([1, 2, 5, 6], 2, states(4))
    assert kept.bytes == 512
    kept.add([7, 8, 9], 2, states(3))
    assert kept.bytes == 448
    assert sorted(kept.states) == kept.sorted == [(1, 2, 5, 6), (7, 8, 9)]
    kept.add([1] * 11, 2, states(11))  # more than the limit: not kept, and nothing lost for it
    assert kept.sorted == [(1, 2, 5, 6), (7, 8, 9)]
    kept.add([7, 8, 9], 2, states(3))  # now the youngest
    kept.add([9] * 5, 2, states(5))
    assert kept.sorted == [(7, 8, 9), (9, 9, 9, 9, 9)]


def test_the_longest_beginning_is_taken_and_forgotten_once_a_prompt_goes_on_from_it():
    kept = PrefixCache(1 << 20)
    kept.add([1, 2, 3, 4], 2, states(4))
    kept.add([1, 2, 5, 6], 2, states(4))
    kept.add([1], 1, states(1))
    found = kept.take([[1, 2, 5, 7, 8], [1, 2, 5, 6, 9], [1, 2, 3, 4], [1, 3, 9], [4]])
    assert [count for count, _ in found] == [3, 4, 3, 1, 0]
    assert [s[0][0].shape[1] if s else 0 for _, s in found[:3]] == [4, 4, 4]
    assert kept.sorted == [(1,)]
    assert kept.bytes == 64


def test_what_is_kept_stays_within_the_limit_and_replies_are_the_same(tmp_path):
    free, tight = model_of(tmp_path / "a"), model_of(tmp_path / "a", prefix_cache_bytes=20_000)
    assert [[r.ids for r in turn] for turn in three_turns(tight)] == [
        [r.ids for r in turn] for turn in three_turns(free)
    ]
    assert 0 < tight.prefix_cache.bytes <= 20_000 < free.prefix_cache.bytes
    assert len(free.prefix_cache.states) == len(
        PROMPTS
    )  # the replies of earlier turns made way for what goes on from them


def test_long_replies_outgrow_the_room_that_was_made_for_them(tmp_path):
    model, prompts = model_of(tmp_path), [[5, 6, 7], list(range(9, 29))]
    settings = Sampling(temperature=0, repetition_penalty=1.0, max_new_tokens=230)
    assert [r.ids for r in model.reply(prompts, settings, 0)] == [alone(model, p, 230)[0] for p in prompts]


def test_the_rows_of_a_mask_begin_where_a_gpus_kernels_can_read_them(tmp_path):
    """In columns that are a multiple of eight, whatever the lengths, also when rows have left and room was added"""
    model, masks = model_of(tmp_path), []
    hook = model.model.register_forward_pre_hook(
        lambda _, __, inputs: masks.append(inputs["attention_mask"]), with_kwargs=True
    )
    model.reply([[5] * 21, [6] * 13, [7] * 30], Sampling(temperature=0, repetition_penalty=1.0, max_new_tokens=230), 0)
    hook.remove()
    ready = [mask for mask in masks if mask.ndim == 4]
    assert len(ready) > 200
    assert {(m.storage_offset() % 8, m.stride(0) % 8) for m in ready} == {(0, 0)}


@pytest.mark.parametrize("prefix_cache_bytes", [None, 0], ids=["kept", "recomputed"])
def test_a_batch_that_does_not_fit_into_memory_is_halved_and_the_replies_are_the_same(tmp_path, prefix_cache_bytes):
    def room_for_two(model, arguments, inputs):
        rows.append(len(inputs["input_ids"]))
        if rows[-1] > 2:
            torch.empty(1 << 60, dtype=torch.uint8)

    model, rows, heard = model_of(tmp_path, prefix_cache_bytes=prefix_cache_bytes), [], []
    sampling = Sampling(max_new_tokens=10)
    wanted = model.reply(PROMPTS, sampling, 7)
    model.model.register_forward_pre_hook(room_for_two, with_kwargs=True)
    assert [r.ids for r in model.reply(PROMPTS, sampling, 7, heard.append)] == [r.ids for r in wanted]
    assert (max(rows), heard, model.batch_size) == (4, [2, 2], 2)


def test_a_prompt_that_does_not_fit_alone_is_an_error_once_nothing_is_kept_any_more(tmp_path):
    def no_room(model, arguments, inputs):
        asked.append(model)
        torch.empty(1 << 60, dtype=torch.uint8)

    model, asked = model_of(tmp_path), []
    model.reply(PROMPTS, GREEDY, 0)
    model.model.register_forward_pre_hook(no_room, with_kwargs=True)
    with pytest.raises(RuntimeError, match="can't allocate memory"):
        model.reply(PROMPTS[:1], GREEDY, 0)
    assert (len(asked), model.prefix_cache.bytes) == (2, 0)


class Waits(TorchDispatchMode):
    """Counts what would make a program wait for a GPU: numbers that Python reads out of tensors"""

    def __init__(self):
        super().__init__()
        self.seen = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function.overloadpacket.__name__ in ("is_nonzero", "item", "_local_scalar_dense", "nonzero"):
            self.seen[str(function)] += 1
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("settings", [GREEDY, Sampling()], ids=["greedy", "sampled"])
def test_a_step_waits_for_nothing_but_its_tokens(tmp_path, settings):
    model, waited = model_of(tmp_path, stops=[399]), []
    for length in (2, 12):
        model.prefix_cache = PrefixCache(0)
        with Waits() as waits:
            model.reply(PROMPTS, Sampling(**{**vars(settings), "max_new_tokens": length}), 0)
        waited.append(waits.seen)
    assert waited[0] == waited[1]


def test_a_sampled_reply_does_not_depend_on_its_batch_and_repeats_under_its_seed(tmp_path):
    model = model_of(tmp_path)
    sampling = Sampling(max_new_tokens=10)
    together = model.reply(PROMPTS, sampling, [1, 2, 3, 4])
    alone = [model.reply([p], sampling, [s])[0] for p, s in zip(PROMPTS, (1, 2, 3, 4), strict=True)]
    assert [r.ids for r in together] == [r.ids for r in alone]
    assert [r.ids for r in model.reply(PROMPTS, sampling, 7)] == [r.ids for r in model.reply(PROMPTS, sampling, 7)]
    assert [r.ids for r in model.reply(PROMPTS, sampling, 7)] != [r.ids for r in model.reply(PROMPTS, sampling, 8)]


def test_the_penalty_is_on_the_replys_own_tokens():
    draw = Sampler(Sampling(temperature=0, repetition_penalty=2.0), {0: 0, 1: 0})
    logits = torch.tensor([[3.0, 2.0, 2.5, -1.0], [3.0, -1.0, 2.5, -1.5]])
    assert draw(logits, torch.empty(2, 0, dtype=torch.long), [0, 1]).tolist() == [0, 0]
    assert draw(logits, torch.tensor([[0], [2]]), [0, 1]).tolist() == [2, 0]
    assert draw(logits, torch.tensor([[0, 0, 2], [0, 2, 1]]), [0, 1]).tolist() == [1, 0]
    negative = torch.tensor([[-1.0, -1.5]] * 2)
    assert draw(negative, torch.tensor([[0], [1]]), [0, 1]).tolist() == [1, 0]


def test_the_penalty_never_falls_on_what_stops_a_reply(tmp_path):
    """A stop token that was in the prompt, and in the reply before, stops this one as readily"""
    model = model_of(tmp_path, stops=range(3, 400, 4))
    settings = Sampling(temperature=0, repetition_penalty=1.2, max_new_tokens=12)
    replies = model.reply(PROMPTS, settings, 0)
    assert not {i for r in replies for i in r.ids} & set(model.stop_ids)
    assert "eot" in {r.stop for r in replies}


def test_tokens_are_drawn_from_the_smallest_set_that_reaches_p_as_often_as_they_are_likely():
    draw = Sampler(Sampling(temperature=1.0, top_p=0.6, repetition_penalty=1.0), {i: i for i in range(4000)})
    logits = torch.tensor([[0.15, 0.5, 0.05, 0.3]]).log().expand(4000, 4)
    drawn = Counter(draw(logits, torch.empty(4000, 0, dtype=torch.long), list(range(4000))).tolist())
    assert set(drawn) == {1, 3}
    assert drawn[1] / 4000 == pytest.approx(0.5 / 0.8, abs=0.03)


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


def test_a_reply_is_handed_over_when_it_ends_and_others_are_still_being_written(tmp_path):
    model, told = model_of(tmp_path), []
    model.model.register_forward_pre_hook(lambda *_: told.append("a step"))
    replies = model.reply(
        [[6], [5] * 510, [5] * 512], GREEDY, 0, on_reply=lambda place, reply: told.append((place, reply))
    )
    ended = [one for one in told if one != "a step"]
    assert ended == [(2, replies[2]), (1, replies[1]), (0, replies[0])]
    assert told.index(ended[0]) == 0
    assert told.index(ended[1]) == 4  # after both prompts were read, and one token of each
    assert told[-1] == ended[2]


def test_what_ended_before_the_memory_did_is_neither_lost_nor_asked_again(tmp_path):
    def full(model, arguments, inputs):
        steps.append(len(inputs["input_ids"]))
        if len(steps) == 5:
            torch.empty(1 << 60, dtype=torch.uint8)

    prompts, steps, told = [[6], [5] * 510, [7, 8]], [], []
    wanted = [r.ids for r in model_of(tmp_path).reply(prompts, GREEDY, 0)]
    model = model_of(tmp_path, prefix_cache_bytes=0)
    model.model.register_forward_pre_hook(full, with_kwargs=True)
    replies = model.reply(prompts, GREEDY, 0, on_reply=lambda place, _: told.append(place))
    assert [r.ids for r in replies] == wanted
    assert (told[0], sorted(told), steps[5:].count(3)) == (1, [0, 1, 2], 0)
