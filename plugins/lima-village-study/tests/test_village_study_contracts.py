"""What lima-village-study registers keeps the contracts of sources, a model and evaluations."""

import pytest

import lima_chat
import lima_dialogue_eval
import lima_judges
import lima_studies
import lima_village
import lima_village_study
from lima.testing import ModelContract, SourceContract
from lima_dialogue_eval.testing import EvaluationContract


class Study:
    plugin, requires = lima_village_study, (lima_chat, lima_dialogue_eval, lima_judges, lima_studies, lima_village)


class Forms(Study, SourceContract):
    name, argument = "village-forms", "20"


class Unrelated(Study, SourceContract):
    name, argument = "village-unrelated", "5"


class InContext(Study, ModelContract):
    name, argument, draws = "village-in-context", "1", True


class Prompts(Study, EvaluationContract):
    name, known, mistaken = "village-prompts", True, 10


@pytest.mark.parametrize(
    "contract", [Forms, Unrelated, *(pytest.param(one, marks=pytest.mark.slow) for one in (InContext, Prompts))]
)
def test_it_keeps_its_contract(contract):
    assert contract.failures() == {}


def test_the_study_is_a_command_of_lima_study_too_where_that_is_there():
    import click

    cli = click.Group(commands=[click.Group("village"), click.Group("study")])
    lima_village_study.register_commands(cli=cli)
    assert cli.commands["study"].commands["village"] is cli.commands["village"].commands["study"]
    alone = click.Group(commands=[click.Group("village")])
    lima_village_study.register_commands(cli=alone)
    assert list(alone.commands) == ["village"]
