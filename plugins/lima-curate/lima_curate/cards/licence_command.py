"""`lima sources licence`: what sources, a recipe or a mix may be used for, and the attribution that they owe.

Everything heavy loads inside the command. Knows nothing of licences.
"""

from pathlib import Path
from typing import Any

import click

from lima import visible
from lima.cli import database_option, json_option, print_json, store_to_read, with_reading
from lima_curate.mixes.command import path_option


@click.command("licence")
@click.argument("sources", nargs=-1, required=True, metavar="RECIPE|SOURCE|MIX…")
@path_option
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the attribution to this new file")
@with_reading
@database_option
@json_option
def licence(
    sources: tuple[str, ...],
    paths: dict[str, str],
    out: Path | None,
    tables: dict[str, dict[str, Any]],
    database: str | None,
    as_json: bool,
) -> None:
    """What examples may be used for by their licences, and the attribution that is owed for them

    Of sources, as `--source` has them, of a recipe's, or of what a mix takes. It is not legal advice.

    \b
    lima sources licence mix.jsonl --out ATTRIBUTION.txt
    """
    from lima import load_plugins
    from lima.cli.progress import Bar
    from lima_curate.cards.gathered import gathered
    from lima_curate.cards.owed import ADVICE, attribution, conditions, counted
    from lima_curate.lengths import counter_for
    from lima_dialogue_eval import new_file

    plugins = load_plugins()
    with store_to_read(database) as store, Bar("reading") as bar:
        found, remarks = gathered(
            sources,
            plugins,
            counter_for(None, plugins),
            paths=paths,
            tables=tables,
            store=store,
            on_example=lambda source, done, _: bar.move(done, None),
        )
    counts = counted(one for source in found for one in source.records)
    lines = list(attribution(found))
    if out:
        with new_file(out) as beside:
            beside.write_text("\n".join([*lines, ""]), encoding="utf-8")
    total = sum(len(one.records) for one in found)
    if as_json:
        told = {
            "examples": total,
            "licences": counts,
            "conditions": [list(one) for one in conditions(counts)],
            "advice": ADVICE,
        }
        print_json(told | {"attribution": lines})
        return
    click.echo(f"{total:,} example{'s' * (total != 1)} of {len(found)} source{'s' * (len(found) != 1)}\n")
    for what, answer in conditions(counts):
        click.echo(visible(f"{what:<15} {answer}."))
    click.echo(f"\n{ADVICE}")
    for remark in remarks:
        click.echo(visible(remark))
    if out:
        click.echo(visible(f"Attribution: {out}"))
        return
    click.echo("\nAttribution\n")
    for line in lines:
        click.echo(line)
