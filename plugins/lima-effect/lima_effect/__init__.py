"""lima-effect: fine-tunes a model on dialogues, on their exchanges alone and on fake dialogues, and measures what each learnt.

Importing this module is cheap: torch and the rest load when something is used.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lima import hookimpl

if TYPE_CHECKING:
    import click


@hookimpl
def register_commands(cli: "click.Group") -> None:
    from lima_effect.command import effect

    cli.add_command(effect)


@hookimpl
def register_sources(register: Callable[[str, Any], None]) -> None:
    from lima_effect.sources import Effect

    register("effect", Effect())


@hookimpl
def register_migrations(register: Callable[[str, Any], None]) -> None:
    from lima_effect.tables import migrations

    register("lima-effect", migrations)
