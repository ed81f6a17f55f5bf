"""`lima sources card`: what a data set is, in figures, as a page, as JSON or in the terminal.

Everything heavy loads inside the command. Knows nothing of the figures.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lima import visible
from lima.cli import database_option, json_option, print_fields, print_json, print_rows, store_to_read, with_reading
from lima_curate.mixes.command import base_option, path_option

if TYPE_CHECKING:
    from lima_curate.cards.figures import Card


@click.command("card")
@click.argument("sources", nargs=-1, required=True, metavar="RECIPE|SOURCE|MIX…")
@path_option
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the card as an HTML page, such as card.html"
)
@click.option("--title", help="Heading of the page (default: what is given)")
@base_option
@with_reading
@database_option
@json_option
def card(
    sources: tuple[str, ...],
    paths: dict[str, str],
    out: Path | None,
    title: str | None,
    base: str | None,
    tables: dict[str, dict[str, Any]],
    database: str | None,
    as_json: bool,
) -> None:
    """Sizes, tokens, lengths, kinds, licences, near-duplicates and languages of a data set

    Of sources, as `--source` has them, of a recipe's, or of what a mix takes.

    \b
    lima sources card mix.jsonl --out card.html
    """
    from lima import load_plugins
    from lima.cli.progress import Bar
    from lima_curate.cards.figures import card_of
    from lima_curate.cards.gathered import gathered
    from lima_curate.cards.page import page
    from lima_curate.lengths import counter_for
    from lima_dialogue_eval import check_place, write_whole

    if out:
        check_place(out)
    plugins = load_plugins()
    counter = counter_for(base, plugins)
    with store_to_read(database) as store, Bar("reading") as bar:
        found, remarks = gathered(
            sources,
            plugins,
            counter,
            paths=paths,
            tables=tables,
            store=store,
            on_example=lambda source, done, _: bar.move(done, None),
        )
    made = card_of(found, remarks, counter)
    if out:
        write_whole(page(made, title or ", ".join(Path(one).name or one for one in sources)), out)
    if as_json:
        print_json(made.as_json())
        return
    _print(made)
    if out:
        click.echo(visible(f"Card: {out}"))


def _print(made: "Card") -> None:
    print_fields(
        {**made.totals, "languages": made.languages, "licences": made.licences, "tokens_counted": made.counted}, False
    )
    click.echo()
    rows = [row | {key: f"{100 * row[key]:.1f} %" for key in ("share", "share_of_loss")} for row in made.sources]
    print_rows(rows, False, "")
    for remark in made.remarks:
        click.echo(visible(remark))
