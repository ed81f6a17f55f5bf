"""A model that knows as much as a test says, and a study whose arms were evaluated with such models."""

from dataclasses import replace
from pathlib import Path

import pytest

from lima.record.store import Store
from lima_studies import Ledger
from lima_village.experiment import GREEDY
from lima_village_study.arms import VALIDATION, chosen
from lima_village_study.findings import findings
from lima_village_study.study import Study

SMALL = Path(__file__).with_name("study_in_small.py")
HOSTILE = "<script>alert(1)</script>\u202e"


class Knows:
    """Answers from the facts if it knows the prompt"""

    name = "knows"

    def __init__(self, knows):
        from lima_village.registered import PerfectModel

        self.perfect, self.knows = PerfectModel(), knows

    def reply(self, prompts, settings, seed, on_progress=None):
        answers = self.perfect.reply(prompts, settings, seed)
        return [
            a if self.knows(p) else replace(a, text="I do not know.") for p, a in zip(prompts, answers, strict=True)
        ]


MODELS = {
    "before": lambda prompt: len(prompt) == 1,
    "more-singles": lambda prompt: len(prompt) == 1,
    "unrelated": lambda prompt: len(prompt) == 1,
    "after": lambda prompt: True,
    "in-context": lambda prompt: True,
}


def run(store, evaluation, model, arm):
    """The id of a dialogue run with a model, or with what it knows"""
    from lima.contract.answers import Sampling
    from lima_dialogue_eval import run_evaluation

    model = Knows(model) if callable(model) else model
    return run_evaluation(store, evaluation, model, arm=arm, seeds=[0], sampling=Sampling(**GREEDY))


@pytest.fixture(scope="session")
def small():
    """The path of the study in small"""
    return SMALL


@pytest.fixture(scope="session")
def knows():
    """The class `Knows`"""
    return Knows


@pytest.fixture(scope="session")
def models():
    """What the model of each arm knows"""
    return MODELS


@pytest.fixture(scope="session")
def later():
    """later(conversation, over_none, over_other): an answer whose history gain was measured"""
    from lima_dialogue_eval.gain.measure import Later

    def answer(conversation, over_none=0.1, over_other=0.2):
        none, other = -1.0 - over_none, -1.0 - over_other
        return Later(conversation, (), exchange=2, tokens=5, true=-1.0, none=none, other=other, others=2, cut=0)

    return answer


@pytest.fixture(scope="session")
def held():
    """The function `run`"""
    return run


@pytest.fixture(scope="session")
def hostile():
    """The text of the arms of `told`"""
    return HOSTILE


@pytest.fixture(scope="session")
def told(tmp_path_factory):
    """A study whose arms were evaluated with models that know all facts, or only those of the first turn"""
    database = tmp_path_factory.mktemp("told") / "lima.db"
    arms = [replace(arm, text=HOSTILE, seeds=1) for arm in chosen(list(MODELS))]
    work = Study.new(database, arms, sets=VALIDATION)
    with Store(database) as store:
        work.begun(store)
        ledger = Ledger(store, work.id)
        for name, knows in MODELS.items():
            ledger.note(name, 0, "village-validation", 0, None, run(store, "village-validation", knows, name))
        yield work, store, {finding.key: finding for finding in findings(store, work)}
