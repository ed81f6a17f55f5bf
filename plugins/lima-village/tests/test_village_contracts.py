"""What lima-village registers keeps the contracts of sources, base, model, grader and evaluations."""

import pytest

import lima_chat
import lima_dialogue_eval
import lima_judges
import lima_studies
import lima_village
from lima import GradesReplies, GradesTurns
from lima.testing import BaseModelContract, ModelContract, SourceContract
from lima_dialogue_eval.testing import EvaluationContract, GraderContract


class Village:
    plugin, requires = lima_village, (lima_chat, lima_dialogue_eval, lima_judges, lima_studies)


class Singles(Village, SourceContract):
    name, argument = "village-singles", "20"


class Dialogues(Village, SourceContract):
    name, argument = "village-dialogues", "5"


class Dev(Village, SourceContract):
    name, argument = "village-dev", "20"


class HeldOut(Village, SourceContract):
    name = "village-held-out"


class Base(Village, BaseModelContract):
    name = "village"


class Perfect(Village, ModelContract):
    name = "village-perfect"


class Facts(Village, GraderContract):
    name, abilities = "village-facts", (GradesTurns, GradesReplies)


class Evaluation(Village, EvaluationContract):
    name, known, mistaken = "village", True, 10


@pytest.mark.parametrize(
    "contract",
    [Singles, Dialogues, Dev, HeldOut, Base, Perfect, Facts, pytest.param(Evaluation, marks=pytest.mark.slow)],
)
def test_it_keeps_its_contract(contract):
    assert contract.failures() == {}
