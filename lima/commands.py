"""The commands that plugins add to the command line, also to groups of each other; what is another's stays as it is.

Knows nothing of how plugins are found.
"""

import inspect
from collections.abc import Callable
from typing import Any

import click

from lima.errors import LimaError, quoted


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


Part = tuple[Any, type, dict[str, Any]]
"A command, an option or what it takes; its class; copies of its attributes"


class AsNow:
    """What a group and the commands below it are now, whatever is added to them or changed later"""

    def __init__(self, cli: click.Group, earlier: "AsNow | None" = None) -> None:
        """`earlier` is what they were before others were added, none of which changed one that was there"""
        self.below = commands_below(cli)
        known: dict[str, list[Part]] = earlier.parts if earlier else {}
        self.parts: dict[str, list[Part]] = {
            path: known[path] if path in known and not isinstance(command, click.Group) else _copies(command)
            for path, command in {"": cli, **self.below}.items()
        }

    def put_back(self) -> None:
        """Make them again what they were"""
        for parts in self.parts.values():
            for part, kind, attributes in parts:
                if type(part) is not kind:
                    part.__class__ = kind
                part.__dict__.clear()
                part.__dict__.update(_copied(attributes))


def _copies(command: click.Command) -> list["Part"]:
    """A command, its options and what they take, each with its class and attributes"""
    return [
        (part, type(part), _copied(vars(part)))
        for part in (command, *command.params, *(parameter.type for parameter in command.params))
    ]


def _copied(attributes: dict[str, Any]) -> dict[str, Any]:
    """Attributes with copies of their lists and dicts: of a command's options, of the commands below it"""
    return {name: value.copy() if type(value) in (list, dict) else value for name, value in attributes.items()}


def add(cli: click.Group, before: AsNow, owners: dict[str, str], call: Callable[[], Any]) -> AsNow:
    """Let a plugin add its commands to those that were there before, and give all; on any error all is as it was

    LimaError where it replaced or changed a command of another, whose `owners` are known, or added what is none."""
    try:
        call()
        _check_names(cli)
        below = commands_below(cli)
        for path, command in before.below.items():
            if below.get(path) is not command:
                raise LimaError(f"its command {path!r} is registered by {owners[path]!r} already")
        for path, there in before.parts.items():
            if any(type(one) is not kind or _differs(one, attributes) for one, kind, attributes in there):
                whose = f"the command {path!r}, which belongs to {owners[path]!r}" if path else "`lima` itself"
                raise LimaError(f"it changes {whose}. Add one of its own")
        for path in below.keys() - before.below.keys():
            _check(path, below[path])
    except BaseException:
        before.put_back()
        raise
    return AsNow(cli, before)


def _differs(part: Any, before: dict[str, Any]) -> bool:
    """Whether an attribute of such a part is another one than before; to a group commands may be added"""
    now = vars(part)
    return now.keys() != before.keys() or any(
        now[name] is not old and (type(old) not in (list, dict) or now[name] != old)
        for name, old in before.items()
        if not (name == "commands" and isinstance(part, click.Group))
    )


def _check_names(group: click.Group) -> None:
    """LimaError for what stands for a command in a group, or in one below it, and is none"""
    for name, command in group.commands.items():
        if not isinstance(name, str) or not name.isprintable() or not isinstance(command, click.Command):
            raise LimaError(f"it adds {quoted(command)} as the command {name!r}; expected a click.Command under a name")
        if isinstance(command, click.Group):
            _check_names(command)


def _check(path: str, command: click.Command) -> None:
    """LimaError for a command that a call would not run; what it raises where its help is asked for goes through"""
    callback = command.callback
    if (
        inspect.isgeneratorfunction(callback)
        or inspect.iscoroutinefunction(callback)
        or inspect.isasyncgenfunction(callback)
    ):
        raise LimaError(
            f"the function of its command {path!r} is {'a generator' if inspect.isgeneratorfunction(callback) else 'async'}, "
            "of which a call runs nothing; write it as a plain def"
        )
    if not command.hidden and not isinstance(command.get_short_help_str(), str):
        raise LimaError(f"the help of its command {path!r} is not text")
