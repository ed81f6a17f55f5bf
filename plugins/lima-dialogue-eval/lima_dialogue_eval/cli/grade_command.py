"""`lima dialogues grade`: people grade replies on a local page or in the terminal. Everything heavy loads inside the command."""

from typing import TYPE_CHECKING

import click

from lima import LimaError, visible
from lima.cli import database_option, options_given, store_to_read

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from lima import Store
    from lima_dialogue_eval.people.studies import Study

_WITH_STUDY = ("--study", "--terminal", "--by", "--port", "--open", "--database")


@click.command()
@click.argument("runs", nargs=-1, metavar="RUN... [RUN...]")
@click.option("--raters", metavar="NAMES", help="Who grades, with commas between; each gets a link  [default: you]")
@click.option("--reviews", type=click.IntRange(1), help="How many of them grade each conversation  [default: all]")
@click.option(
    "--only", metavar="WHICH", help="Grade only replies that are undecided, disagreed, or undecided,disagreed"
)
@click.option(
    "--calibration",
    type=click.IntRange(0, 100),
    default=0,
    metavar="PERCENT",
    help="This percentage of a rater's conversations are replies of the evaluation whose grade is known  [default: 0]",
)
@click.option("--seed", type=click.IntRange(0), default=0, help="Of sides, order and known replies  [default: 0]")
@click.option("--study", metavar="ID", help="Resume a study by its id, or the start of it")
@click.option("--terminal", is_flag=True, help="Grade here in the terminal, without a page")
@click.option("--by", metavar="NAME", help="Who grades, of --raters or alone  [default: the name of your account]")
@click.option(
    "--port", type=click.IntRange(1, 65535), help="Of the page on 127.0.0.1  [default: the study's own, if free]"
)
@click.option("--open", "open_first", is_flag=True, help="Open the first link in a browser")
@database_option
@click.pass_context
def grade(
    ctx: click.Context,
    runs: tuple[str, ...],
    raters: str | None,
    reviews: int | None,
    only: str | None,
    calibration: int,
    seed: int,
    study: str | None,
    terminal: bool,
    by: str | None,
    port: int | None,
    open_first: bool,
    database: str | None,
) -> None:
    """Let people grade replies: whole conversations, turn by turn, of one run or of two side by side and blind

    Runs are named as for `lima dialogues compare`: runs of one side with commas between. Every key press is saved at once; the
    same command resumes. Grades are those of the grader `people`.
    """
    from lima import Store
    from lima_dialogue_eval.people.studies import find_study

    if bool(runs) == bool(study):
        raise click.UsageError("Name one run or two, or --study ID.")
    if study and (beside := [o for o in options_given(ctx) if o not in _WITH_STUDY]):
        raise click.UsageError(
            f"--study {study} continues with the settings that it was begun with: leave out {beside[0]}."
        )
    if by and not terminal and (raters or study):
        raise click.UsageError("--by says who grades in the --terminal; on the page everybody has a link of their own.")
    if terminal and (beside := [o for o in options_given(ctx) if o in ("--port", "--open")]):
        raise click.UsageError(f"--terminal opens no page: leave out {beside[0]}.")
    with store_to_read(database) as store:
        store.check_writable()
        found = find_study(store, study) if study else _begun(store, runs, raters, by, reviews, seed, only, calibration)
        if terminal:
            _in_terminal(store, found, by)
            return
        path = store.path
        _announce(store, found)
    _serve(found, lambda: Store(path), port, open_first)


def _begun(
    store: "Store",
    runs: tuple[str, ...],
    raters: str | None,
    by: str | None,
    reviews: int | None,
    seed: int,
    only: str | None,
    calibration: int,
) -> "Study":
    from lima_dialogue_eval.cli.compare_command import ids
    from lima_dialogue_eval.people.studies import Plan, begin, rater_names

    names = rater_names(raters or by or _account())
    wanted = tuple(sorted({word.strip() for word in only.split(",")}, reverse=True)) if only is not None else ()
    sides = tuple(tuple(ids(store, run)) for run in runs)
    study, there = begin(store, Plan(sides, names, reviews or len(names), seed, wanted, calibration))
    if there:
        click.echo(visible(f"Resuming study {study.id}; --seed with another number begins a new one."), err=True)
    return study


def _account() -> str:
    import getpass

    try:
        return getpass.getuser().replace(",", " ")
    except (OSError, KeyError, ImportError):
        raise LimaError("This account has no name. Say who grades with --by NAME.") from None


def _announce(store: "Store", study: "Study") -> None:
    from lima_dialogue_eval.conversation.grade import PEOPLE
    from lima_dialogue_eval.evaluation.provenance import regrade_command
    from lima_dialogue_eval.people.candidates import outside
    from lima_dialogue_eval.people.overview import progress
    from lima_dialogue_eval.record.log import find_run

    rows = progress(store, study)
    left = sum(row["replies"] - row["graded"] for row in rows)
    n = len(rows)
    each = f"each conversation by {study.plan.reviews}" if n > 1 else f"{rows[0]['conversations']} conversations"
    click.echo(visible(f"Study {study.id}: {n} rater{'s' * (n > 1)}, {each}; {left} replies to grade."))
    if not study.plan.only and (number := outside(store, study.id, study.plan.sides)):
        again = regrade_command([find_run(store, run) for side in study.plan.sides for run in side], PEOPLE)
        why = "The other side has no such conversation with that seed, or they came after the study began."
        text = f"Not in it: {number} replies of these runs. {why} All of them, one dialogue at a time: {again}"
        click.echo(visible(f"{text} --seed {study.plan.seed + 1}"), err=True)


def _serve(
    study: "Study", opened: "Callable[[], AbstractContextManager[Store]]", port: int | None, open_first: bool
) -> None:
    from lima_dialogue_eval.pages.serving import serve_pages
    from lima_dialogue_eval.people.pages import grading_pages

    pages = grading_pages(study, opened)

    def ready(addresses: list[str]) -> None:
        width = max(len(link.name) for link in pages.links)
        for link, address in zip(pages.links, addresses, strict=True):
            click.echo(visible(f"  {link.name:<{width}}  {address}"))
        click.echo("Ctrl-C stops. Everything that was graded is saved; the same command resumes.")

    serve_pages(pages, port, ready, open_first)


def _in_terminal(store: "Store", study: "Study", by: str | None) -> None:
    from lima_dialogue_eval.people.grading import Grading
    from lima_dialogue_eval.people.studies import rater_names
    from lima_dialogue_eval.people.terminal import grade_in_terminal

    raters = study.plan.raters
    if by is None and len(raters) > 1:
        raise click.UsageError(f"Say who of {', '.join(raters)} grades here: --by NAME.")
    grade_in_terminal(Grading(store, study, rater_names(by)[0] if by else raters[0]))
