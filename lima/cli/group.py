"""A group of commands that suggests a command for an unknown one, and reports options written before a command.

Knows nothing of what the commands do.
"""

from typing import Any

import click
from click.core import ParameterSource

from lima.errors import did_you_mean


class Group(click.Group):
    """A group that also does something without a command; its options are not its commands' options"""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if ctx.resilient_parsing:  # shell completion must not print errors
            return super().resolve_command(ctx, args)
        name = click.utils.make_str(args[0])
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            raise click.UsageError(f"There is no command {name!r}.{did_you_mean(name, self.list_commands(ctx))}")
        if given := options_given(ctx):
            path = ctx.command_path
            raise click.UsageError(f"{given[0]} belongs after the command: {path} {name} {given[0]} …")
        return super().resolve_command(ctx, args)


def options_given(ctx: click.Context) -> list[str]:
    """The options given on the command line, by their long names"""
    return [
        param.opts[-1]
        for param in ctx.command.params
        if isinstance(param, click.Option) and ctx.get_parameter_source(param.name or "") is ParameterSource.COMMANDLINE
    ]
