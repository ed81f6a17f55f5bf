"""`lima study` and its commands; everything heavy loads inside them."""

from pathlib import Path

import click

from lima.cli import Group, database_option, json_option, print_rows, store_to_read
from lima_studies.cli.alone import absolute, safety
from lima_studies.cli.preference import preference
from lima_studies.cli.rate import rate
from lima_studies.cli.runs import COMMANDS

_COLUMNS = ("id", "kind", "status", "prompts", "systems", "replies", "verdicts", "created")


@click.group(cls=Group, invoke_without_command=True)
@database_option
@json_option
@click.pass_context
def study(ctx: click.Context, database: str | None, as_json: bool) -> None:
    """LIMA's other experiments, one command each; without a command, the studies so far

    \b
    lima study preference RUN --against NAME=MODEL …   whose replies are clearly better
    lima study absolute RUN                            fail, pass or excellent, also far from the training data
    lima study safety RUN                              safe or unsafe, and what is refused without need
    lima study likert RUN                              grades from 1 to 6, several replies to a prompt
    lima study ablate GRID                             arms of a file, fine-tuned and compared: diversity, quality, quantity
    lima study scaling SOURCE --base B --sizes N,N …   more and more examples, and a curve
    lima study epochs RUN                              which epoch is best, and how much of that is chance
    lima study token-shift RUN                         which tokens a fine-tune changes, by their place
    lima study rate STUDY --raters GROUP:NAMES …       people read the replies, blind
    lima study report STUDY                            its report again, with what came since
    """
    if ctx.invoked_subcommand is None:
        with store_to_read(database) as store:
            rows = store.rows("select * from study_summary order by created")
            print_rows(rows, as_json, f"No study in {store.path}.", _COLUMNS)


@study.command()
@click.argument("name", metavar="STUDY")
@click.option(
    "--report", type=click.Path(dir_okay=False, path_type=Path), help="HTML file  [default: beside the database]"
)
@database_option
@json_option
def report(name: str, report: Path | None, database: str | None, as_json: bool) -> None:
    """Write the report of STUDY, with all that raters have said so far"""
    from lima import LimaError
    from lima_studies.cli.terminal import finish
    from lima_studies.known import KINDS, kind_of
    from lima_studies.record.study import Study

    with store_to_read(database) as store:
        found = Study.find(store, name)
        if (kind := found.row["kind"]) in study.commands.keys() - KINDS.keys():
            raise LimaError(
                f"Study {found.id} has a report of its own: `lima study {kind} --help` says how it is written."
            )
        finish(found, kind_of(found), report, as_json)


for command in (preference, absolute, safety, rate, *COMMANDS):
    study.add_command(command)
