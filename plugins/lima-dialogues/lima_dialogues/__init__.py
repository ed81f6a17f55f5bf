"""lima-dialogues: thirty dialogues to train on, conversations to evaluate with, and a linter for your own (LIMA §6).

The texts are in the folder `dialogues` of this package, one JSON file each. Knows nothing of templates, tokens or grades.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lima import hookimpl

if TYPE_CHECKING:
    import click


@hookimpl
def register_sources(register: Callable[[str, Any], None]) -> None:
    from lima_dialogues.registered import Dialogues

    register("dialogues", Dialogues())


@hookimpl
def register_evaluations(register: Callable[[str, Any], None]) -> None:
    from lima_dialogues.files import further_sets
    from lima_dialogues.registered import Conversations, further

    register("dialogues", Conversations())
    for name in further_sets():
        register(f"dialogues-{name}", further(name))


@hookimpl
def register_commands(cli: "click.Group") -> None:
    from lima_dialogues.command import dialogues_lint

    cli.add_command(dialogues_lint)
