"""`lima judges`: what calls have cost, what an evaluation would cost, and two runs judged against each other.

Everything heavy loads inside the commands. Knows nothing of how they work.
"""

from dataclasses import asdict
from typing import Any

import click

from lima.cli import Group, database_option, json_option, print_fields, print_json, print_rows, store_to_read

_COLUMNS = ("model", "purpose", "run", "calls", "prompt_tokens", "completion_tokens", "usd", "calls_without_price")
budget_option = click.option(
    "--budget",
    help="Stop before this is exceeded: US dollars, or tokens such as 200000tokens  [default: LIMA_JUDGES_BUDGET]",
)


@click.group(cls=Group, invoke_without_command=True)
@database_option
@json_option
@click.pass_context
def judges(ctx: click.Context, database: str | None, as_json: bool) -> None:
    """What models behind APIs have cost, and judges

    \b
    lima judges                                    calls, tokens and dollars so far
    lima judges cost EVALUATION --model MODEL      what a run would take; asks nothing
    lima judges prefer RUN_A RUN_B --judge MODEL   which of two runs is better
    """
    if ctx.invoked_subcommand is None:
        with store_to_read(database) as store:
            empty = f"No call to a model behind an API in {store.path}."
            print_rows(store.rows("select * from api_spending order by first"), as_json, empty, _COLUMNS)


@judges.command()
@click.argument("evaluation")
@click.option("--model", help="The model that would answer")
@click.option("--grader", help="The judge that would grade, such as judge:openai:URL#NAME?votes=3")
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True)
@click.option(
    "--reply-tokens", type=click.IntRange(1), default=300, show_default=True, help="Tokens of a reply, as a guess"
)
@database_option
@json_option
def cost(
    evaluation: str,
    model: str | None,
    grader: str | None,
    seeds: int,
    reply_tokens: int,
    database: str | None,
    as_json: bool,
) -> None:
    """Calls, tokens and price of EVALUATION, without asking anything; prices are read from prices.toml in lima's user folder"""
    from lima import load_plugins, open_model
    from lima_dialogue_eval import EstimatesVerdicts, find_evaluation, of_replies, of_verdicts

    if not model and not grader:
        raise click.UsageError("Give --model, --grader, or both.")
    plugins = load_plugins()
    script, rows = list(find_evaluation(plugins, evaluation).conversations()), []
    with store_to_read(database) as store:
        if model:
            opened = open_model(model, store)
            rows.append({"for": f"replies of {opened.name}", **_row(of_replies(opened, script, seeds, reply_tokens))})
        if grader:
            judge: Any = plugins.registry("graders").open(grader, store)
            if not isinstance(judge, EstimatesVerdicts):
                raise click.UsageError(f"The grader {grader!r} asks no model. Name a judge, such as judge:llm:NAME.")
            rows.append({"for": f"verdicts of {grader}", **_row(of_verdicts(judge, script, seeds, reply_tokens))})
    print_rows(rows, as_json, "")


@judges.command()
@click.argument("run_a")
@click.argument("run_b")
@click.option(
    "--judge", "spec", required=True, help="The model that judges: NAME or NAME:ARGUMENT, and its options after '?'"
)
@click.option("--dry-run", is_flag=True, help="Only say how many calls and tokens it takes, and what they cost")
@budget_option
@database_option
@json_option
@click.pass_context
def prefer(
    ctx: click.Context,
    run_a: str,
    run_b: str,
    spec: str,
    dry_run: bool,
    budget: str | None,
    database: str | None,
    as_json: bool,
) -> None:
    """Judge dialogue runs A and B against each other: every conversation in both orders, A, B or neither"""
    from lima import open_model
    from lima.cli.progress import Bar
    from lima_dialogue_eval import find_run
    from lima_judges.estimates import of_preferences
    from lima_judges.judge import split_options
    from lima_judges.match import PreferenceJudge, pairs_of
    from lima_judges.preference import prefer as judged
    from lima_judges.spending import purse_of

    with store_to_read(database) as store:
        purse_of(store, budget)
        a, b = find_run(store, run_a), find_run(store, run_b)
        name, options = split_options(spec)
        judge = PreferenceJudge(open_model(name, store), options)
        if dry_run:
            pairs, _ = pairs_of(store, a, b)
            print_fields(_row(of_preferences(judge, pairs)), as_json)
            return
        try:
            with Bar("answers") as bar:
                found = judged(store, a, b, judge, bar.move)
        except KeyboardInterrupt as e:
            for note in getattr(e, "__notes__", []):
                click.echo(note, err=True)
            raise
    if as_json:
        print_json(found.as_dict())
    else:
        _print(found)
    if found.errors:
        ctx.exit(1)


def _row(estimate: Any) -> dict[str, Any]:
    row = asdict(estimate)
    return row if row["usd"] is not None else {**row, "usd": "price not known"}


def _print(found: Any) -> None:
    """The figures, a line each"""
    from lima_dialogue_eval import interval_text, p_text, share_text

    n = found.wins + found.ties + found.losses
    first, chosen = found.first_preferred
    score = "none" if found.score is None else f"{100 * found.score:.1f} % [{interval_text(found.interval)}]"
    rows = {
        "preference run": found.id,
        "A wins / ties / loses": f"{found.wins} / {found.ties} / {found.losses} of {n} conversations",
        "(W + T) / N": share_text(found.wins + found.ties, n),
        "(W + T/2) / N": score,
        "sign test, W against L": f"p = {p_text(found.p_value)}",
        "flips": f"{share_text(found.flips, found.pairs)} [{interval_text(found.flip_interval)}] of pairs differ by their order",
        "shown first preferred": share_text(first, chosen),
    }
    if found.unread:
        rows["unread"] = f"{found.unread} answers without a verdict; their pairs are left out"
    if found.errors:
        rows["errors"] = f"{found.errors} calls failed; the same command asks them again"
    if found.left_out:
        rows["left out"] = f"{', '.join(found.left_out)}: an error or no reply on one side"
    print_fields(rows, False)
