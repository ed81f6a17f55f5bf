"""`lima curate`: people make examples of candidates, on a local page or in the terminal; and what became of them.

Everything heavy loads inside the commands. Knows nothing of what people see.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lima import LimaError, visible
from lima.cli import (
    Group,
    database_option,
    json_option,
    options_given,
    print_json,
    print_rows,
    store_to_read,
    with_reading,
)
from lima_dialogue_eval import count_of

if TYPE_CHECKING:
    from lima import Record, Store
    from lima_curate.desk.record.curations import Curation

BEGIN = "begin"
NO_LICENCE = "not stated: the writers' own"


class Curate(Group):
    """`lima curate SOURCE` is `lima curate begin SOURCE`, unless the first word is a command"""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, *self.get_help_option_names(ctx)):
            args = [BEGIN, *args]
        return super().parse_args(ctx, args)


@click.group(cls=Curate)
def curate() -> None:
    """People accept, edit and reject examples: LIMA's "authors' own", and comment chains edited into dialogues

    \b
    lima curate SOURCE                      begin, or resume: a page on this machine
    lima curate --name NAME                 resume by name, without reading the source again
    lima curate --new --name NAME           write examples from nothing
    lima curate --from-chats                what `lima chat --record` kept
    lima curate export NAME --out FILE      the accepted and edited ones, as a data set
    """


@curate.command(BEGIN)
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
@click.option("--name", help="What the curation is called  [default: by the first source]")
@click.option("--people", metavar="NAMES", help="Who curates, with commas between; each gets a link  [default: you]")
@click.option(
    "--reviews", type=click.IntRange(1), metavar="N", help="How many of them have each candidate  [default: 1]"
)
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the first N examples of each source")
@click.option("--from-chats", is_flag=True, help="Take recorded talks as candidates: all, or those of --chat")
@click.option("--chat", "chats", multiple=True, metavar="ID", help="A recorded talk by its id; may be repeated")
@click.option("--new", is_flag=True, help="Write examples from nothing")
@click.option("--licence", metavar="TEXT", help=f"Of what is written here  [default: {NO_LICENCE}]")
@click.option("--terminal", is_flag=True, help="Curate here in the terminal, without a page")
@click.option("--by", metavar="NAME", help="Who curates in the terminal, of --people")
@click.option("--show", metavar="WHICH", help="In the terminal, only: undecided, accepted, edited, rejected or decided")
@click.option("--search", metavar="TEXT", help="In the terminal, only candidates with these words")
@click.option("--port", type=click.IntRange(1, 65535), help="Of the page on 127.0.0.1  [default: its own, if free]")
@click.option("--open", "open_first", is_flag=True, help="Open the first link in a browser")
@with_reading
@database_option
@click.pass_context
def begin(ctx: click.Context, sources: tuple[str, ...], terminal: bool, database: str | None, **options: Any) -> None:
    """Begin a curation of the examples of SOURCEs, resume it, or add to it

    Every decision and edit is saved at once and kept; the same command resumes. A source that is named again gives only
    what is not there yet.
    """
    from lima import Store
    from lima_curate.desk.faces.terminal import check_terminal

    _check_usage(ctx, sources, terminal, options)
    with Store(database) as store:
        store.check_writable()
        if terminal:
            check_terminal()
        curation = _curation(store, sources, options)
        filled = list(_read(store, sources, options))  # before anything is written
        _begin(store, curation, filled)
        path = store.path
        if terminal:
            _in_terminal(store, curation, options)
            return
        _announce(store, curation)
    _serve(curation, lambda: Store(path), options["port"], options["open_first"])


@curate.command("list")
@database_option
@json_option
def list_curations(database: str | None, as_json: bool) -> None:
    """All curations: how many examples count"""
    with store_to_read(database) as store:
        rows = [_row(store, row["id"]) for row in store.rows("select id from curations order by created, id")]
    print_rows(rows, as_json, "No curation yet. `lima curate SOURCE` begins one.")


@curate.command("status")
@click.argument("name")
@database_option
@json_option
def status(name: str, database: str | None, as_json: bool) -> None:
    """Who has decided what in the curation NAME, and what people disagree on"""
    from lima_curate.desk.faces.views import counted
    from lima_curate.desk.record import decided
    from lima_curate.desk.record.curations import find
    from lima_curate.desk.record.person import Desk

    with store_to_read(database) as store:
        curation = find(store, name)
        people = [
            {"person": person} | counted(Desk(store, curation, person).statuses().values())
            for person in curation.people
        ]
        found = list(decided.outcomes(store, curation))
        about = _row(store, curation.name)
    disputed = [one.candidate.number for one in found if one.status == decided.DISPUTED]
    if as_json:
        print_json(about | {"people": people, "disputed_candidates": disputed, "definition": decided.DEFINITION})
        return
    print_rows([about], False, "")
    print_rows(people, False, "")
    if disputed:
        numbers = ", ".join(map(str, disputed[:20])) + (", …" if disputed[20:] else "")
        click.echo(f"People disagree on {numbers}: the coordinator's page shows all versions.")
    click.echo(decided.DEFINITION)


@curate.command("export")
@click.argument("name")
@click.option(
    "--out", required=True, metavar="FILE", help="A new file of JSON lines, which any command reads as a source"
)
@database_option
@json_option
def export(name: str, out: str, database: str | None, as_json: bool) -> None:
    """Write the accepted and edited examples of the curation NAME, with licence, provenance, credits and who edited them"""
    from lima import Record, Refused
    from lima_curate.dataset import write_dataset
    from lima_curate.desk.record.curations import find
    from lima_curate.desk.record.decided import records

    refused = list[Refused]()

    def kept(found: Any) -> Any:
        for one in found:
            if isinstance(one, Record):
                yield one
            else:
                refused.append(one)

    with store_to_read(database) as store:
        curation = find(store, name)
        written = write_dataset(out, kept(records(store, curation)))
    left = sum(one.rows for one in refused)
    if as_json:
        print_json({"file": str(written.file), "examples": written.examples, "left_out": left, "hash": written.hash})
        return
    click.echo(
        visible(
            f"Wrote {written.examples:,} example{'s' * (written.examples != 1)} to {written.file}; {left:,} were not accepted."
        )
    )


def _check_usage(ctx: click.Context, sources: Sequence[str], terminal: bool, options: dict[str, Any]) -> None:
    """UsageError for options that do not go together"""
    if not (sources or options["name"] or options["new"] or options["from_chats"] or options["chats"]):
        raise click.UsageError("Name a SOURCE, --new, --from-chats, or with --name a curation to resume.")
    given = options_given(ctx)
    if beside := [o for o in given if o in (("--port", "--open") if terminal else ("--by", "--show", "--search"))]:
        what = "--terminal opens no page" if terminal else f"{beside[0]} is for the --terminal"
        raise click.UsageError(f"{what}: leave out {beside[0]}{'' if terminal else ', or add --terminal'}.")


def _curation(store: "Store", sources: Sequence[str], options: dict[str, Any]) -> "Curation":
    """The curation of that name, or a new one that is not written yet; LimaError for one that the options do not fit"""
    from lima_curate.desk.record import curations
    from lima_dialogue_eval import rater_names

    people = rater_names(options["people"], "a person who curates") if options["people"] else None
    name = options["name"] or _named_by(sources, options)
    if curations.known(store, name):
        found = curations.find(store, name)
        there = curations.sources(store, name)
        if not options["name"] and sources and not set(sources) & set(there):
            raise LimaError(
                f"The curation {name} was begun with {', '.join(there) or 'no source'}. To add to it: --name {name}. For another "
                "one, give --name NAME."
            )
        asked = {"people": people, "reviews": options["reviews"], "licence": options["licence"]}
        for key, value in asked.items():
            has = getattr(found, key)
            if value is not None and value != has:
                shown = ",".join(has) if isinstance(has, tuple) else has
                raise LimaError(
                    f"The curation {name} was begun with --{key} {shown}, which stays. Leave --{key} out to resume it; for "
                    "another one, give another --name."
                )
        return found
    if not (sources or options["new"] or options["from_chats"] or options["chats"]):
        return curations.find(store, name)  # says that there is none
    licence = options["licence"] or NO_LICENCE
    new = curations.Curation(name, people or (_account(),), options["reviews"] or 1, licence)
    curations.check(new)
    return new


def _named_by(sources: Sequence[str], options: dict[str, Any]) -> str:
    """A name for what comes of these"""
    if not sources:
        return "chats" if options["from_chats"] or options["chats"] else "own"
    source, _, argument = sources[0].partition(":")
    path = Path(argument or source)
    words = re.sub(r"[^\w.+-]+", "-", path.name.split(".")[0] if path.suffix else path.name)
    return words.strip("-.+")[:80] or "curation"


def _account() -> str:
    import getpass

    try:
        return getpass.getuser().replace(",", " ")
    except (OSError, KeyError, ImportError):
        raise LimaError("This account has no name. Say who curates with --people NAME.") from None


def _read(
    store: "Store", sources: Sequence[str], options: dict[str, Any]
) -> "Iterator[tuple[str, list[Record], dict[str, Any], str]]":
    """Each source that the command names, with its examples, the settings, and its hash"""
    from lima import Record, load_plugins, open_source
    from lima.cli.progress import Bar
    from lima_chat import recorded_talks
    from lima_curate.desk.record.curations import MOST

    tables, limit = options["tables"], options["limit"]
    settings = tables | ({"limit": limit} if limit else {})
    for name in sources:
        with Bar("reading") as bar:
            found = open_source(name, load_plugins(), tables, lambda _, done, total: bar.move(done, total or None))
            yield name, list(islice(found.records, limit or MOST + 1)), settings, found.hash
    if options["from_chats"] or options["chats"]:
        talks = [one for one in recorded_talks(store, options["chats"]) if isinstance(one, Record)]
        if not talks:
            raise LimaError(
                f"No talk with a reply is recorded in {store.path}. `lima chat MODEL --record` records one."
            )
        yield "lima chat", talks[:limit], {"limit": limit} if limit else {}, ""


def _begin(
    store: "Store", curation: "Curation", filled: "Sequence[tuple[str, list[Record], dict[str, Any], str]]"
) -> None:
    """Write the curation, unless it is there, and its candidates that are new; say how many these are"""
    from lima_curate.desk.record import curations

    curations.begin(store, curation)
    for name, records, settings, hash in filled:
        new = curations.add(store, curation, name, records, settings, hash)
        click.echo(visible(f"{name}: {count_of(len(records), 'example')}, {count_of(new, 'new candidate')}."), err=True)


def _announce(store: "Store", curation: "Curation") -> None:
    row, n = _row(store, curation.name), len(curation.people)
    each = f"each candidate to {curation.reviews} of {n} people" if n > 1 else "one person"
    text = (
        f"Curation {curation.name}: {count_of(row['candidates'], 'candidate')}, {each}; {row['undecided']:,} undecided."
    )
    click.echo(visible(text))


def _serve(
    curation: "Curation", opened: "Callable[[], AbstractContextManager[Store]]", port: int | None, open_first: bool
) -> None:
    from lima_curate.desk.faces.pages import curation_pages
    from lima_dialogue_eval import serve_pages

    pages = curation_pages(curation, opened)

    def ready(addresses: list[str]) -> None:
        width = max(len(link.name) for link in pages.links)
        for link, address in zip(pages.links, addresses, strict=True):
            click.echo(visible(f"  {link.name:<{width}}  {address}"))
        click.echo("Ctrl-C stops. Everything is saved; the same command resumes.")

    serve_pages(pages, port, ready, open_first)


def _in_terminal(store: "Store", curation: "Curation", options: dict[str, Any]) -> None:
    from lima_curate.desk.faces.terminal import curate_in_terminal
    from lima_curate.desk.record.person import ALL, Desk
    from lima_dialogue_eval import rater_names

    by = options["by"]
    if by is None and len(curation.people) > 1:
        raise click.UsageError(f"Say who of {', '.join(curation.people)} curates here: --by NAME.")
    person = rater_names(by, "a person who curates")[0] if by else curation.people[0]
    desk = Desk(store, curation, person)
    curate_in_terminal(desk, options["show"] or ALL, options["search"] or "", options["new"])


def _row(store: "Store", name: str) -> dict[str, Any]:
    """A curation in figures"""
    from lima_curate.desk.record import decided
    from lima_curate.desk.record.curations import find, sources

    curation = find(store, name)
    totals = decided.totals(list(decided.outcomes(store, curation)))
    return {
        "name": curation.name, "candidates": totals.total(), **{one: totals[one] for one in decided.OUTCOMES},
        "people": ", ".join(curation.people), "sources": ", ".join(sources(store, name)),
    }  # fmt: skip
