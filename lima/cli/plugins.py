"""`lima plugins`, `install` and `uninstall`, which work even if a plugin is broken."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from lima.cli.show import database_option, json_option, print_rows, store_to_read
from lima.errors import LimaError, did_you_mean
from lima.paths import is_there
from lima.plugins import CORE, Plugins, load_plugins
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


@click.command()
@click.option("--all", "everything", is_flag=True, help="What comes with the core, too")
@click.option("--hook", help="Only the plugins that implement this hook")
@database_option
@json_option
def plugins(everything: bool, hook: str | None, database: str | None, as_json: bool) -> None:
    """List the plugins, their hooks, and why a broken one does not work"""
    from lima.contract import hooks as hookspecs

    rows = _describe(load_plugins(), everything, database)
    if hook is not None:
        known = [n for n in vars(hookspecs) if hasattr(getattr(hookspecs, n), "lima_spec")]
        if hook not in known:
            raise LimaError(f"{hook!r} is not a hook of lima.{did_you_mean(hook, known)}")
        rows = [r for r in rows if hook in r["hooks"]]
    if not as_json:
        rows = [{**r, "hooks": ", ".join(r["hooks"]), "error": r.get("error", "")} for r in rows]
        if not any(r["error"] for r in rows):
            rows = [{k: v for k, v in r.items() if k != "error"} for r in rows]
    print_rows(rows, as_json, "No plugin is installed. Install one with `lima install NAME`.")


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
    loaded = load_plugins()
    known = {p.name.partition(":")[0] for p in loaded.all if p.name != CORE} | loaded.left_out
    for name in names:
        if canonical(name) not in map(canonical, known):
            raise LimaError(f"{name!r} is not an installed plugin.{did_you_mean(name, known)}")
    _pip("uninstall", *(["-y"] if yes else []), *names)


def canonical(name: str) -> str:
    """A distribution's name as pip compares it"""
    return re.sub(r"[-_.]+", "-", name).lower()


def _pip(*arguments: str) -> None:
    # A process of its own: pip must not run inside an interpreter whose packages it replaces.
    done = subprocess.run([sys.executable, "-m", "pip", *arguments])
    if done.returncode:
        raise LimaError(f"pip {arguments[0]} ended with status {done.returncode}; its message is above.")


COMMANDS = (plugins, install, uninstall)
