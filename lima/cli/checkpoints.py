"""`lima checkpoints`: the epochs of the runs, their perplexity, their replies and grades, and the choice of one."""

import sys
from typing import Any

import click

from lima.cli.group import Group
from lima.cli.show import database_option, json_option, print_json, print_rows, store_to_read
from lima.errors import LimaError
from lima.text import visible

GRADER = "A name from `lima graders`; it must grade single replies"


@click.group(cls=Group, invoke_without_command=True)
@click.option("--run", help="Only this run (the start of its id is enough)")
@database_option
@json_option
@click.pass_context
def checkpoints(ctx: click.Context, run: str | None, database: str | None, as_json: bool) -> None:
    """List the checkpoints of all runs, with the perplexity and the grades of their replies to the dev prompts"""
    if ctx.invoked_subcommand is None:
        with store_to_read(database) as store:
            _print_epochs(store, store.run(run)["id"] if run else "", as_json)


@checkpoints.command("show")
@click.argument("run")
@click.option("--epoch", type=int, help="Only the replies of this epoch")
@click.option("--example", help="Only the replies to the dev example of this id")
@database_option
@json_option
def show_replies(run: str, epoch: int | None, example: str | None, database: str | None, as_json: bool) -> None:
    """What each epoch of a run replied to the dev prompts, side by side"""
    from lima.record.selection import generations

    with store_to_read(database) as store:
        rows = generations(store, store.run(run)["id"], epoch, example)
        if as_json:
            print_json(rows)
            return
        for position in dict.fromkeys(r["position"] for r in rows):
            _print_replies([r for r in rows if r["position"] == position])


@checkpoints.command("grade")
@click.argument("run")
@click.option("--grader", required=True, help=GRADER)
@database_option
@json_option
def grade_replies(run: str, grader: str, database: str | None, as_json: bool) -> None:
    """Let a grader grade the replies to the dev prompts that it has not graded, and choose nothing"""
    with store_to_read(database) as store:
        found = store.run(run)["id"]
        _grade(store, found, grader)
        _print_epochs(store, found, as_json)


@checkpoints.command("choose")
@click.argument("run")
@click.option("--epoch", type=int, help="The epoch, chosen by hand")
@click.option(
    "--grader", help=f"Grade what is not graded yet and take the best mean grade, or the fewest fails. {GRADER}"
)
@click.option("--by", "measure", help="Take the highest value of a measure that `lima checkpoints` lists, such as gain")
@click.option("--why", default="", help="With --epoch: the reason, for the record")
@database_option
@json_option
def choose_epoch(
    run: str,
    epoch: int | None,
    grader: str | None,
    measure: str | None,
    why: str,
    database: str | None,
    as_json: bool,
) -> None:
    """Make one epoch's model the model of its run, by a grader, by a measure or by hand

    Without --epoch, --grader and --by it shows the replies to the dev prompts, epoch for epoch, and asks. A grader's best is the
    highest mean of Fail 0, Pass 1, Excellent 2, or the fewest fails where it leaves replies undecided; among equal ones the
    earlier epoch. Perplexity is shown and decides nothing: held-out perplexity doubled while the judged quality rose (App. B).

    The run's folder then has that model; every epoch stays in its own folder, so another can be chosen later.
    """
    from lima.record.places import command_on
    from lima.record.selection import best, best_by, choose, epochs, finished

    if sum(given is not None for given in (epoch, grader, measure)) > 1:
        raise click.UsageError("--epoch chooses by hand, --grader by grades, --by by a measure: give only one of them.")
    if why and epoch is None:
        raise click.UsageError("--why is the reason for a choice by hand: give --epoch, too.")
    with store_to_read(database) as store:
        found = finished(store, store.run(run)["id"])["id"]
        if grader:
            _grade(store, found, grader)
            epoch, why = best(store, found, grader)
        elif measure:
            epoch, why = best_by(store, found, measure)
        elif epoch is None:
            if as_json or not sys.stdin.isatty():
                raise LimaError(_which(command_on(store.path, "checkpoints", "show", found)))
            epoch = _ask(store, found)
        folder = choose(store, found, epoch, grader or "", why, measure or "")
        (row,) = [r for r in epochs(store, found) if r["epoch"] == epoch]
        if as_json:
            print_json({**row, "folder": str(folder), "grader": grader or "", "measure": measure or "", "reason": why})
            return
        if grader or measure:
            _print_epochs(store, found, as_json)
    click.echo(visible(f"Epoch {epoch} is now the model of run {found}{f': {why}' if why else ''}.\nModel: {folder}"))


def _print_epochs(store: Any, run: str, as_json: bool) -> None:
    """The epochs of one run or of all as a table or as JSON, a column for each measure and each grader"""
    from lima.record.selection import epochs

    rows = epochs(store, run)
    graders = sorted({name for row in rows for name in row["grades"]})
    measures = sorted({name for row in rows for name in row["measures"]})
    if not as_json:
        rows = [
            {
                **row,
                **{name: f"{value:.3f}" for name, value in row["measures"].items()},
                **{name: _quality(row["grades"].get(name)) for name in graders},
            }
            for row in rows
        ]
    columns = [*([] if run else ["run"]), "epoch", "step", "perplexity", *measures, *graders, "model"]
    print_rows(rows, as_json, f"No checkpoint in {store.path}.", columns)
    if graders and not as_json:
        click.echo("A grader's column is the mean of Fail 0, Pass 1, Excellent 2, and the share of Excellent.")
        if any(counts["undecided"] for row in rows for counts in row["grades"].values()):
            click.echo(
                "Where replies are undecided, a mean would compare only what failed: the column counts the fails."
            )


def _quality(counts: dict[str, Any] | None) -> str:
    if not counts or not counts["n"] + counts["undecided"]:
        return ""
    if counts["undecided"]:
        return f"{counts['fail']} of {counts['n'] + counts['undecided']} fail, {counts['undecided']} undecided"
    return f"{counts['mean_grade']:.2f} ({100 * counts['excellent'] / counts['n']:.0f} %)"


def _print_replies(rows: list[dict[str, Any]]) -> None:
    """One dev prompt, its reference, and the reply of each epoch below the other"""
    first = rows[0]
    click.secho(visible(f"{first['example']}  {first['source']}"), bold=True)
    lines = [("prompt", first["prompt"]), ("reference", first["reference"])]
    lines += [(f"epoch {row['epoch']}", row["reply"]) for row in rows]
    remarks = ["", "", *map(_remark, rows)]
    for (label, text), remark in zip(lines, remarks, strict=True):
        shown = visible(text).replace("\n", "\n" + " " * 11)
        click.echo(f"{label:<10} {shown}" + (click.style(f"  [{visible(remark)}]", dim=True) if remark else ""))
    click.echo()


def _remark(row: dict[str, Any]) -> str:
    """Remarks on a reply: its grades, and why it stopped if the model did not end it"""
    stop = [] if row["stop"] == "eot" else [f"stop: {row['stop']}"]
    return "; ".join(
        [*stop, *(f"{name}: {g['grade'] or 'no grade'}, {g['reason']}" for name, g in row["grades"].items())]
    )


def _grade(store: Any, run: str, grader: str) -> None:
    """Grade what is missing, with a bar on standard error"""
    from lima.cli.progress import Bar
    from lima.plugins import load_plugins
    from lima.record.selection import grade

    with Bar(f"grading by {grader}") as bar:
        grade(store, run, grader, load_plugins(), bar.move)


def _ask(store: Any, run: str) -> int:
    """The epoch that a person at a terminal chooses from the table and the replies"""
    from lima.record.selection import epochs, generations, has_replies

    _print_epochs(store, run, as_json=False)
    known = [row["epoch"] for row in epochs(store, run)]

    def number(text: str) -> int | None:
        if text.strip() and text.strip() not in map(str, known):
            raise click.UsageError(f"{text!r} is not an epoch of this run; expected {known[0]} to {known[-1]}.")
        return int(text) if text.strip() else None

    replies = generations(store, run) if has_replies(store, run) else []
    for position in dict.fromkeys(row["position"] for row in replies):
        _print_replies([row for row in replies if row["position"] == position])
        text = "Choose an epoch, or press Enter for the next dev prompt"
        if (epoch := click.prompt(text, default="", show_default=False, value_proc=number)) is not None:
            return int(epoch)
    return int(
        click.prompt("That was all. Choose an epoch" if replies else "Choose an epoch", type=click.Choice(known))
    )


def _which(showing: str) -> str:
    """The sentence for a choice that nobody made; with the command that shows the replies"""
    from lima.contract.kinds import GradesReplies
    from lima.plugins import load_plugins

    able = load_plugins().registry("graders").able(GradesReplies)
    return (
        f"Which epoch? Look at their replies with `{showing}` and give --epoch N, or let a grader choose with "
        f"--grader NAME (able: {', '.join(able) or 'none'}). It is not chosen by perplexity, which rises while the replies get "
        "better (LIMA App. B)."
    )


COMMANDS = (checkpoints,)
