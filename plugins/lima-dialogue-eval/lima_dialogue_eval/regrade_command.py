"""`lima dialogues regrade`. Everything heavy loads inside the command."""

import click

from lima import visible
from lima.cli import database_option, json_option, print_json, print_rows, store_to_read, trust_option

_LISTED = ("id", "turns", "excellent", "pass", "fail", "undecided", "errors")


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("--grader", required=True, help="NAME or NAME:ARGUMENT of `lima graders`")
@click.option("--evaluation", help="The evaluation of the runs, where it is not a registered one")
@trust_option
@database_option
@json_option
def regrade(
    runs: tuple[str, ...],
    grader: str,
    evaluation: str | None,
    trust_remote_code: bool,
    database: str | None,
    as_json: bool,
) -> None:
    """Grade the replies of finished runs again: with another grader, or with one that has changed

    All verdicts are kept. A run's own grader stays what `lima dialogues` lists; `--grader` of `show` and `compare` takes this
    one's. What it has graded before is not graded again, so the same command resumes.
    """
    from lima.cli.progress import Bar
    from lima_dialogue_eval.regrade import regrade as grade_again

    with store_to_read(database) as store, Bar("verdicts") as bar:
        rows = grade_again(
            store, runs, grader, evaluation=evaluation, on_progress=bar.move, trust_remote_code=trust_remote_code
        )
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, False, "", _LISTED)
    if errors := sum(row["errors"] for row in rows):
        said = "no verdict on a reply" if errors == 1 else f"no verdict on {errors} replies"
        click.echo(visible(f"The grader gave {said}. The same command tries them again."), err=True)
        click.get_current_context().exit(1)
