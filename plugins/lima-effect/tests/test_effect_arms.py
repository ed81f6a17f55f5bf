"""Folds and arms: each conversation is tested once and never trained on then, and each exchange is trained once in each arm."""

from collections import Counter
from dataclasses import replace
from itertools import combinations
from math import ceil

import pytest

from lima import LimaError, load_plugins, open_source
from lima.testing import only_plugins
from lima_chat import Conversation, Turn
from lima_dialogue_eval import exchanges
from lima_effect.arms import TRAINED, draw, examples, fakes, singles, together
from lima_effect.experiment import batch_sizes
from lima_effect.folds import conversations_of, divide, is_testable
from lima_effect.sources import spec


def talk(name, length, system=""):
    turns = [Turn("system", system)] if system else []
    for i in range(length):
        turns += [Turn("user", f"{name} asks {i}"), Turn("assistant", f"{name} says {i}")]
    return Conversation(id=name, turns=tuple(turns), tags=("why",))


def said(conversation):
    return [tuple(turn.content for turn in exchange) for exchange in exchanges(conversation)[1]]


@pytest.mark.parametrize("folds", [2, 3, 5])
def test_each_conversation_is_in_one_fold_and_folds_are_alike(folds):
    talks = [talk(f"t{i}", 1 + i % 4) for i in range(23)]
    divided = divide(talks, folds)
    assert sorted(c.id for fold in divided for c in fold) == sorted(c.id for c in talks)
    for count in (len, lambda fold: sum(map(is_testable, fold))):
        sizes = sorted(map(count, divided))
        assert sizes[-1] - sizes[0] <= 1
    assert divided == divide(talks, folds)
    assert all([talks.index(c) for c in fold] == sorted(talks.index(c) for c in fold) for fold in divided)


def test_what_shares_an_opening_or_an_exchange_is_in_one_fold():
    talks = [talk(f"t{i}", 3) for i in range(12)]
    branch = replace(talks[0], id="branch", turns=(*talks[0].turns[:2], Turn("user", "else?"), Turn("assistant", "no")))
    other = replace(talks[4], id="other", turns=(talks[0].turns[0], Turn("assistant", "another"), *talks[4].turns[2:4]))
    for fold in divide([*talks, branch, other], 3):
        ids = {c.id for c in fold}
        assert len(ids & {"t0", "branch", "other", "t4"}) in (0, 4)


def test_what_cannot_be_divided_is_refused():
    with pytest.raises(LimaError, match=r"5 conversations, 3 of them .* cannot be divided into 2 folds"):
        divide([talk(f"t{i}", 2 if i < 3 else 1) for i in range(5)], 2)
    with pytest.raises(LimaError, match="has two conversations named 'a'"):
        conversations_of([talk("a", 2), talk("a", 3)], "mine")


def test_every_arm_trains_each_answer_once_and_none_that_is_tested(talks, plugins):
    with only_plugins(**plugins):
        everything = conversations_of(open_source(str(talks), load_plugins()).records, "talks")
        tested_in_all = Counter()
        for fold in (1, 2, 3):
            tested = open_source(spec("test", fold, 3, 0, str(talks)), load_plugins()).records
            tested_in_all.update(c.id for c in tested)
            theirs = {exchange for c in tested for exchange in said(c)}
            wanted = Counter(x for c in everything if c.id not in {t.id for t in tested} for x in said(c))
            for arm in TRAINED:
                trained = open_source(spec(arm, fold, 3, 1, str(talks)), load_plugins()).records
                found = Counter(exchange for c in trained for exchange in said(c))
                assert found == wanted
                assert not theirs & set(found)
        assert tested_in_all == Counter(c.id for c in everything)


def test_a_source_of_another_form_is_refused(plugins):
    with only_plugins(**plugins):
        for wrong in ("fake/4/3/0/dialogues", "what/1/3/0/dialogues", "fake/1/3/dialogues", "fake/1/3/x/dialogues", ""):
            with pytest.raises(LimaError, match="is not of the form effect:ARM/FOLD/FOLDS/SEED/SOURCE"):
                open_source(f"effect:{wrong}", load_plugins())


def test_singles_keep_the_system_turn_and_what_is_not_learnt():
    one = talk("a", 3, "Be brief.")
    turns = [replace(t, train=False) if t.content == "a says 1" else t for t in one.turns]
    found = singles([replace(one, turns=tuple(turns))])
    assert [c.id for c in found] == ["a/1", "a/3"]
    assert found[1].turns == (one.turns[0], *one.turns[-2:])


@pytest.mark.parametrize("seed", range(5))
def test_fakes_keep_lengths_places_and_system_turns_and_mix_dialogues(seed):
    talks = [talk(f"t{i}", 3 + i % 4, f"system {i}") for i in range(20)]
    found = fakes(talks, seed)
    assert [len(said(c)) for c in found] == [len(said(c)) for c in talks]
    assert [c.turns[0] for c in found] == [c.turns[0] for c in talks]
    assert Counter(x for c in found for x in said(c)) == Counter(x for c in talks for x in said(c))
    for c in found:
        givers = [exchange[0].split()[0] for exchange in said(c)]
        places = [int(exchange[0].split()[-1]) for exchange in said(c)]
        assert places == list(range(len(places)))
        assert all(a != b for a, b in zip(givers, givers[1:], strict=False))
        assert len(set(givers)) == len(givers)
    assert examples("fake", talks, seed) == found != fakes(talks, seed + 1)


def test_exchanges_that_must_stay_together_are_counted():
    assert together(draw([4, 4, 4, 4, 4], 0)) == 0
    assert together(draw([2, 2], 3)) == 0
    # The third and later exchanges of the first have nobody to trade with; the third may stand after another's second.
    assert together(draw([6, 2, 2], 0)) == 3
    assert together(draw([3], 0)) == 2


def test_arms_of_any_size_take_the_same_number_of_steps():
    for dialogues, ratio, size in [(20, 4.35, 4), (20, 2, 1), (7, 1.4, 2), (1000, 3.1, 32), (3, 9, 8), (11, 1.1, 3)]:
        counts = {"singles": int(dialogues * ratio), "dialogues": dialogues, "fake": dialogues}
        found = batch_sizes(counts, size)
        steps = {arm: ceil(counts[arm] / found[arm]) for arm in counts}
        assert all(a == b for a, b in combinations(steps.values(), 2))
        assert found["dialogues"] >= size
    assert batch_sizes({"singles": 87, "dialogues": 20, "fake": 20}, 4) == {"singles": 18, "dialogues": 4, "fake": 4}
