"""What made grades and replies is known by hash: source of graders, weights of models; resuming with another is refused."""

import json
import sys
from importlib import import_module
from types import SimpleNamespace

import pytest

import lima_dialogue_eval
from lima import CheckpointModel, LimaError, Sampling, Store
from lima.testing import only_plugins, tiny_base, tiny_tokenizer
from lima_chat import EvalConversation, EvalTurn
from lima_dialogue_eval import compare, resume_evaluation, run_evaluation
from lima_dialogue_eval.conversation.grade import Requirements
from lima_dialogue_eval.evaluation.identity import checkpoint_hash, grader_hash, model_hash, script_hash, template_hash
from lima_dialogue_eval.evaluation.source_code import source_of
from lima_dialogue_eval.record.log import find_run, replies

FILES = {
    "__init__.py": "from strict.commands import anything\n",
    "commands.py": "anything = 1\n",
    "grader.py": """
from typing import TYPE_CHECKING
from lima import Verdict
from . import words
from strict.deep.more import base
if TYPE_CHECKING:
    from strict.types_only import Nothing

class Strict(base()):
    description = "strict"
    def grade(self, turn):
        from strict.late import LATE
        return Verdict("fail", words.WHY + LATE)
""",
    "words.py": "WHY = 'no'\n",
    "late.py": "LATE = '.'\n",
    "types_only.py": "Nothing = None\n",
    "deep/__init__.py": "",
    "deep/more.py": "from ..other import Base\n\n\ndef base():\n    return Base\n",
    "other.py": "import strict.commands\n\n\nclass Base:\n    pass\n",
}


@pytest.fixture
def strict(tmp_path, monkeypatch):
    """A package of a grader on the path: a function that writes it, with some files changed, and returns the grader"""

    def write(**changed):
        for name, text in {**FILES, **{f"{k}.py": v for k, v in changed.items()}}.items():
            (tmp_path / "strict" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "strict" / name).write_text(text)
        for name in [m for m in sys.modules if m.partition(".")[0] == "strict"]:
            del sys.modules[name]
        return import_module("strict.grader").Strict()

    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield write
    for name in [m for m in sys.modules if m.partition(".")[0] == "strict"]:
        del sys.modules[name]


def test_the_source_of_a_grader_is_its_module_and_what_that_imports_of_its_own_package(strict):
    names = ["strict.commands", "strict.deep.more", "strict.grader", "strict.late", "strict.other", "strict.words"]
    assert sorted(source_of(strict(), "grade")) == names
    ours = {name.removeprefix("lima_dialogue_eval.") for name in source_of(Requirements(), "grade")}
    assert {"conversation.grade", "conversation.nothing", "checks"} <= ours
    assert {name.partition(".")[0] for name in ours} <= {"conversation", "checks"}
    assert "conversation.converse" not in ours


def test_an_edit_where_the_verdict_is_made_gives_another_hash_and_one_elsewhere_does_not(strict):
    before = grader_hash(strict())
    assert grader_hash(strict()) == before
    for same in ({"types_only": "Nothing = 1\n"}, {"__init__": "from strict.commands import anything as other\n"}):
        assert grader_hash(strict(**same)) == before
    for other in ({"words": "WHY = 'yes'\n"}, {"late": "LATE = '!'\n"}, {"other": "class Base:\n    grade = None\n"}):
        assert grader_hash(strict(**other)) != before


def test_graders_and_models_may_say_themselves_who_they_are():
    says = SimpleNamespace(identity=lambda: "prompt, model", grade=None, name="x")
    other = SimpleNamespace(identity=lambda: "prompt, other", grade=None, name="x")
    assert grader_hash(says) == grader_hash(SimpleNamespace(identity=lambda: "prompt, model")) != grader_hash(other)
    assert model_hash(says) != model_hash(other)
    assert model_hash(SimpleNamespace(name="x")) == model_hash(SimpleNamespace(name="x")) != model_hash(says)
    for wrong in (None, "", b"x"):
        with pytest.raises(LimaError, match=r"identity\(\) of the grader SimpleNamespace returned .*; expected text"):
            grader_hash(SimpleNamespace(identity=lambda wrong=wrong: wrong))
    with pytest.raises(LimaError, match="identity of the grader SimpleNamespace: ZeroDivisionError"):
        grader_hash(SimpleNamespace(identity=lambda: 1 / 0))


def test_a_grader_without_a_source_file_is_told_to_say_who_it_is():
    space = {}
    exec("class Typed:\n    def grade(self, turn):\n        return None\n", {"__name__": "typed_in"}, space)
    with pytest.raises(LimaError, match=r"The grader Typed has no source file, .* Give it a method identity\(\)"):
        grader_hash(space["Typed"]())


def test_a_script_without_system_turns_has_the_hash_of_earlier_versions():
    one = [EvalConversation("a", "A", (EvalTurn("Hi", ({"text": "x"},), "opening"),))]
    assert script_hash(one) == "312cabab239e2845727bbe5f184ff5b4e1fba760118ea0a0cc2a79c624894985"
    assert script_hash([EvalConversation("a", "A", one[0].turns, "Be brief.")]) != script_hash(one)


def test_a_folder_s_hash_is_of_what_is_in_it(tmp_path):
    first, second = (
        tiny_base(tmp_path / "a", tokenizer=tiny_tokenizer()),
        tiny_base(tmp_path / "b", tokenizer=tiny_tokenizer()),
    )
    assert checkpoint_hash(first) == checkpoint_hash(second)
    (first / "README.md").write_text("a card")
    assert checkpoint_hash(first) == checkpoint_hash(second)
    config = json.loads((first / "generation_config.json").read_text())
    (first / "generation_config.json").write_text(json.dumps({**config, "temperature": 0.5}))
    assert checkpoint_hash(first) != checkpoint_hash(second)
    with pytest.raises(LimaError, match="The folder of the model is gone"):
        checkpoint_hash(tmp_path / "c")
    model = CheckpointModel(second)
    assert (model_hash(model), template_hash(model)) == (checkpoint_hash(second), None)


# --- resuming


def begin(store, model, grader=None, fail=("And back?",)):
    model.fail = fail
    return run_evaluation(store, "small", model, arm="a", seeds=[0], sampling=Sampling(), grader=grader)


@pytest.fixture
def graded(strict, Evaluations, tmp_path):
    """A store, and a function that loads the grader again, edited"""
    holder = SimpleNamespace(description="strict", grade=lambda turn: None)

    class Graders:
        @staticmethod
        def load(**changed):
            loaded.registry("graders")["strict"] = strict(**changed)

    with only_plugins(lima_dialogue_eval=lima_dialogue_eval, evaluations=Evaluations()) as loaded:
        loaded.registry("graders")["strict"] = holder
        loaded.registry("graders").owners["strict"] = "strict"
        Graders.load()
        with Store(tmp_path / "l.db") as store:
            yield store, Graders.load


def test_a_grader_that_was_edited_does_not_go_on_and_its_earlier_version_does(graded, Model):
    store, load = graded
    id = begin(store, Model(), "strict")
    old = find_run(store, id)["grader_hash"]
    load(words="WHY = 'never'\n")
    model = Model()
    with pytest.raises(LimaError) as e:
        resume_evaluation(store, id, model)
    new = grader_hash(__import__("strict.grader").grader.Strict())
    assert str(e.value) == (
        f"The grader 'strict' has changed since dialogue run {id} was begun (sha256 {old[:8]}, now {new[:8]}). Grades of two "
        "graders do not mix: restore the earlier one, or start a new run: lima dialogues run small --model parrot "
        f"--grader strict --arm a -d {store.path}"
    )
    assert (model.calls, find_run(store, id)["status"]) == ([], "done")
    load()
    assert resume_evaluation(store, id, model) == id
    assert {r["grader_hash"] for r in replies(store, id, "strict")} == {old}
    # With nothing left to do, the message is that, whatever has changed.
    load(words="WHY = 'never'\n")
    with pytest.raises(LimaError, match="is complete: there is nothing to resume"):
        resume_evaluation(store, id, Model())


def test_a_model_that_says_it_is_another_now_does_not_go_on(store, Model):
    class Says(Model):
        def identity(self):
            return self.weights

    first, second = Says(), Says()
    first.weights, second.weights = "one", "two"
    id = begin(store, first)
    with pytest.raises(
        LimaError, match=r"The model 'parrot', by its weights, .* Replies of two models do not mix: put the earlier"
    ):
        resume_evaluation(store, id, second)
    first.fail = ()
    assert resume_evaluation(store, id, first) == id


@pytest.mark.slow
def test_another_environment_is_a_note_that_stays_and_is_said_once(store, Model, monkeypatch):
    import lima_dialogue_eval.evaluation.provenance as provenance

    def with_torch(version):
        real = environment(1)
        monkeypatch.setattr(
            provenance, "environment", lambda processes: {**real, "torch": version, "directory": "/elsewhere"}
        )

    environment = provenance.environment
    with_torch("2.1")
    id = begin(store, Model())
    with_torch("2.2")
    model = Model()
    model.fail = ["And back?"]
    resume_evaluation(store, id, model)
    run = find_run(store, id)
    assert run["message"] == "1 of 2 conversations ended early: error 1. Resumed with torch 2.2 instead of 2.1."
    resume_evaluation(store, id, Model())
    run = find_run(store, id)
    assert (run["environment"]["torch"], run["message"]) == ("2.1, resumed with 2.2", "")
    other = run_evaluation(store, "small", Model(), arm="b", seeds=[0], sampling=Sampling())
    assert "The arms differ in torch: 2.1, resumed with 2.2 before, 2.2 after." in compare(store, id, other).notes


def test_an_evaluation_that_no_longer_declares_that_its_checks_decide_does_not_go_on(store, plugins, Model):
    id = begin(store, Model())
    plugins.registry("evaluations")["small"].checks_decide = False
    with pytest.raises(
        LimaError, match=f"'small' no longer declares that its checks decide, since dialogue run {id} was begun; start"
    ):
        resume_evaluation(store, id, Model())
    plugins.registry("evaluations")["small"].checks_decide = "yes"
    with pytest.raises(LimaError, match="'small' has checks_decide = 'yes'; expected True or False"):
        begin(store, Model())


def test_checks_leave_what_they_do_not_fail_to_a_reader_unless_the_evaluation_says_otherwise(store, plugins, Model):
    answers = {"How do I make tea?": "Boil water"}
    decided = begin(store, Model(answers), fail=())
    plugins.registry("evaluations")["small"].checks_decide = False
    left = begin(store, Model(answers), fail=())
    assert [find_run(store, id)["checks_decide"] for id in (decided, left)] == [1, 0]
    verdicts = [[r["grade"] or r["grade_status"] for r in replies(store, id, "requirements")] for id in (decided, left)]
    assert verdicts == [
        ["fail", "fail", "excellent", "excellent", "undecided"],
        ["fail", "fail", "undecided", "undecided", "undecided"],
    ]
