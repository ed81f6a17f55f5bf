"""`lima mix` and `lima mixes`: a frozen data set of several sources, and what is known of those that were made.

Everything heavy loads inside the commands. Knows nothing of how a mix is made.
"""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lima import LimaError, command_on, is_there, visible
from lima.cli import Group, database_option, json_option, print_json, print_rows, store_to_read, with_reading
from lima_dialogue_eval import count_of

if TYPE_CHECKING:
    from lima import Store
    from lima.cli.progress import Bar
    from lima_curate.mixes.making import Mixture

COUNTS = ("source", "read", "refused", "left_out", "not_drawn", "taken")
TOKENS = ("source", "taken", "tokens_in", "tokens_out", "share", "of_loss")
LICENCES = ("source", "licences")
"Three tables, which fit 80 columns; `share` is of all tokens, `of_loss` of those that the loss is taken over, by their weight"


def path_of(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    """What --path gives, by the names of sources"""
    found = dict[str, str]()
    for one in given:
        name, equals, path = one.partition("=")
        if not (name and equals and path):
            raise click.BadParameter(f"{one!r}; expected NAME=PATH, such as wikihow=articles.csv.")
        if name in found:
            raise click.BadParameter(f"{name!r} is given twice.")
        found[name] = path
    return found


path_option = click.option(
    "--path",
    "paths",
    multiple=True,
    metavar="NAME=PATH",
    callback=path_of,
    help="Where a source of the mix is: a file, a folder, or NAME:ARGUMENT of `lima sources`; may be repeated",
)
base_option = click.option(
    "--base", help="Count tokens as this base model does: a folder, or a name from `lima base-models`"
)


@click.command("mix")
@click.argument("mix")
@path_option
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The data set that is written: a new file")
@click.option(
    "--method",
    type=click.Choice(["first", "random", "longest"]),
    help="Draw the same number of examples from the same sources otherwise: random ones, or those with the longest answers",
)
@base_option
@click.option("--allow-contamination", is_flag=True, help="Keep examples that ask what an evaluation asks")
@click.option("--dry-run", is_flag=True, help="Count everything; write nothing")
@with_reading
@database_option
@json_option
def mix_command(
    mix: str,
    paths: dict[str, str],
    out: Path | None,
    method: str | None,
    base: str | None,
    allow_contamination: bool,
    dry_run: bool,
    tables: dict[str, dict[str, Any]],
    database: str | None,
    as_json: bool,
) -> None:
    """Make a frozen data set of several sources, as MIX says: a TOML file, or a mix that is shipped: lima-table-1

    \b
    lima mix MIX.toml --out mix.jsonl
    lima mix lima-table-1 --path stackexchange-stem=DUMPS --out mix.jsonl
    lima train --base FOLDER --source mix.jsonl
    """
    from lima import Store

    if not (out or dry_run):
        raise LimaError("Name the file of the data set: --out FILE.jsonl. To count only: --dry-run.")
    if out and is_there(out) and not dry_run:
        raise LimaError(f"{out} exists and is not overwritten. Choose another --out, or move it away.")
    with Store(database) as store:
        if not dry_run:
            store.check_writable()
        given = {"paths": paths, "tables": tables, "method": method or "", "contaminated": allow_contamination}
        made = _made(store, mix, base, given)
        told = _written(store, made, out) if out and not dry_run else {}
        _print(made, told, as_json)
        if told and not as_json:
            command = command_on(store.path, "mixes", "show", told["mix"], "--excluded")
            click.echo(visible(f"What was left out, and why: {command}"))


def _made(store: "Store", mix: str, base: str | None, given: dict[str, Any]) -> "Mixture":
    """What a mix becomes, with a bar while its sources are read"""
    from lima import load_plugins
    from lima.cli.progress import Bar
    from lima_curate.lengths import counter_for
    from lima_curate.mixes.making import mixture
    from lima_curate.mixes.recipe import read_mix

    recipe, plugins = read_mix(mix), load_plugins()
    with Bar("reading") as bar:
        read = partial(_move, bar)
        return mixture(recipe, plugins, counter_for(base, plugins), store=store, on_example=read, **given)


def _move(bar: "Bar", source: str, done: int, total: int) -> None:
    bar.describe(f"reading {visible(source)}")
    bar.move(done, total or None)


def _written(store: "Store", made: "Mixture", out: Path) -> dict[str, Any]:
    """What is told of the data set, when it was written and noted"""
    from lima_curate.dataset import write_dataset
    from lima_curate.mixes.log import note_mix

    written = write_dataset(out, made.records)
    hashes = {"sha256": written.sha256, "hash": written.hash}
    return {"file": str(out), **hashes, "mix": note_mix(store, made, written)}


def rows_of(made: "Mixture") -> list[dict[str, Any]]:
    """The table of a mix: what was read of each source is what was refused, left out, not drawn and taken"""
    return [
        {
            "source": pool.entry.name,
            "read": pool.read,
            "refused": pool.refused_rows,
            "left_out": len(pool.excluded),
            "not_drawn": pool.not_drawn,
            "taken": len(pool.taken),
            "tokens_in": length.asked,
            "tokens_out": length.answered,
            "share": f"{100 * share:.1f} %",
            "of_loss": f"{100 * loss:.1f} %",
            "licences": pool.licence,
        }
        for pool, length, (share, loss) in zip(made.pools, made.lengths, made.shares(), strict=True)
    ]


def _print(made: "Mixture", told: dict[str, Any], as_json: bool) -> None:
    rows = rows_of(made)
    total = {key: sum(row[key] for row in rows) for key in (*COUNTS[1:], *TOKENS[2:4])}
    if as_json:
        print_json(
            {
                **told,
                "method": made.method,
                "counted": made.counter.how,
                "sources": rows,
                **total,
                "remarks": made.remarks(),
            }
        )
        return
    last = [{"source": "together", "share": "", "of_loss": "", **total}] if len(rows) > 1 else []
    print_rows([*rows, *last], False, "", COUNTS)
    print_rows([*rows, *last], False, "", TOKENS)
    print_rows(rows, False, "", LICENCES)
    examples, tokens = count_of(total["taken"], "example"), count_of(total["tokens_in"] + total["tokens_out"], "token")
    lines = [
        f"{examples}, {tokens}, counted {made.counter.how}. Drawn: {made.method}.",
        *made.remarks(),
    ]
    if told:
        lines += [f"Data set: {told['file']}, sha256 {told['sha256']}", f"Mix: {told['mix']}"]
    for line in lines:
        click.echo(visible(line))


@click.group("mixes", cls=Group, invoke_without_command=True)
@database_option
@json_option
@click.pass_context
def mixes_command(ctx: click.Context, database: str | None, as_json: bool) -> None:
    """List the data sets that were mixed, newest last"""
    from lima_curate.mixes.log import mixes

    if ctx.invoked_subcommand is not None:
        return
    with store_to_read(database) as store:
        empty = f"No mix in {store.path}. Make one with `lima mix MIX.toml --out FILE.jsonl`."
        print_rows(mixes(store), as_json, empty, ("id", "name", "examples", "sources", "runs", "file"))


@mixes_command.command("show")
@click.argument("mix")
@click.option("--excluded", is_flag=True, help="Also each example that was left out, with the reason")
@database_option
@json_option
def show_mix(mix: str, excluded: bool, database: str | None, as_json: bool) -> None:
    """Everything recorded of one mix (the start of its id is enough): its file, sources, exclusions and the runs on it"""
    from lima_curate.mixes.log import exclusions, find_mix

    with store_to_read(database) as store:
        row = find_mix(store, mix)
        gone = exclusions(store, row["id"]) if excluded else []
    if as_json:
        print_json(row | ({"exclusions": gone} if excluded else {}))
        return
    for key in ("id", "created", "name", "file", "sha256", "hash", "examples", "method", "seed", "counted"):
        click.echo(f"{key:<9} {visible(str(row[key]))}")
    click.echo(f"runs      {', '.join(row['runs']) or 'none'}\n")
    print_rows(row["sources"], False, "", ("name", "rows", "refused", "left_out", "taken"))
    print_rows(row["sources"], False, "", ("name", "tokens_in", "tokens_out", "licence"))
    print_rows(row["excluded"], False, "Nothing was left out.")
    for remark in row["remarks"]:
        click.echo(visible(remark))
    for one in gone:
        click.echo(
            visible(
                f"{one['source']}  {one['example'] or count_of(one['rows'], 'example')}  {one['filter']}: {one['reason']}"
            )
        )
    click.echo(visible(f"\n{row['toml'].rstrip()}"))


COMMANDS = (mix_command, mixes_command)
