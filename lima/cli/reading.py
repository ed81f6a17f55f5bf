"""Options on how files are read, short for keys of the plugins' tables; and how much of each source was read.

Knows nothing of formats.
"""

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from lima.cli.show import print_rows
from lima.errors import LimaError, did_you_mean
from lima.text import visible

if TYPE_CHECKING:
    from lima.cli.progress import Bar
    from lima.data.dataset import Prepared
    from lima.data.reader import OnExample
    from lima.recipe import Recipe
    from lima.registry import Registry

reading_options = (
    click.option("--skip-bad", is_flag=True, help="Leave out rows that cannot be used, and record each"),
    click.option("--merge-turns", is_flag=True, help="Join turns of the same role in a row, with a blank line"),
)
settings_option = click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Any key of the recipe; may be repeated"
)


plugin_settings_option = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="PLUGIN.KEY=VALUE",
    help="An option of a plugin, as in a recipe; may be repeated",
)


def with_reading(command: Callable[..., Any]) -> Callable[..., Any]:
    """A command with the options on how files are read, given to it as `tables`: the plugins' tables that they stand for"""

    @wraps(command)
    def read(*args: Any, settings: tuple[str, ...], skip_bad: bool, merge_turns: bool, **options: Any) -> Any:
        return command(*args, tables=_tables(settings, skip_bad, merge_turns), **options)

    for option in reversed((plugin_settings_option, *reading_options)):
        read = option(read)
    return read


def _tables(settings: tuple[str, ...], skip_bad: bool, merge_turns: bool) -> dict[str, dict[str, Any]]:
    from lima.plugins import load_plugins
    from lima.recipe import Recipe, parse_setting

    values = dict(map(parse_setting, settings))
    if other := next((key for key in values if "." not in key or key.startswith("template.")), None):
        raise LimaError(
            f"--set {other}: only a plugin's PLUGIN.KEY=VALUE, such as lima-tune.ignore=note, has an effect here."
        )
    tables = Recipe().with_values(reading_settings(skip_bad, merge_turns) | values).plugins
    owners = sorted(set(load_plugins().registry("sources").owners.values()))
    if unknown := next((name for name in tables if name not in owners), None):
        raise LimaError(
            f"--set {unknown}.…: {unknown!r} is not a plugin that reads files.{did_you_mean(unknown, owners)}"
        )
    return tables


def reading_settings(skip_bad: bool, merge_turns: bool, specs: Collection[str] = ()) -> dict[str, bool]:
    """The recipe's keys that the flags stand for, of the plugins whose sources can be meant: all, unless `specs` names some"""
    if not skip_bad and not merge_turns:
        return {}
    from lima.contract.kinds import TakesOptions
    from lima.plugins import load_plugins

    sources = load_plugins().registry("sources")
    found = dict[str, bool]()
    if skip_bad:
        found |= {f"{sources.owners[name]}.skip_bad": True for name in _meant(sources, specs)}
    if merge_turns:
        able = [name for name in sources.able(TakesOptions) if "merge_turns" in sources[name].options]
        if not able:
            raise LimaError("--merge-turns: no installed plugin has a source that can join turns.")
        found |= {f"{sources.owners[name]}.merge_turns": True for name in able}
    return found


def _meant(sources: "Registry", specs: Collection[str]) -> Collection[str]:
    """The sources that are named. A file adds those that recognise files; without any name it is all sources"""
    from lima.contract.kinds import Recognises

    named = {sources.split(spec)[0] for spec in specs}
    known = {name for name in named if name in sources}
    return {*known, *(sources.able(Recognises) if named - known else ())} if specs else sources


@contextmanager
def reading_bar() -> Iterator["OnExample"]:
    """A progress bar for `prepare`, which appears where reading takes longer than a second"""
    from lima.cli.progress import Bar

    with Bar("reading") as bar:
        yield moving(bar)


def moving(bar: "Bar", **note: Any) -> "OnExample":
    """What moves a bar while sources are read, from a second on; with this `note`"""
    started = time.monotonic()

    def on_example(source: str, done: int, total: int) -> None:
        if time.monotonic() - started > 1:
            bar.describe(f"reading {visible(source)}")
            bar.move(done, total or None, **note)

    return on_example


def source_rows(ready: "Prepared") -> list[dict[str, Any]]:
    """For each source what was read of it: examples, how many were cut and dropped, refused rows; its share of the tokens"""
    total = sum(s["tokens"] for s in ready.sources) or 1
    return [
        {**s, "refused": ready.examples.refused[s["source"]], "share_of_tokens": f"{100 * s['tokens'] / total:.1f} %"}
        for s in ready.sources
    ]


def print_sources(rows: list[dict[str, Any]], as_json: bool) -> None:
    """The rows of `source_rows` as a table, in which what is nowhere cut, dropped or refused has no column"""
    lost = [status for status in ("cut", "dropped", "refused") if any(row[status] for row in rows)]
    columns = ("source", "examples", *lost, "tokens", "trained_tokens", "share_of_tokens", "licence")
    print_rows(rows, as_json, "No source.", columns)


def print_prepared(recipe: "Recipe", ready: "Prepared") -> None:
    """What was chosen for the recipe, what of its examples was cut and dropped, and which became several rows"""
    for sentence in ready.remarks(recipe):
        click.echo(visible(sentence))
