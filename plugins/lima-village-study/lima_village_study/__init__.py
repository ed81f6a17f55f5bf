"""lima-village-study: tests the paper's findings on the model of lima-village, with controls, baselines and one report.

Importing this module is cheap: torch and the rest load when something is used.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lima import LimaError, hookimpl

if TYPE_CHECKING:
    import click


@hookimpl
def register_commands(cli: "click.Group") -> None:
    from lima_village_study.commands import study

    # lima-village is already loaded: plugins load in the order of their distributions' names.
    village: Any = cli.commands.get("village")
    if village is None:
        raise LimaError(
            "`lima village study` needs the command `lima village`, which is missing. Install lima-village, or add it to "
            "LIMA_LOAD_PLUGINS"
        )
    village.add_command(study)
    # `lima study village` is the same command, where lima-studies brings the group.
    studies: Any = cli.commands.get("study")
    if hasattr(studies, "add_command"):
        studies.add_command(study, "village")


@hookimpl
def register_sources(register: Callable[[str, Any], None]) -> None:
    from lima_village_study.sources import SOURCES

    for source in SOURCES:
        register(source.name, source)


@hookimpl
def register_models(register: Callable[[str, Any], None]) -> None:
    from lima_village_study.in_context import InContext

    register("village-in-context", InContext())


@hookimpl
def register_evaluations(register: Callable[[str, Any], None]) -> None:
    from lima_village_study.prompts import EVALUATIONS

    for evaluation in EVALUATIONS:
        register(evaluation.name, evaluation)
