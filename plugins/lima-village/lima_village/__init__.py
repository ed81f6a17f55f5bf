"""lima-village: a small base model that comes with lima, the world it was trained on, and `lima demo`.

Importing this module is cheap: torch and the rest load when something is used.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lima import hookimpl

if TYPE_CHECKING:
    import click


@hookimpl
def register_commands(cli: "click.Group") -> None:
    from lima_village.commands import demo, village

    cli.add_command(demo)
    cli.add_command(village)


@hookimpl
def register_sources(register: Callable[[str, Any], None]) -> None:
    from lima_village.registered import SOURCES

    for source in SOURCES:
        register(source.name, source)


@hookimpl
def register_base_models(register: Callable[[str, Any], None]) -> None:
    from lima_village.base_model import Base

    register("village", Base())


@hookimpl
def register_models(register: Callable[[str, Any], None]) -> None:
    from lima_village.registered import Perfect

    register("village-perfect", Perfect())


@hookimpl
def register_graders(register: Callable[[str, Any], None]) -> None:
    from lima_village.grader import Facts

    register("village-facts", Facts())


@hookimpl
def register_evaluations(register: Callable[[str, Any], None]) -> None:
    from lima_village.registered import EVALUATIONS

    for evaluation in EVALUATIONS:
        register(evaluation.name, evaluation)


@hookimpl
def register_migrations(register: Callable[[str, Any], None]) -> None:
    from lima_village.tables import migrations

    register("lima-village", migrations)
