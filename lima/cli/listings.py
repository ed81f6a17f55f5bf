"""`lima sources`, `renderers`, `base-models`, `models`, `graders`, `evaluations` and `filters`: what the plugins registered."""

from pathlib import Path
from typing import Any

import click

from lima.cli.group import Group
from lima.cli.reading import reading_bar, with_reading
from lima.cli.show import json_option, print_fields, print_json, print_rows
from lima.errors import LimaError
from lima.paths import check_readable
from lima.plugins import load_plugins
from lima.registry import singular
from lima.text import visible


def _rows(kind: str) -> list[dict[str, Any]]:
    from lima.contract.described import Licensed

    registry = load_plugins().registry(kind)
    rows = []
    for name, thing in sorted(registry.items()):
        row = {"name": name, "plugin": registry.owners[name]}
        row |= {"licence": thing.licence} if isinstance(thing, Licensed) else {}
        row["description"] = thing.description
        rows.append(row)
    return rows


def _group(kind: str, what: str) -> click.Group:
    """A group that lists everything registered of a kind"""

    @click.group(kind.replace("_", "-"), cls=Group, invoke_without_command=True, help=f"List {what}")
    @json_option
    @click.pass_context
    def group(ctx: click.Context, as_json: bool) -> None:
        if ctx.invoked_subcommand is None:
            print_rows(_rows(kind), as_json, f"No {singular(kind)} is registered. See `lima plugins`.")

    return group


sources = _group("sources", "where examples come from")
base_models = _group("base_models", "what can be fine-tuned by name")
evaluations = _group("evaluations", "what a model can be examined with")


@sources.command("show")
@click.argument("name")
@click.option(
    "-n", "--number", type=click.IntRange(min=1), default=1, show_default=True, help="How many examples to print"
)
@with_reading
@json_option
def show_source(name: str, number: int, tables: dict[str, dict[str, Any]], as_json: bool) -> None:
    """Count, licence and content hash of a source (NAME, NAME:ARGUMENT or a file), and its first examples"""
    from lima.data.sources import open_source, rows_of

    with reading_bar() as on_example:
        source = open_source(name, load_plugins(), tables, on_example)
    row = {
        "name": source.name,
        "plugin": source.owner,
        "examples": len(source.records),
        "refused": rows_of(source.refused),
        "licence": source.licence,
        "hash": source.hash,
    }
    if as_json:
        print_json(row)
        return
    print_fields(row, as_json)
    for record in source.records[:number]:
        click.echo(f"\n{visible(record.id)}  {visible(record.provenance)}")
        for key, value in record.content().items():
            click.echo(f"  {key}: {visible(value if isinstance(value, str) else repr(value))}")


@base_models.command("fetch")
@click.argument("name")
@click.option(
    "--from",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file that was brought by hand, instead of a download",
)
def fetch_base_model(name: str, file: Path | None) -> None:
    """Bring the base model NAME to this machine, once, and print its folder"""
    from lima.contract.kinds import Fetches

    if file:
        check_readable(file)
    bases = load_plugins().registry("base_models")
    base = bases.find(name)
    if not isinstance(base, Fetches):
        others = ", ".join(bases.able(Fetches)) or "none"
        raise LimaError(f"The base model {name!r} needs no fetching: use it with --base {name}. To fetch: {others}.")
    folder = base.fetch(lambda text: click.echo(visible(text), err=True), file)
    click.echo(visible(str(folder)))
    click.echo(visible(f"It is ready: --base {name}"), err=True)


COMMANDS = (
    sources,
    _group("renderers", "how examples become tokens"),
    base_models,
    _group("models", "what can answer"),
    _group("graders", "what can grade a reply"),
    evaluations,
    _group("filters", "what can choose examples for a data set"),
)
