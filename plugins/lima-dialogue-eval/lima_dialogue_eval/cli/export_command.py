"""`lima dialogues export` and `import`: their options. Everything heavy loads inside the commands."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lima import visible
from lima.cli import database_option, json_option, print_json, store_to_read

if TYPE_CHECKING:
    from lima import Store

_ONE = ("inspect", "ratings")
"Formats that hold one run"


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option(
    "--to", "form", type=click.Choice(["csv", "jsonl", "inspect", "ratings"]), required=True, help="What to write"
)
@click.option(
    "-o", "--out", type=click.Path(dir_okay=False, path_type=Path), help="A new file  [default: standard output]"
)
@click.option("--grader", metavar="NAME", help="Of ratings: whose grades  [default: the grader of the run]")
@click.option("--by", metavar="NAME", help="Of ratings: the person whose grades")
@database_option
def export(
    runs: tuple[str, ...], form: str, out: Path | None, grader: str | None, by: str | None, database: str | None
) -> None:
    """Write the verdicts on dialogue runs for other programs

    \b
    csv, jsonl  a row a verdict, of every grader, version and person
    inspect     a log of Inspect (.eval or .json) with every reply; needs inspect_ai
    ratings     a JSON list of id, epoch, value and explanation, which `lima dialogues import` reads
    """
    from lima_dialogue_eval.record.log import find_run

    if form in _ONE and len(runs) > 1:
        raise click.UsageError(f"--to {form} is for one dialogue run. Export them one by one.")
    if form != "ratings" and (grader or by):
        raise click.UsageError("--grader and --by are for --to ratings; other formats have all verdicts.")
    if form == "inspect" and out is None:
        raise click.UsageError("A log of Inspect is a file: name it with --out FILE.eval.")
    with store_to_read(database) as store:
        found = [find_run(store, name) for name in runs]
        if form == "inspect":
            from lima_dialogue_eval.exchange.inspect_log import write_inspect_log

            samples = write_inspect_log(store, found[0], out or "")
            click.echo(visible(f"Wrote {out}: {samples:,} samples"))
            return
        lines = _ratings(store, found[0], grader, by) if form == "ratings" else _table(store, found, form)
        _write(lines, out)


def _table(store: "Store", runs: list[dict[str, Any]], form: str) -> Iterable[str]:
    from lima_dialogue_eval.exchange.rows import COLUMNS, tidy_rows
    from lima_dialogue_eval.exchange.tables import as_csv, as_jsonl

    rows = tidy_rows(store, runs)
    return as_csv(rows, COLUMNS) if form == "csv" else as_jsonl(rows)


def _ratings(store: "Store", run: dict[str, Any], grader: str | None, by: str | None) -> Iterable[str]:
    from lima_dialogue_eval.conversation.grade import PEOPLE
    from lima_dialogue_eval.exchange.ratings import ratings_of
    from lima_dialogue_eval.exchange.tables import as_json_list
    from lima_dialogue_eval.record.log import newest_hash

    if by is not None and grader not in (None, PEOPLE):
        raise click.UsageError("--by names a person, and --grader a program: give one of them.")
    name = PEOPLE if by is not None else grader or run["grader"]
    hashed = None if by is not None else newest_hash(store, run["id"], name) if grader else run["grader_hash"]
    rows, without = ratings_of(store, run, name, hashed, by or "")
    if without:
        click.echo(
            visible(f"{without:,} of {len(rows) + without:,} replies have no grade by {by or name} and are left out."),
            err=True,
        )
    return as_json_list(rows)


def _write(lines: Iterable[str], out: Path | None) -> None:
    """To a new file, or to standard output: a terminal is given no control character, a program every one"""
    if out is None:
        for line in lines:
            click.echo(visible(line) if sys.stdout.isatty() else line, nl=False)
        return
    from lima_dialogue_eval.exchange.files import new_file

    with new_file(out) as beside, beside.open("x", encoding="utf-8", newline="") as file:
        file.writelines(lines)
    click.echo(visible(f"Wrote {out}"))


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--run", required=True, metavar="RUN", help="The dialogue run that was rated")
@click.option("--by", required=True, metavar="NAME", help="Who graded")
@database_option
@json_option
def import_ratings(file: Path, run: str, by: str, database: str | None, as_json: bool) -> None:
    """Read ratings of a dialogue run as the grades of a person

    FILE has id (CONVERSATION:TURN), epoch (the place of the seed among the run's, from 1), value (excellent, pass or fail) and
    explanation, as JSON, JSON lines or CSV. All of it is written or nothing; what that person graded so before is left as it is.
    """
    from lima_dialogue_eval.exchange import ratings
    from lima_dialogue_eval.record.log import find_run
    from lima_dialogue_eval.record.people import rater_name

    with store_to_read(database) as store:
        row, by = find_run(store, run), rater_name(by)
        new, known = ratings.import_ratings(store, row, file, by)
    if as_json:
        print_json({"dialogue_run": row["id"], "by": by, "new": new, "known": known})
    else:
        click.echo(visible(f"Grades by {by} of dialogue run {row['id']}: {new:,} new, {known:,} were there already."))
