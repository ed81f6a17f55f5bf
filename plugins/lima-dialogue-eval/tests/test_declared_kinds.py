"""What the plugin declares of evaluations and graders, and graders that are named with an argument."""

from types import SimpleNamespace

import pytest

import lima_dialogue_eval
from lima import LimaError, Sampling, Store, Verdict, hookimpl
from lima.testing import only_plugins
from lima_dialogue_eval.run.evaluate import resume_evaluation, run_evaluation

GREEDY = {"arm": "a", "seeds": [0], "sampling": Sampling(temperature=0.0)}


class Words:
    """Opens graders that look for a word; one that fails from the second reply on is named with !"""

    description = "words:WORD is excellent where the reply has the word"

    def open(self, argument, store):
        def grade(turn):
            if argument.endswith("!") and turn.index:
                raise ConnectionError("no answer")
            return Verdict("excellent" if argument in turn.reply else "fail", argument)

        return SimpleNamespace(grade=grade)


class More:
    """A plugin with a grader to open, one of replies alone, an evaluation for somebody else, and one that is half made"""

    @hookimpl
    def register_graders(self, register):
        register("words", Words())
        register("replies", SimpleNamespace(description="a", grade_reply=lambda example, reply, stop: None))

    @hookimpl
    def register_evaluations(self, register):
        register("other", SimpleNamespace(description="a", licence="", grader="words"))


class Half:
    @hookimpl
    def register_evaluations(self, register):
        register("half", SimpleNamespace(description="a", licence="", grader="words", conversations=lambda number: []))


@pytest.fixture
def loaded(Evaluations):
    modules = {"lima_dialogue_eval": lima_dialogue_eval, "evaluations": Evaluations(), "more": More(), "half": Half()}
    with only_plugins(**modules) as plugins:
        yield plugins


@pytest.fixture
def file(loaded, tmp_path):
    with Store(tmp_path / "l.db") as store:
        yield store


def test_an_evaluation_that_cannot_be_held_is_refused_when_it_is_registered_or_asked_for(file, loaded, Model):
    assert sorted(loaded.registry("evaluations")) == ["other", "small"]
    assert [(p.name, p.error) for p in loaded.broken] == [
        (
            "half",
            "register_evaluations failed: the evaluation 'half' has a method conversations() that cannot be called as "
            "conversations(): missing a required argument: 'number'",
        )
    ]
    with pytest.raises(LimaError) as e:
        run_evaluation(file, "other", Model(), **GREEDY)
    assert str(e.value) == (
        "The evaluation 'other' cannot be held with a model: it has no conversations(). Those that have: small."
    )


def test_a_grader_that_grades_no_turns_is_refused_before_anything_is_asked(file, Model):
    model = Model()
    with pytest.raises(LimaError) as e:
        run_evaluation(file, "small", model, grader="replies", **GREEDY)
    assert str(e.value) == (
        "The grader 'replies' cannot grade the replies of a conversation: it has no grade(turn). Those that have: requirements."
    )
    assert model.calls == []


def test_a_grader_with_an_argument_grades_and_is_opened_again_only_when_it_is_named(file, Model):
    id = run_evaluation(file, "small", Model(), grader="words:after!", **GREEDY)
    rows = "select grader, grade, status from dialogue_grades where dialogue_run = ? order by conversation, turn"
    assert {r["grader"] for r in file.rows(rows, [id])} == {"words:after!"}
    assert "error" in {r["status"] for r in file.rows(rows, [id])}
    again = f"lima dialogues run --resume {id} --model parrot --grader 'words:after!' -d {file.path}"
    for other, why in {
        None: ", which is opened only when you name it",
        "words:before": "; resume it with that one",
    }.items():
        with pytest.raises(LimaError) as e:
            resume_evaluation(file, id, Model(), grader=other)
        assert str(e.value) == f"Dialogue run {id} was begun with the grader 'words:after!'{why}: {again}"
    assert resume_evaluation(file, id, Model(), grader="words:after!") == id
