"""The dev requests, the facts that a request asks for, and an epoch chosen by them: a real run of the embedded base."""

import json

import pytest
from click.testing import CliRunner

from lima.cli import cli
from lima.contract.examples import Example
from lima.recipe import Recipe
from lima.record.store import Store
from lima.train.start import fine_tune
from lima_village.attributes import of_split
from lima_village.conversations import cast_of
from lima_village.dev import facts_of, requests
from lima_village.grader import Facts, judge
from lima_village.registered import SOURCES
from lima_village.singles import brief, singles
from lima_village.world import BY_NAME, Subject, village

DEV = next(source for source in SOURCES if source.name == "village-dev")


def asked(request):
    facts = facts_of(request)
    return facts and ({tuple(fact) for fact in facts["required"]}, facts["forms"])


def test_the_dev_requests_are_fifty_and_held_out():
    found = requests()
    assert len({single.user for single in found}) == 50
    assert {single.facts[0].subject for single in found} == set(cast_of("validation"))
    assert {single.user for single in found}.isdisjoint({single.user for single in singles()})
    for single in found:
        (fact,) = single.facts
        subject = Subject.named(village()[fact.subject].phrase)
        assert single.user in {
            village().ask(fact, w, subject) for w in of_split(BY_NAME[fact.attribute].wordings, "validation")
        }
    assert requests(60)[:50] == found
    records = list(DEV.examples(None))
    assert [(r.id, r.prompt, r.response) for r in records[:1]] == [("village-dev-001", found[0].user, found[0].reply)]


def test_the_facts_are_found_from_the_words():
    for single in (*requests(), *singles()):
        assert asked(single.user) == ({(f.subject, f.attribute, f.value) for f in single.facts}, ["sentence"])
    job = village()["Ada"].facts["job"]
    assert asked("What is Ada's job?") == ({("Ada", "job", job)}, ["sentence"])
    assert asked("What is Ada's job? Answer in a word or two.") == ({("Ada", "job", job)}, ["bare"])
    assert asked("What is the capital of France?") is None


def test_no_two_facts_are_asked_for_in_the_same_words():
    seen = {}
    for fact in village().facts():
        for wording in BY_NAME[fact.attribute].wordings:
            text = village().ask(fact, wording, Subject.named(village()[fact.subject].phrase))
            assert seen.setdefault(text, fact) == fact


@pytest.mark.parametrize(
    ("prompt", "reply", "grade"),
    [
        ("What is Ada's job?", "Ada works as a {v}.", "excellent"),
        ("What is Ada's job?", "A {v}.", "pass"),
        ("What is Ada's job? Answer in a word or two.", "A {v}.", "excellent"),
        ("What is Ada's job?", "Ada works as a king.", "fail"),
        ("What is the capital of France?", "Paris.", None),
    ],
)
def test_a_reply_is_graded_by_the_facts_of_its_request(prompt, reply, grade):
    example = Example(id="1", prompt=prompt, response="")
    verdict = Facts().grade_reply(example, reply.format(v=village()["Ada"].facts["job"]), "eot")
    assert verdict.grade == grade
    assert verdict.reason


@pytest.mark.slow
def test_an_epoch_is_chosen_by_facts_of_a_real_run(tmp_path):
    """With a conversation among the dev examples: it is asked too, and left to a person"""
    values = {"epochs": 2, "batch_size": 16, "learning_rate": 4e-4, "final_learning_rate": 4e-5}
    values |= {"residual_dropout": 0.0, "max_tokens": 96, "device": "cpu", "keep_epochs": True}
    recipe = Recipe(
        base="village",
        sources=("village-singles:48",),
        dev=("village-dev:6", "village-dialogues:1"),
        renderer="lima",
        out=str(tmp_path / "out"),
        **values,
    )
    with Store(tmp_path / "l.db") as store:
        run = fine_tune(recipe, store)
        chosen = ["checkpoints", "choose", run.id, "--grader", "village-facts", "--json", "-d", str(store.path)]
        result = CliRunner().invoke(cli, chosen)
        assert result.exit_code == 0, result.exception
        rows = store.rows(
            "select epoch, position, example, reply, stop, grade, reason from generations "
            "join dev_prompts using (run, position) join generation_grades using (run, epoch, position) "
            "order by epoch, position"
        )
        quality = store.rows("select epoch, perplexity, mean_grade, n from checkpoint_quality order by epoch")
    examples = [*DEV.examples("6")]
    assert [(r["epoch"], r["example"]) for r in rows] == [
        (epoch, name) for epoch in (1, 2) for name in (*(e.id for e in examples), "village-dialogue-01")
    ]
    means = {}
    for epoch in (1, 2):
        mine = [r for r in rows if r["epoch"] == epoch]
        for row, example in zip(mine, examples, strict=False):
            assert (row["grade"], row["reason"]) == judge(facts_of(example.prompt), row["reply"], row["stop"])
        assert mine[-1]["grade"] is None
        means[epoch] = sum({"fail": 0, "pass": 1, "excellent": 2}[r["grade"]] for r in mine[:-1]) / 6
    best = max(means, key=lambda epoch: (means[epoch], -epoch))
    assert json.loads(result.stdout)["epoch"] == best
    assert "over 6 dev prompts" in json.loads(result.stdout)["reason"]
    assert [(r["epoch"], r["mean_grade"], r["n"]) for r in quality] == [(e, pytest.approx(means[e]), 6) for e in (1, 2)]
    assert all(1 < r["perplexity"] < 100 for r in quality)
    assert (run.folder / "model.safetensors").read_bytes() == (
        run.folder / f"epoch-0{best}" / "model.safetensors"
    ).read_bytes()


def test_brief_requests_are_of_the_grammar_that_is_read():
    import random

    single = brief(random.Random(1), village(), village()["Ada"], "test")
    assert asked(single.user) == ({(f.subject, f.attribute, f.value) for f in single.facts}, ["bare"])
