"""An evaluation with a system turn: models are told it, graders see it, and one whose template cannot say it is not asked."""

from types import SimpleNamespace

import pytest

import lima_chat
import lima_dialogue_eval
from lima import CheckpointModel, LimaError, Sampling, Store, hookimpl
from lima.plugins import load_plugins
from lima.testing import only_plugins, tiny_base, tiny_tokenizer
from lima_chat import EvalConversation, EvalTurn
from lima_dialogue_eval import Verdict, resume_evaluation, run_evaluation
from lima_dialogue_eval.record.log import find_run

TURNS = (EvalTurn("What is tea?"), EvalTurn("And why?"))
SPOKEN = "{% for m in messages if m.role != 'system' %}{{ m.role }}: {{ m.content }}<|endoftext|>{% endfor %}"
TEMPLATES = {
    "raises": "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    + SPOKEN,
    "drops": SPOKEN,
    "replaces": "{% if messages[0].role == 'system' %}You are a model.{% endif %}" + SPOKEN,
}
REASON = {
    "raises": "System role not supported",
    "drops": "leaves a system turn out",
    "replaces": "leaves a system turn out",
}


class Told:
    """A plugin with an evaluation of two conversations, one of which has a system turn, and a grader that keeps what it sees"""

    description, licence, grader = "told", "Apache-2.0", "told"

    def __init__(self):
        self.histories, self.fails = [], True

    def conversations(self):
        return [EvalConversation("plain", "", TURNS), EvalConversation("brief", "", TURNS, "Be brief.")]

    def grade(self, turn):
        self.histories.append([(t.role, t.content) for t in turn.history])
        if self.fails:
            raise ValueError("not now")
        return Verdict("pass", "p")

    @hookimpl
    def register_evaluations(self, register):
        register("told", self)

    @hookimpl
    def register_graders(self, register):
        register("told", SimpleNamespace(description="told", grade=self.grade))


@pytest.fixture
def told():
    plugin = Told()
    with only_plugins(lima_chat=lima_chat, lima_dialogue_eval=lima_dialogue_eval, told=plugin):
        yield plugin


@pytest.fixture
def file(told, tmp_path):
    with Store(tmp_path / "l.db") as store:
        yield store


def hold(store, model):
    return run_evaluation(store, "told", model, arm="", seeds=[0], sampling=Sampling(max_new_tokens=3))


def model_of(folder, renderer, template=None):
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = template
    model = CheckpointModel(tiny_base(folder, tokenizer=tokenizer), load_plugins().registry("renderers").find(renderer))
    model.eot = "<|endoftext|>"
    return model


def test_the_grader_sees_the_system_turn_first_also_when_it_grades_later(file, told, tmp_path):
    id = hold(file, model_of(tmp_path / "base", "lima"))
    first = [h for h in told.histories if h[0][0] == "system"]
    assert [[role for role, _ in h] for h in first] == [["system", "user"], ["system", "user", "assistant", "user"]]
    assert {h[0] for h in first} == {("system", "Be brief.")}
    seen, told.histories, told.fails = sorted(told.histories), [], False
    resume_evaluation(file, id, model_of(tmp_path / "base", "lima"))
    assert sorted(told.histories) == seen
    assert len(seen) == 4


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_model_whose_template_has_no_system_turn_is_named_before_anything_is_asked(file, tmp_path, template):
    model = model_of(tmp_path / "base", "template", TEMPLATES[template])
    with pytest.raises(LimaError) as e:
        hold(file, model)
    text = str(e.value)
    assert text.startswith(
        f"{tmp_path / 'base'} cannot hold the conversation 'brief', which begins with a system turn: "
    )
    assert REASON[template] in text
    assert text.endswith("Ask a model whose template has one, such as one trained with `lima train --renderer lima`.")
    assert file.rows("select * from dialogue_runs") == []
    # The advice works: with the renderer of lima, the same weights are told it.
    model.renderer = load_plugins().registry("renderers").find("lima")
    assert find_run(file, hold(file, model))["status"] == "done"
