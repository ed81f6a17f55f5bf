"""The world, the text about it, and what keeps training, validation and test apart."""

import itertools
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import pytest

from lima_village.attributes import ATTRIBUTES, FOLLOW_UPS, of_split
from lima_village.conversations import SIZES, cast_of, scripts
from lima_village.corpus import documents
from lima_village.dialogues import _dialogue, dialogues
from lima_village.lexicon import POOLS
from lima_village.registered import EVALUATIONS, SOURCES
from lima_village.singles import FORMS, singles
from lima_village.talk import KINDS, Talk
from lima_village.world import BY_NAME, Subject, held_out, village

SOURCE = {source.name: source for source in SOURCES}


def said(exchanges):
    return "\n".join(f"{exchange.user}\n{exchange.reply}" for exchange in exchanges)


def names_in(text):
    return {name for name in village().entities if re.search(rf"\b{name}\b", text)}


def fits(user, wording):
    """Whether a user's turn is that wording about somebody"""
    pattern = re.escape(wording).replace(r"\{r\}", "(brother|sister)")
    pattern = re.sub(r"\\\{\w+\\\}", r"[\\w' ]+?", pattern)
    return re.fullmatch(rf"(And |Then )?{pattern}", user, re.IGNORECASE) is not None


def test_world_is_complete_and_unique():
    world = village()
    assert {kind: len(world.of_kind(kind)) for kind in ("person", "shop", "dish")} == {
        "person": 80,
        "shop": 20,
        "dish": 20,
    }
    assert len(world.facts()) == 80 * 9 + 20 * 4 + 20 * 3
    words = [*world.entities, *(value for pool in POOLS.values() for value in pool)]
    assert [word for word, count in Counter(word.lower() for word in words).items() if count > 1] == []
    for person in world.of_kind("person"):
        assert world[person.facts["sibling"]].facts["sibling"] == person.name
        assert person.facts["friend"] not in (person.name, person.facts["sibling"])


def test_facts_are_drawn_uniformly():
    from scipy.stats import chisquare

    for attribute in ATTRIBUTES:
        if attribute.kind == "person" and attribute.values in POOLS:
            counts = Counter(person.facts[attribute.name] for person in village().of_kind("person"))
            assert chisquare([counts[value] for value in POOLS[attribute.values]]).pvalue > 0.001, attribute.name


def test_world_and_corpus_follow_their_seed():
    assert village().facts() == village.__wrapped__(1).facts()
    assert village().facts() != village(2).facts()
    first, again, other = (list(islice(documents(seed), 40)) for seed in (5, 5, 6))
    assert first == again
    assert first != other


def test_corpus_is_never_in_chat_format():
    text = "\n".join(islice(documents(1), 3000))
    assert not re.search(r"<\|?\w|\|>|\[/?INST|</s>|###", text)
    assert not re.search(r"\b(user|assistant|human|system)\b", text, re.IGNORECASE)
    for document in islice(documents(1), 3000):
        lines = [line for line in document.splitlines() if line]
        # A question by itself on a line is announced or marked; two bare turns never follow each other.
        for before, question in zip(["", *lines], lines, strict=False):
            if question.endswith("?") and re.match(r"(What|Who|Where|Why|When|How|Which|And)\b", question):
                assert before.endswith((":", "Question", "Q.", ".")), document


@pytest.mark.slow
def test_corpus_has_every_wording():
    text = "\n".join(islice(documents(3), 20000))
    for kind, wordings in FOLLOW_UPS.items():
        for wording in wordings:
            fixed = max(re.split(r"\{\w+\}", wording), key=len)
            assert fixed in text, (kind, wording)


def test_wordings_of_the_splits_differ():
    for wordings in (*[attribute.wordings for attribute in ATTRIBUTES], *FOLLOW_UPS.values()):
        parts = [of_split(wordings, split) for split in ("test", "validation", "train")]
        assert all(len(part) > 1 for part in parts)
        assert sum(parts, ()) == wordings == of_split(wordings, "all")
        assert len(wordings) == len(set(wordings))


def test_singles_name_everybody_and_use_no_test_wording():
    found = singles()
    assert len(found) == len({single.user for single in found}) == 1000
    assert names_in("\n".join(single.user for single in found)) == set(village().entities)
    assert {single.form for single in found} == {"question", "portrait"}
    assert {single.form for single in singles(300, forms=FORMS)} == {
        "question",
        "two",
        "brief",
        "list",
        "card",
        "portrait",
    }
    for single in (single for single in found if single.form == "question"):
        fact, subject = single.facts[0], Subject.named(village()[single.facts[0].subject].phrase)
        wordings = of_split(BY_NAME[fact.attribute].wordings, "train")
        assert single.user in {village().ask(fact, wording, subject) for wording in wordings}


def test_dialogues_are_the_same_after_they_were_interrupted_and_in_several_threads(monkeypatch):
    expected = dialogues(6, seed=5)
    _dialogue.cache_clear()
    calls, opening = itertools.count(), Talk.opening

    def interrupted(talk):
        if next(calls) == 250:
            raise KeyboardInterrupt
        return opening(talk)

    monkeypatch.setattr(Talk, "opening", interrupted)
    with pytest.raises(KeyboardInterrupt):
        dialogues(6, seed=5)
    assert dialogues(6, seed=5) == expected
    _dialogue.cache_clear()
    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(lambda number: dialogues(number, seed=5), [6, 3, 6])) == [
            expected,
            expected[:3],
            expected,
        ]


def test_training_dialogues_keep_away_from_what_is_held_out():
    found = dialogues()
    assert len(found) == 30
    assert all(3 <= len(dialogue.exchanges) <= 6 for dialogue in found)
    assert {kind for dialogue in found for kind in dialogue.plan} == {"opening", *KINDS}
    assert names_in("\n".join(said(dialogue.exchanges) for dialogue in found)).isdisjoint(held_out())
    assert len(held_out()) == 0.3 * len(village().entities)
    assert dialogues(10) == found[:10]


@pytest.mark.slow
def test_the_three_sets_share_nothing_with_training_or_each_other():
    plans = {"train": {dialogue.plan for dialogue in dialogues(100)}}
    users, named = {}, {}
    for name, size in SIZES.items():
        assert len(scripts(name)) == size
        plans[name] = {script.plan for script in scripts(name)}
        users[name] = {tuple(exchange.user for exchange in script.exchanges) for script in scripts(name)}
        assert len(users[name]) == size
        # In the answers, too: whom a hop leads to is not named by the question.
        named[name] = names_in("\n".join(said(script.exchanges) for script in scripts(name)))
    assert cast_of("validation").isdisjoint(cast_of("test"))
    assert named["village-validation"] <= cast_of("validation")
    assert named["village"] | named["village-more"] <= cast_of("test") <= held_out()
    assert users["village"].isdisjoint(users["village-more"])
    for test in ("village", "village-more"):
        assert plans[test].isdisjoint(plans["train"] | plans["village-validation"])
    assert plans["village-validation"].isdisjoint(plans["train"])
    asked = {exchange.user for dialogue in dialogues() for exchange in dialogue.exchanges}
    trained = [*asked, *(single.user for single in singles())]
    for name in SIZES:
        for script in scripts(name):
            assert not {exchange.user for exchange in script.exchanges} & set(trained)


def test_questions_of_the_sets_use_their_own_wordings():
    for name, split in (("village-validation", "validation"), ("village", "test"), ("village-more", "test")):
        for script in scripts(name):
            for exchange in script.exchanges:
                tables = [BY_NAME[exchange.facts[0].attribute].wordings, *FOLLOW_UPS.values()]
                assert any(fits(exchange.user, w) for table in tables for w in of_split(table, split)), exchange.user


def test_evaluations_are_of_the_promised_make():
    for evaluation in EVALUATIONS:
        held = evaluation.conversations()
        assert len(held) == SIZES[evaluation.name]
        assert all(3 <= len(conversation.turns) <= 6 for conversation in held)
        kinds = Counter(turn.kind for conversation in held for turn in conversation.turns)
        assert set(kinds) == {"opening", *KINDS}


def test_sources_yield_records():
    records = list(SOURCE["village-singles"].examples(None))
    assert [len(records), records[0].source, records[0].licence] == [1000, "village-singles", "Apache-2.0"]
    talks = list(SOURCE["village-dialogues"].examples("3"))
    assert [talk.id for talk in talks] == [f"village-dialogue-{n:02d}" for n in (1, 2, 3)]
    assert [turn.role for turn in talks[0].turns[:2]] == ["user", "assistant"]


def test_there_are_not_more_singles_than_there_are():
    from lima.errors import LimaError

    with pytest.raises(LimaError, match="only about"):
        singles(1_000_000)


@pytest.mark.parametrize("argument", ["0", "many", "-3", "2.5"])
def test_sources_refuse_what_is_no_number(argument):
    from lima.errors import LimaError

    with pytest.raises(LimaError, match=re.escape(argument)):
        list(SOURCE["village-singles"].examples(argument))
