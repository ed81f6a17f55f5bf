"""What lima-village-study registers keeps the contracts of sources, a model and evaluations."""

import pytest

import lima_chat
import lima_dialogue_eval
import lima_village
import lima_village_study
from lima.testing import ModelContract, SourceContract
from lima_dialogue_eval.testing import EvaluationContract


class Study:
    plugin, requires = lima_village_study, (lima_chat, lima_dialogue_eval, lima_village)


class Forms(Study, SourceContract):
    name, argument = "village-forms", "20"


class Unrelated(Study, SourceContract):
    name, argument = "village-unrelated", "5"


class InContext(Study, ModelContract):
    name, argument, draws = "village-in-context", "1", True


class Prompts(Study, EvaluationContract):
    name, known = "village-prompts", True


@pytest.mark.parametrize("contract", [Forms, Unrelated, InContext, Prompts])
def test_it_keeps_its_contract(contract):
    assert contract.failures() == {}
