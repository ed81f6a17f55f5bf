"""`lima study rate`: people read replies on a local page. Everything heavy loads inside the command."""

import click

from lima import visible
from lima.cli import database_option, store_to_read


@click.command()
@click.argument("name", metavar="STUDY")
@click.option(
    "--raters", multiple=True, required=True, metavar="[GROUP:]NAMES",
    help="Who reads, with commas between, by group: --raters crowd:ana,ben --raters authors:cy",
)  # fmt: skip
@click.option("--shared", type=click.IntRange(0), default=50, show_default=True, help="Cases that everybody reads")
@click.option(
    "--reviews", type=click.IntRange(1), default=1, show_default=True, help="People of a group to each other case"
)
@click.option("--only-shared", is_flag=True, help="These people read nothing but the shared cases")
@click.option(
    "--port", type=click.IntRange(1, 65535), help="Of the page on 127.0.0.1  [default: the study's own, if free]"
)
@click.option("--open", "open_first", is_flag=True, help="Open the first link in a browser")
@database_option
def rate(
    name: str,
    raters: tuple[str, ...],
    shared: int,
    reviews: int,
    only_shared: bool,
    port: int | None,
    open_first: bool,
    database: str | None,
) -> None:
    """Let people read the replies of STUDY, blind, on a page of their own

    Each gets a link. What they read is drawn once, and the same command resumes; further people may be named later.
    """
    from lima import Store
    from lima_dialogue_eval import count_of, serve_pages
    from lima_studies.known import kind_of
    from lima_studies.people.assigning import invite, teams_of
    from lima_studies.people.desk import Desk
    from lima_studies.people.pages import rating_pages
    from lima_studies.record.study import Study

    with store_to_read(database) as store:
        store.check_writable()
        study = Study.find(store, name)
        names = invite(study, kind_of(study), teams_of(raters), shared, reviews, only_shared)
        team = {row["rater"]: row["team"] for row in study.raters()}
        path, id = store.path, study.id
        left = sum(len(Desk(study, one).open_places()) for one in names)
    pages = rating_pages(id, [(one, team[one]) for one in names], lambda: Store(path))
    click.echo(visible(f"Study {id}: {count_of(len(names), 'person', 'people')}; {count_of(left, 'case')} to read."))

    def ready(addresses: list[str]) -> None:
        for link, address in zip(pages.links, addresses, strict=True):
            click.echo(visible(f"  {link.name} ({link.role})  {address}"))
        click.echo("Ctrl-C stops. Every answer is saved; `lima study report` shows what was said.")

    serve_pages(pages, port, ready, open_first)
