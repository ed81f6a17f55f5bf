"""`lima dialogues regrade`. Everything heavy loads inside the command."""

from typing import Any

import click

from lima import visible
from lima.cli import database_option, json_option, print_json, print_rows, store_to_read, trust_option
from lima_dialogue_eval.cli.estimate_command import budget_option, print_estimates

_LISTED = ("id", "turns", "excellent", "pass", "fail", "undecided", "errors")


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("--grader", required=True, help="NAME or NAME:ARGUMENT of `lima graders`")
@click.option("--evaluation", help="The evaluation of the runs, where it is not a registered one")
@click.option(
    "--dry-run", is_flag=True, help="Only count calls and tokens, and the price where it is known; ask nothing"
)
@budget_option
@trust_option
@database_option
@json_option
def regrade(
    runs: tuple[str, ...],
    grader: str,
    evaluation: str | None,
    dry_run: bool,
    budget: str | None,
    trust_remote_code: bool,
    database: str | None,
    as_json: bool,
) -> None:
    """Grade the replies of finished runs again: with another grader, or with one that has changed

    All verdicts are kept. A run's own grader stays what `lima dialogues` lists; `--grader` of `show` and `compare` takes this
    one's. What it has graded before is not graded again, so the same command resumes.
    """
    from lima.cli.progress import Bar
    from lima_dialogue_eval.run.regrade import regrade as grade_again
    from lima_dialogue_eval.run.regrade import would_regrade

    settings: dict[str, Any] = {
        "evaluation": evaluation, "budget": budget, "trust_remote_code": trust_remote_code,
    }  # fmt: skip
    if dry_run:
        with store_to_read(database) as store:
            print_estimates(would_regrade(store, runs, grader, **settings), as_json)
        return
    with store_to_read(database) as store, Bar("verdicts") as bar:
        rows = grade_again(store, runs, grader, on_progress=bar.move, **settings)
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, False, "", _LISTED)
    if errors := sum(row["errors"] for row in rows):
        said = "no verdict on a reply" if errors == 1 else f"no verdict on {errors} replies"
        click.echo(visible(f"The grader gave {said}. The same command tries them again."), err=True)
        click.get_current_context().exit(1)
