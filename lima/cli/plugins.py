"""`lima plugins` and what is below it, `install` and `uninstall`, which work even if a plugin is broken."""

import difflib
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from lima.cli.group import Group
from lima.cli.show import database_option, json_option, print_rows, store_to_read
from lima.distributions import CORE, canonical, check_removable, found
from lima.errors import LimaError, did_you_mean
from lima.isolation.marks import Marks
from lima.isolation.output import number
from lima.paths import is_there
from lima.places import user_folder
from lima.plugins import Plugins, load_plugins
from lima.registry import singular
from lima.text import visible


def _describe(loaded: Plugins, everything: bool, database: str | None) -> list[dict[str, Any]]:
    from lima.contract.kinds import KINDS

    for kind in KINDS:
        loaded.registry(kind)  # registering is when a plugin can still turn out broken
    _try_migrations(database)
    return [
        {
            "name": p.name,
            "version": p.version,
            "status": "broken" if p.error else "loaded",
            "hooks": p.hooks,
            **({"error": p.error} if p.error else {}),
            **({"remarks": p.remarks} if p.remarks else {}),
        }
        for p in loaded.all
        if everything or p.name != CORE
    ]


def _try_migrations(database: str | None) -> None:
    """Open the database, if there is one, which is the last moment in which a plugin can turn out broken"""
    from lima.record.places import default_path

    path = Path(database) if database else default_path()
    if database or is_there(path):
        try:
            store_to_read(str(path)).close()
        except LimaError as e:  # an error of the database must not hide the plugins
            click.echo(visible(f"Warning: {e}"), err=True)


@click.group(cls=Group, invoke_without_command=True)
@click.option("--all", "everything", is_flag=True, help="What comes with the core, too")
@click.option("--hook", help="Only the plugins that implement this hook")
@database_option
@json_option
@click.pass_context
def plugins(ctx: click.Context, everything: bool, hook: str | None, database: str | None, as_json: bool) -> None:
    """List the plugins, their hooks, and why a broken one does not work"""
    from lima.hook_checks import KNOWN

    if ctx.invoked_subcommand is not None:
        return
    rows = _describe(load_plugins(), everything, database)
    if hook is not None:
        if hook not in KNOWN:
            raise LimaError(f"{hook!r} is not a hook of lima.{did_you_mean(hook, KNOWN)}")
        rows = [r for r in rows if hook in r["hooks"]]
    if not as_json:
        texts = {"hooks": ", ", "remarks": "; "}
        rows = [{**r, **{k: mark.join(r.get(k, ())) for k, mark in texts.items()}} for r in rows]
        rows = [{k: r.get(k, "") for k in ("name", "version", "status", "hooks", "error", "remarks")} for r in rows]
        empty = [k for k in ("error", "remarks") if not any(r[k] for r in rows)]
        rows = [{k: v for k, v in r.items() if k not in empty} for r in rows]
    print_rows(rows, as_json, "No plugin is installed. Install one with `lima install NAME`.")


@plugins.command("why")
@click.argument("name")
@json_option
def why(name: str, as_json: bool) -> None:
    """Who registered NAME: a source, renderer, grader or any other kind of object, or a command; of a plugin, all that is its

    Where several plugins want a name, each has it with its own before it: PLUGIN::NAME. A name of the core stays the core's.

    \b
    lima plugins why template
    lima plugins why lima-haiku
    """
    loaded = load_plugins()
    rows, known = _claims(loaded, name)
    if not rows:
        raise LimaError(_unclaimed(loaded, name, known))
    versions = {p.name: p.version for p in loaded.all}
    print_rows([{**row, "version": versions.get(str(row["plugin"]), "")} for row in rows], as_json, "")


def _claims(loaded: Plugins, name: str) -> tuple[list[dict[str, Any]], list[str]]:
    """A row for each plugin that registered the name, of whatever kind, and for all that a plugin of that name did; all names"""
    from lima.contract.kinds import KINDS

    rows, known = list[dict[str, Any]](), [p.name for p in loaded.all]
    for path, owner in loaded.commands.items():
        known.append(path)
        if name in (path, owner):
            rows.append({"kind": "command", "name": f"lima {path}", "plugin": owner})
    for kind in KINDS:
        registry = loaded.registry(kind)
        known += [*registry, *registry.contested]
        for key, owner in [(k, registry.owners[k]) for k in registry]:
            if name in (key, owner, key.partition("::")[2], f"{owner}::{key}"):
                rows.append({"kind": singular(kind), "name": key, "plugin": owner})
    return rows, known


def _unclaimed(loaded: Plugins, name: str, known: list[str]) -> str:
    """Why a name has no owner: the plugin is set aside, or has hooks alone, or it is not a name"""
    for plugin in loaded.all:
        if plugin.name == name:
            why = f"is not loaded: {plugin.error}" if plugin.error else "registers nothing: it has hooks alone"
            return f"Plugin {name!r} {why}. See `lima plugins`."
    close = difflib.get_close_matches(name, sorted({*known}), n=3)
    hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
    return (
        f"Nothing is registered as {name!r}, and no plugin has that name.{hint} `lima plugins` lists the plugins, and "
        "`lima plugins why PLUGIN` what one has registered."
    )


@plugins.command("retry")
@click.argument("name")
def retry(name: str) -> None:
    """Load a plugin again at the next start, after lima did not survive it"""
    known = {one.distribution for one in found()} - {CORE}
    marks = Marks(user_folder() / "plugins")
    if not marks.forget(name):
        left = marks.left()
        why = f"{did_you_mean(name, left)}" if left else " Every plugin that is installed is tried."
        raise LimaError(f"{name!r} is not set aside for what happened at an earlier start.{why}")
    click.echo(f"{name} is loaded again{'' if name in known else ' if it is installed'}. See `lima plugins`.")


class _KindName(click.ParamType):
    """A kind of plugin, whose names load with the command alone"""

    name = "kind"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from lima.cli.new_plugin import kinds_of_plugin

        if value not in kinds_of_plugin():
            self.fail(f"{value!r} is not a kind of plugin.{did_you_mean(value, kinds_of_plugin())}", param, ctx)
        return str(value)


@plugins.command("new")
@click.argument("name")
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    required=True,
    type=_KindName(),
    metavar="KIND",
    help="source, renderer, grader, evaluation, model, base or command (which has a table, too); may be given several times",
)
def new(name: str, kinds: tuple[str, ...]) -> None:
    """Make a package NAME, in a folder of that name: a plugin that works, with tests, to change into yours

    \b
    lima plugins new lima-haiku --kind source
    """
    from lima.cli.new_plugin import kinds_of_plugin, make, short_name

    folder = make(name, kinds, load_plugins())
    count = sum(file.is_file() for file in folder.rglob("*"))
    steps = {
        f"cd {folder}": "",
        "lima install -e '.[test]'": "install it as it stands here; without a network add --no-build-isolation",
        "python -m pytest": "its tests",
        "lima plugins": "lists it",
        **{kinds_of_plugin()[kind].try_it.replace("NAME", short_name(name)): "shows what it does" for kind in kinds},
    }
    width = max(map(len, steps))
    click.echo(f"{folder} has {count} files, a plugin that works. Next:")
    for command, what in steps.items():
        click.echo(f"  {command:<{width}}  {what}".rstrip())


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, required=True, type=click.UNPROCESSED)
def install(arguments: tuple[str, ...]) -> None:
    """Install plugins into this Python environment (the arguments are pip's)"""
    _pip("install", *arguments)


@click.command()
@click.argument("names", nargs=-1, required=True)
@click.option("-y", "--yes", is_flag=True, help="Do not ask")
def uninstall(names: tuple[str, ...], yes: bool) -> None:
    """Uninstall plugins, broken ones too"""
    if CORE in names:
        raise LimaError(f"{CORE} is lima itself. To remove it: {sys.executable} -m pip uninstall {CORE}")
    known = {one.distribution for one in found()} - {CORE}  # from their metadata: none of them is loaded
    for name in names:
        if canonical(name) not in map(canonical, known):
            raise LimaError(f"{name!r} is not an installed plugin.{did_you_mean(name, known)}")
    check_removable(names)
    _pip("uninstall", *(["-y"] if yes else []), *names)
    for name in known:
        if canonical(name) in map(canonical, names):
            Marks(user_folder() / "plugins").forget(name)


def _pip(*arguments: str) -> None:
    # A process of its own: pip must not run inside an interpreter whose packages it replaces.
    sys.stdout.flush()
    done = subprocess.run([sys.executable, "-m", "pip", *arguments], stdout=number())
    if done.returncode:
        raise LimaError(f"pip {arguments[0]} ended with status {done.returncode}; its message is above.")


COMMANDS = (plugins, install, uninstall)
