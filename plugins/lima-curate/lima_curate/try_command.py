"""`lima filters try FILTER SOURCE`: what a filter would leave out of a source, by reason, with the first examples of each.

Changes no source. Everything heavy loads inside the command. Knows nothing of what the filters look for.
"""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from lima import LimaError, did_you_mean, visible
from lima.cli import database_option, json_option, print_json, print_rows

if TYPE_CHECKING:
    from lima import Plugins, Record
    from lima_curate.filters.chain import Exclusion

_PARTICULAR = re.compile(r"\".*\"|(?<!\w)'[^']*'(?!\w)|\b\d[\d.,]*(?<=\d)", re.S)
"What of a reason is an example's own: quotations and figures"
_SHOWN = 200
"Characters of a message"


@click.command("try")
@click.argument("name", metavar="FILTER")
@click.argument("source")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="An option of the filter, or PLUGIN.KEY=VALUE for how the source is read; may be repeated",
)
@click.option(
    "-n",
    "--number",
    type=click.IntRange(0),
    default=3,
    show_default=True,
    help="How many examples of each reason to show",
)
@database_option
@json_option
def try_filter(
    name: str, source: str, settings: tuple[str, ...], number: int, database: str | None, as_json: bool
) -> None:
    """What a FILTER of `lima filters` would leave out of a SOURCE, by reason, with the first examples of each

    \b
    lima filters try length dialogues --set shortest=200
    lima filters try near-duplicates FILE.jsonl --set compare=prompt --set threshold=0.7
    """
    from lima import Store, load_plugins, open_source, parse_setting
    from lima_curate.filters.chain import choose, open_filter

    plugins, given = load_plugins(), dict(map(parse_setting, settings))
    own = {key: value for key, value in given.items() if "." not in key}
    with Store(database) as store:
        found = open_filter(plugins, name, own, store)
        tables = _tables(plugins, {key: value for key, value in given.items() if key not in own})
        records = open_source(source, plugins, tables).records
        chosen = choose(records, [(name, found)])
    kinds = _by_kind(chosen.exclusions)
    first = {one.place for group in kinds.values() for one in group[:number]}
    texts = {place: _beginnings(record) for place, record in enumerate(records) if place in first} if first else {}
    row = chosen.passes[0].row()
    if as_json:
        reasons = [
            {
                "reason": kind,
                "count": len(group),
                "examples": [
                    {"id": one.example, "source": one.source, "reason": one.reason, "messages": texts[one.place]}
                    for one in group[:number]
                ],
            }
            for kind, group in kinds.items()
        ]
        print_json(row | {"reasons": reasons})
        return
    print_rows([row], as_json, "")
    for kind, group in kinds.items():
        click.echo(f"\n{len(group):,} of {row['read']:,}: {visible(kind)}")
        for one in group[:number]:
            click.echo(f"\n  {visible(one.example)}: {visible(one.reason)}")
            for role, text in texts[one.place]:
                click.echo(f"    {visible(role)}: {visible(text)}")


def _tables(plugins: "Plugins", values: Mapping[str, Any]) -> dict[str, Any]:
    from lima import Recipe

    tables: dict[str, Any] = Recipe().with_values(dict(values)).plugins
    owners = sorted({*plugins.registry("sources").owners.values()})
    if unknown := next((name for name in tables if name not in owners), None):
        raise LimaError(
            f"--set {unknown}.…: {unknown!r} is not a plugin that has sources.{did_you_mean(unknown, owners)}"
        )
    return tables


def _by_kind(exclusions: "Sequence[Exclusion]") -> "dict[str, list[Exclusion]]":
    """Exclusions whose reasons differ by figures and quotations alone, the most frequent kind first"""
    found: dict[str, list[Exclusion]] = {}
    for one in exclusions:
        found.setdefault(_PARTICULAR.sub(lambda quoted: "…" if quoted[0][0] in "'\"" else "N", one.reason), []).append(
            one
        )
    return dict(sorted(found.items(), key=lambda pair: (-len(pair[1]), pair[0])))


def _beginnings(record: "Record") -> list[tuple[str, str]]:
    """Role and beginning of the messages of an example, in one line each"""
    from lima_curate.texts import messages_of

    lines = [(message.role, " ".join(message.content.split())) for message in messages_of(record)]
    return [(role, text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…") for role, text in lines]
