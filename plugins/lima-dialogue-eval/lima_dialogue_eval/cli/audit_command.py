"""`lima graders audit`, `lima graders audits` and `lima evaluations check`: what a grader's grades are worth.

Everything heavy loads inside the commands. Knows nothing of how an audit works.
"""

from pathlib import Path
from typing import Any

import click

from lima import GRADER_FAILED, LimaError, command_on, visible
from lima.cli import database_option, json_option, print_json, print_rows, store_to_read
from lima_dialogue_eval.cli.estimate_command import budget_option

_LISTED = ("id", "day", "grader", "evaluation", "replies", "false_alarms", "bad_failed")
verbose_option = click.option("-v", "--verbose", is_flag=True, help="Also print every reply that the grader got wrong")


@click.command("audit")
@click.argument("name")
@click.argument("evaluation", required=False)
@verbose_option
@budget_option
@database_option
@json_option
@click.pass_context
def audit(
    ctx: click.Context,
    name: str,
    evaluation: str | None,
    verbose: bool,
    budget: str | None,
    database: str | None,
    as_json: bool,
) -> None:
    """Test the grader NAME on replies whose grade is known, those of EVALUATION, and on replies that need no model

    Without EVALUATION: the one that has known replies and is graded by NAME. An interrupted audit is continued. Ends with code 1
    if the grader failed on a reply.
    """
    from lima import Store
    from lima.cli.progress import Bar
    from lima_dialogue_eval.audit.log import find_audit, verdicts
    from lima_dialogue_eval.audit.measure import audit_grader

    chosen = evaluation or _only_evaluation(name)
    with Store(database) as store:
        try:
            with Bar("replies") as bar:
                id = audit_grader(store, name, chosen, bar.move, budget)
        except KeyboardInterrupt:
            click.echo("Every verdict so far is kept: the same command continues the audit.", err=True)
            raise
        row, rows = find_audit(store, id), verdicts(store, id)
    _show(row, rows, verbose, as_json, store.path)
    if any(r["status"] == GRADER_FAILED for r in rows):
        click.echo("The grader failed on some replies: the same command tries these again.", err=True)
        ctx.exit(1)


@click.command("audits")
@click.argument("id", required=False)
@verbose_option
@database_option
@json_option
def audits(id: str | None, verbose: bool, database: str | None, as_json: bool) -> None:
    """List the audits of graders, or show the one with this ID"""
    from lima_dialogue_eval.audit.log import audits as stored
    from lima_dialogue_eval.audit.log import find_audit, verdicts

    with store_to_read(database) as store:
        if id is None:
            empty = f"No audit in {store.path}. Make one with `lima graders audit NAME EVALUATION`."
            print_rows([_summary(row) for row in stored(store)], as_json, empty, _LISTED)
            return
        row = find_audit(store, id)
        rows = verdicts(store, row["id"])
    _show(row, rows, verbose, as_json, store.path)


@click.command("check")
@click.argument("name")
@click.option("--grader", help="Of `lima graders`  [default: the evaluation's]")
@budget_option
@database_option
@json_option
@click.pass_context
def check(
    ctx: click.Context, name: str, grader: str | None, budget: str | None, database: str | None, as_json: bool
) -> None:
    """Give every turn of the evaluation NAME replies that need no model, which its grader must fail

    An empty reply, an echo, an apology, the reply before once more, and replies from other conversations. Ends with code 1 if one
    of them does not fail at a turn that does not say why.
    """
    from rich.console import Console

    from lima import Store
    from lima.cli.progress import Bar
    from lima_dialogue_eval.audit.measure import check_floor
    from lima_dialogue_eval.cli.audit_terminal import print_floor

    with Store(database) as store, Bar("replies") as bar:
        used, floor, found = check_floor(store, name, grader, bar.move, budget)
    if as_json:
        print_json({"evaluation": name, "grader": used, "floor": floor, "findings": [vars(one) for one in found]})
    else:
        for one in found:
            click.echo(visible(str(one)))
        print_floor(floor, Console())
        n = len(found)
        click.echo(visible(f"{name}, graded by {used}: " + ("no problems" if not n else f"{n} problem{'s' * (n > 1)}")))
    if found:
        ctx.exit(1)


def _only_evaluation(grader: str) -> str:
    """The evaluation with known replies that is graded by this one by default; LimaError unless there is just one"""
    from lima import load_plugins
    from lima_dialogue_eval.evaluation.known import KnowsReplies

    plugins = load_plugins()
    evaluations = plugins.registry("evaluations")
    plugins.registry("graders").find(plugins.registry("graders").split(grader)[0])
    able = evaluations.able(KnowsReplies)
    fitting = [name for name in able if evaluations[name].grader == grader]
    if len(fitting) != 1:
        which = ", ".join(fitting or able) or "none is registered"
        raise LimaError(f"Name the evaluation: lima graders audit {grader} EVALUATION. With known replies: {which}.")
    return fitting[0]


def _show(row: dict[str, Any], rows: list[dict[str, Any]], verbose: bool, as_json: bool, path: Path) -> None:
    from lima_dialogue_eval.audit.figures import DEFINITIONS, remarks
    from lima_dialogue_eval.audit.null_models import DEFINITION
    from lima_dialogue_eval.cli.audit_terminal import print_audit, print_wrong, wrongness

    if as_json:
        wrong = [{**one, "wrong": why} for one in rows if (why := wrongness(one))]
        definitions = {**DEFINITIONS, "floor": DEFINITION}
        shown = {**row, "remarks": remarks(row["figures"]), "definitions": definitions}
        print_json({**shown, "wrong": wrong} if verbose else shown)
        return
    from rich.console import Console

    console = Console()
    print_audit(row, console)
    if verbose:
        print_wrong(rows, console)
    click.echo(
        visible(
            f"Audit {row['id']}"
            + ("" if verbose else f"; what it got wrong: {command_on(path, 'graders', 'audits', row['id'], '-v')}")
        )
    )


def _summary(row: dict[str, Any]) -> dict[str, Any]:
    """One line of the list"""
    whole = row["figures"].get("all")
    shares = {"false_alarms": whole["good"]["failed"], "bad_failed": whole["bad"]["failed"]} if whole else {}
    texts = {key: f"{value['count']}/{value['n']}" for key, value in shares.items()}
    return {**row, "day": row["created"][:10], **dict.fromkeys(("false_alarms", "bad_failed"), ""), **texts}
