"""The commands that plugins add to the command line, also to groups of each other; what is another's stays as it is.

Knows nothing of how plugins are found.
"""

from collections.abc import Callable
from typing import Any

import click

from lima.errors import LimaError


def commands_below(group: click.Group, above: str = "") -> dict[str, click.Command]:
    """Every command below a group by its path, such as 'graders audit'"""
    found: dict[str, click.Command] = {}
    for name, command in group.commands.items():
        found[f"{above}{name}"] = command
        if isinstance(command, click.Group):
            found |= commands_below(command, f"{above}{name} ")
    return found


def running_command() -> str:
    """The path of the command that runs, '' for none"""
    context, names = click.get_current_context(silent=True), list[str]()
    while context is not None and context.parent is not None:
        names.insert(0, context.info_name or "")
        context = context.parent
    return " ".join(names)


def add(
    cli: click.Group, before: dict[str, click.Command], owners: dict[str, str], call: Callable[[], Any]
) -> dict[str, click.Command]:
    """Let a plugin add its commands to those that were there before, and give all; on any error all is as it was

    LimaError where it replaced or changed a command of another, whose `owners` are known."""
    groups = [(one, dict(one.commands)) for one in (cli, *before.values()) if isinstance(one, click.Group)]
    parts = {path: (one, one.callback, list(one.params)) for path, one in before.items()}
    try:
        call()
        after = commands_below(cli)
        for path, (command, callback, params) in parts.items():
            if after.get(path) is not command:
                raise LimaError(f"its command {path!r} is registered by {owners[path]!r} already")
            if command.callback is not callback or command.params != params:
                raise LimaError(f"it changes the command {path!r}, which is {owners[path]!r}'s. Add one of its own")
    except BaseException:
        for command, callback, params in parts.values():
            command.callback, command.params = callback, params
        for group, commands in groups:
            group.commands = commands
        raise
    return after
