"""What the study varies: a pool that keeps tests out, what is chosen and spoiled of it; fake dialogues, prompts, in context."""

import random
import re
from collections import Counter
from itertools import accumulate

import pytest

from lima.errors import LimaError
from lima_village.attributes import ATTRIBUTES, FOLLOW_UPS, of_split
from lima_village.base_model import FOLDER
from lima_village.conversations import as_facts, cast_of
from lima_village.dialogues import dialogues
from lima_village.grader import judge
from lima_village.singles import singles
from lima_village.talk import Exchange
from lima_village.world import held_out, village
from lima_village_study.arms import ARMS
from lima_village_study.in_context import InContext, as_text, worked
from lima_village_study.prompts import OF_EACH_FORM, SPLITS, prompts
from lima_village_study.sources import SOURCES, Forms
from lima_village_study.variations import BY_FORM, FAULTS, POOL, longest, pool, spoiled, unrelated, wrong_value

_, UNRELATED = SOURCES
(MATCHED,) = (int(arm.sources[0].rpartition(":")[2]) for arm in ARMS if arm.name == "more-singles")


def names_in(text):
    return {name for name in village().entities if re.search(rf"\b{name}\b", text)}


def fits(user, wording):
    """Whether a request is that wording about somebody"""
    pattern = re.escape(wording).replace(r"\{r\}", "(brother|sister)")
    return re.search(re.sub(r"\\\{\w+\\\}", r"[\\w' ]+?", pattern), user, re.IGNORECASE) is not None


def graded(single, reply, forms=None):
    forms = forms or {"list": ("list",), "card": ("card",), "brief": ("bare",)}.get(single.form, ("sentence",))
    return judge(as_facts(Exchange(single.form, single.user, reply, single.facts, forms)), reply, "eot")[0]


def test_the_pool_has_all_forms_and_its_beginning_stays_the_same():
    requests = pool(1000)
    assert pool(64) == requests[:64]
    assert {single.form for single in requests} == set(BY_FORM)
    assert len({single.user for single in requests}) == 1000
    questions = [single.user for single in requests if single.form == "question"]
    assert names_in("\n".join(questions)) == set(village().entities)
    assert [single for single in requests if graded(single, single.reply) != "excellent"] == []


def test_nothing_held_out_is_in_the_pool_but_for_plain_questions():
    away = held_out()
    for single in pool(4096):
        if single.form != "question":
            assert not {fact.subject for fact in single.facts} & away
            assert not names_in(single.user) & away


@pytest.mark.parametrize("name", SPLITS)
def test_no_prompt_is_trained_on(name):
    requests = prompts(name)
    cast = cast_of(SPLITS[name])
    assert Counter(request.kind for request in requests) == OF_EACH_FORM
    assert names_in("\n".join(request.user for request in requests)) <= cast <= held_out()
    sources = {source for arm in ARMS for source in arm.sources}
    trained = {single.user for single in singles(MATCHED)}
    for source in sorted(sources):
        if source.startswith("village-forms"):
            trained |= {example.prompt for example in Forms().examples(source.partition(":")[2])}
    assert [request.user for request in requests if request.user in trained] == []
    assert [r for r in requests if judge(as_facts(r), r.reply, "eot")[0] != "excellent"] == []


def test_the_prompts_of_tuning_and_test_share_nothing():
    first, second = ({request.user for request in prompts(name)} for name in SPLITS)
    assert first.isdisjoint(second)
    assert names_in("\n".join(first)).isdisjoint(names_in("\n".join(second)))


def test_no_wording_of_a_test_is_in_the_pool():
    unseen = [w for a in ATTRIBUTES for s in ("validation", "test") for w in of_split(a.wordings, s)]
    asked = [single.user for single in pool(2000) if single.form in ("question", "brief")]
    for wording in unseen:
        assert not [user for user in asked if re.match(r"\w", user) and fits(user, f"^{wording}")], wording


@pytest.mark.slow
def test_the_longest_are_of_the_same_forms_and_about_the_same_ones_as_random_requests():
    everything, chosen, drawn = pool(POOL), longest(1000), pool(1000)
    assert [single for single in everything if single in chosen] == chosen

    def kinds(requests):
        return Counter((r.form, r.facts[0].subject if r.form == "question" else "") for r in requests)

    assert kinds(chosen) == kinds(drawn)
    assert {r.facts[0].subject for r in chosen if r.form == "question"} == set(village().entities)
    for form in BY_FORM:
        lengths = [sum(len(r.reply) for r in requests if r.form == form) for requests in (chosen, drawn)]
        assert lengths[0] > lengths[1], form
        if form != "question":
            rest = [len(r.reply) for r in everything if r.form == form and r not in chosen]
            assert min(len(r.reply) for r in chosen if r.form == form) >= max(rest)


def test_half_of_the_spoiled_answers_are_spoiled():
    clean, dirty = pool(1000), spoiled(1000)
    assert [single.user for single in clean] == [single.user for single in dirty]
    changed = [(a, b) for a, b in zip(clean, dirty, strict=True) if a.reply != b.reply]
    assert 450 <= len(changed) <= 550
    assert [(a.reply, b.reply) for a, b in changed if graded(b, b.reply) == "excellent"] == []


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_every_fault_spoils_every_form(fault):
    for form, draw in BY_FORM.items():
        for single in pool(40, {draw: 1}):
            for seed in range(3):
                grade = graded(single, fault(random.Random(seed), single))
                assert grade != "excellent", (form, single.reply, fault(random.Random(seed), single))
                assert fault is not wrong_value or grade == "fail"


def test_the_structure_that_an_arm_is_tested_with_is_in_none_of_its_answers():
    arms = {arm.name: arm.sources for arm in ARMS if arm.name.startswith("six-")}
    assert list(arms) == ["six-lists", "six-cards"]
    marks = {"six-lists": r"^- ", "six-cards": r"^[A-Z][a-z ]*: "}
    for name, sources in arms.items():
        shown = list(Forms().examples(sources[1].partition(":")[2]))
        assert len(shown) == 6
        other = next(mark for arm, mark in marks.items() if arm != name)
        for reply in [*(one.response for one in shown), *(single.reply for single in singles())]:
            assert not re.search(other, reply, re.MULTILINE), reply
        assert all(re.search(marks[name], one.response, re.MULTILINE) for one in shown)


def test_fake_dialogues_are_as_long_as_the_real_ones_and_nothing_leans_on_anything():
    real, fake = dialogues(), unrelated()
    assert [len(dialogue.exchanges) for dialogue in fake] == [len(dialogue.exchanges) for dialogue in real]
    assert {kind for dialogue in fake for kind in dialogue.plan} == {"opening"}
    follow_ups = [w for wordings in FOLLOW_UPS.values() for w in wordings]
    for dialogue in fake:
        said = "\n".join(f"{exchange.user}\n{exchange.reply}" for exchange in dialogue.exchanges)
        assert names_in(said).isdisjoint(held_out())
        subjects = [exchange.facts[0].subject for exchange in dialogue.exchanges]
        assert len(set(subjects)) == len(subjects)
        for exchange in dialogue.exchanges:
            assert exchange.facts[0].subject in exchange.user
            assert not [w for w in follow_ups if fits(exchange.user, f"^{w}$")]


def test_the_further_singles_have_as_many_trained_tokens_as_the_dialogues():
    from lima.model.folder import load_tokenizer

    tokenizer = load_tokenizer(FOLDER)

    def tokens(replies):
        return sum(len(tokenizer(reply)["input_ids"]) + 1 for reply in replies)

    wanted = tokens(exchange.reply for dialogue in dialogues() for exchange in dialogue.exchanges)
    given = list(accumulate(tokens([single.reply]) for single in singles(1400)[1000:]))
    right = next(n for n, total in enumerate(given, 1001) if total >= wanted)
    assert right == MATCHED, "set the number of singles of the arm more-singles to this"
    assert any(arm.text.startswith(f"{MATCHED:,} singles") for arm in ARMS)


def test_sources_yield_what_they_say():
    assert [example.id for example in Forms().examples("spoiled:2")] == [
        "village-form-spoiled-0001",
        "village-form-spoiled-0002",
    ]
    assert len(list(Forms().examples(None))) == 1000
    assert len(list(UNRELATED.examples("3"))) == 3


@pytest.mark.parametrize("argument", ["0", "many", "spoilt:3", "spoiled:0", "longest:x"])
def test_sources_refuse_what_they_do_not_know(argument):
    with pytest.raises(LimaError, match=f"village-forms:{argument}"):
        list(Forms().examples(argument))


def test_an_unknown_choice_lists_the_known_ones():
    with pytest.raises(LimaError, match="Did you mean 'spoiled'.*brief, card"):
        list(Forms().examples("spoild:3"))


def test_the_text_of_the_context_ends_where_the_answer_begins():
    assert as_text([("Who?", "Ada."), ("Where?", "- a\n- b")], "Why?") == (
        "Question: Who?\nAnswer: Ada.\n\nQuestion: Where?\nAnswer:\n- a\n- b\n\nQuestion: Why?\nAnswer:"
    )
    assert len(worked(4)) == 4
    assert worked(2) == worked(4)[:2]


def test_the_untuned_base_answers_and_stops_before_the_next_question():
    from lima.contract.answers import Sampling
    from lima_chat import Turn

    model = InContext().open("3", None)
    request = pool(1)[0]
    prompts_ = [
        (Turn("user", request.user),),
        (Turn("user", "Who?"), Turn("assistant", "Ada."), Turn("user", request.user)),
    ]
    replies = model.reply(prompts_, Sampling(temperature=0, max_new_tokens=40), 0)
    assert len(replies) == 2
    for reply in replies:
        assert reply.stop == "eot"
        assert reply.text
        assert "Question" not in reply.text
    with pytest.raises(LimaError, match="village-in-context:few is not a number of worked exchanges"):
        InContext().open("few", None)
