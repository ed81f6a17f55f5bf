"""`lima dialogues report`: its options. Everything heavy loads inside the command."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lima import visible
from lima.cli import database_option, json_option, print_json, store_to_read
from lima_dialogue_eval.cli.compare_command import grader_option, ids, paper_option, pool_option

if TYPE_CHECKING:
    from lima import Store
    from lima_dialogue_eval.report.document import Document, Subject


@click.command()
@click.argument("arms", nargs=-1, required=True)
@click.option("-o", "--out", type=click.Path(dir_okay=False, path_type=Path), help="The HTML file to write")
@click.option(
    "--serve", is_flag=True, help="Serve it on 127.0.0.1, loading conversations when they are opened, until Ctrl-C"
)
@click.option("--port", type=click.IntRange(1, 65535), help="Of --serve  [default: the report's own, if free]")
@click.option("--open", "open_first", is_flag=True, help="With --serve: open it in a browser")
@click.option("--title", help="[default: Before and after; of one arm, One arm; of several, Several arms]")
@grader_option
@pool_option
@paper_option
@database_option
@json_option
def report(
    arms: tuple[str, ...],
    out: Path | None,
    serve: bool,
    port: int | None,
    open_first: bool,
    as_json: bool,
    database: str | None,
    **settings: Any,
) -> None:
    """ARMS as a page: the figures, and all conversations side by side with every grade

    With --out it is one HTML file that needs nothing else, with --serve a local page; --json prints what it shows.
    The arms are named as for `lima dialogues compare`: one, before and after, or more, each compared with the first.
    """
    if settings["beside_paper"] and len(arms) != 2:
        raise click.UsageError("--beside-paper is for two arms: before and after.")
    if (out is not None) + serve + as_json != 1:
        raise click.UsageError(
            "Say what to make of it: --out FILE for a page in a file, --serve for a local page, or --json."
        )
    if not serve and (port or open_first):
        raise click.UsageError("--port and --open are for --serve.")
    from lima_dialogue_eval.report.page import document_of, write_report

    shown = {"title": settings["title"], "beside_paper": settings["beside_paper"]}
    with store_to_read(database) as store:
        path, subject = store.path, subject_of(store, arms, settings["grader"], settings["pool_anyway"])
        if as_json:
            print_json(document_of(subject, **shown).as_dict(store))
        elif out is not None:
            click.echo(visible(f"Wrote {write_report(store, subject, out, **shown)}"))
    if serve:
        _serve(document_of(subject, **shown), path, port, open_first)


def _serve(document: "Document", path: Path, port: int | None, open_first: bool) -> None:
    from lima import Store
    from lima_dialogue_eval.pages.serving import serve_pages
    from lima_dialogue_eval.report.serving import report_pages

    def ready(addresses: list[str]) -> None:
        click.echo(addresses[0])
        click.echo("Ctrl-C stops.", err=True)

    serve_pages(report_pages(document, lambda: Store(path)), port, ready, open_first)


def subject_of(store: "Store", arms: tuple[str, ...], grader: str | None, pool_anyway: bool) -> "Subject":
    """What a report is about: the figures of the arms that are named"""
    from lima_dialogue_eval.comparison.alone import describe
    from lima_dialogue_eval.comparison.arms import compare_each
    from lima_dialogue_eval.comparison.family import Family

    named = [ids(store, arm) for arm in arms]
    if len(named) == 1:
        return describe(store, named[0], grader=grader, pool_anyway=pool_anyway)
    found = compare_each(store, named, grader=grader, pool_anyway=pool_anyway)
    return found[0] if len(found) == 1 else Family.of(found)
