"""`lima dialogues`: run evaluations, compare two runs, and write the report.

Lists the dialogue runs by default. Everything heavy loads inside the commands. Knows nothing of how they work.
"""

from collections.abc import Iterator
from contextlib import contextmanager
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
    trust_option,
)
from lima_dialogue_eval.cli.agreement_command import agreement
from lima_dialogue_eval.cli.compare_command import compare
from lima_dialogue_eval.cli.estimate_command import budget_option, print_estimates
from lima_dialogue_eval.cli.evaluation_command import with_part
from lima_dialogue_eval.cli.export_command import export, import_ratings
from lima_dialogue_eval.cli.gain_command import gain
from lima_dialogue_eval.cli.grade_command import grade
from lima_dialogue_eval.cli.live_command import live
from lima_dialogue_eval.cli.power_command import power
from lima_dialogue_eval.cli.regrade_command import regrade
from lima_dialogue_eval.cli.report_command import report

if TYPE_CHECKING:
    from lima_dialogue_eval.evaluation.part import Part

_WITH_RESUME = ("--resume", "--model", "--grader", "--budget", "--trust-remote-code", "--database", "--json")
_LISTED = ("id", "status", "evaluation", "arm", "turns", "excellent", "pass", "fail", "undecided")


@click.group(cls=Group, invoke_without_command=True)
@database_option
@json_option
@click.pass_context
def dialogues(ctx: click.Context, database: str | None, as_json: bool) -> None:
    """Hold conversations with a model before and after, and compare

    \b
    lima dialogues run EVALUATION --model before --arm before
    lima dialogues run EVALUATION --model after --arm after
    lima dialogues compare BEFORE AFTER
    """
    if ctx.invoked_subcommand is None:
        from lima_dialogue_eval.record.log import dialogue_runs

        with store_to_read(database) as store:
            empty = f"No dialogue run in {store.path}. Make one with `lima dialogues run EVALUATION --model MODEL`."
            rows = dialogue_runs(store)
            _print_runs(rows, as_json, empty)


@dialogues.command()
@click.argument("evaluation", required=False)
@click.option("--model", help="NAME or NAME:ARGUMENT of `lima models`; a folder, a base model or a run is a checkpoint")
@click.option("--seeds", type=click.IntRange(1), help="How many seeds, from 0  [default: 3; 1 when greedy]")
@click.option("--seed", "chosen", type=click.IntRange(0), multiple=True, help="This seed; may be given several times")
@click.option("--arm", default="", help="A label, such as before or after")
@click.option("--temperature", type=click.FloatRange(0), help="0 is greedy  [default: 0.7]")
@click.option("--top-p", type=click.FloatRange(0, 1, min_open=True), help="Nucleus  [default: 0.9]")
@click.option("--repetition-penalty", type=click.FloatRange(0, min_open=True), help="[default: 1.2]")
@click.option("--max-new-tokens", type=click.IntRange(1), help="Longest reply  [default: 2048]")
@click.option("--grader", help="Of `lima graders`  [default: the evaluation's]")
@click.option("--resume", metavar="RUN", help="Resume a dialogue run that did not finish, or had errors")
@click.option(
    "--dry-run", is_flag=True, help="Only count calls and tokens, and the price where it is known; ask nothing"
)
@budget_option
@with_part
@trust_option
@database_option
@json_option
@click.pass_context
def run(
    ctx: click.Context,
    evaluation: str | None,
    model: str | None,
    seeds: int | None,
    chosen: tuple[int, ...],
    arm: str,
    grader: str | None,
    resume: str | None,
    dry_run: bool,
    budget: str | None,
    part: "Part",
    trust_remote_code: bool,
    database: str | None,
    as_json: bool,
    **sampling: Any,
) -> None:
    """Hold every conversation of EVALUATION with a model and grade it

    EVALUATION is one of `lima evaluations`, or a file or folder in lima's format or that `lima sources` reads."""
    from lima import Sampling, Store
    from lima.cli.progress import Bar
    from lima_dialogue_eval.record.log import first_error, summary
    from lima_dialogue_eval.run.evaluate import resume_evaluation, run_evaluation, would_ask

    if resume is None and (evaluation is None or model is None):
        raise click.UsageError("Give an EVALUATION and a --model, or --resume RUN.")
    if resume is not None and (beside := [o for o in options_given(ctx) if o not in _WITH_RESUME]):
        raise click.UsageError(
            f"--resume {resume} continues with the settings that it was started with: leave out {beside[0]}."
        )
    if seeds is not None and chosen:
        raise click.UsageError("Give --seeds, how many, or --seed, which ones: not both.")
    if seeds is None:
        seeds = 1 if sampling["temperature"] == 0 else 3
    settings: dict[str, Any] = {
        "seeds": chosen or range(seeds),
        "sampling": Sampling(**{k: v for k, v in sampling.items() if v is not None}),
        "grader": grader,
        "trust_remote_code": trust_remote_code,
        "part": part,
        "budget": budget,
    }
    if dry_run:
        with Store(database) as store:
            print_estimates(would_ask(store, evaluation or "", model, **settings), as_json)
        return
    with (
        store_to_read(database) if resume is not None else Store(database) as store,
        _notes_of_an_interrupt(),
        Bar("replies") as bar,
    ):
        if resume is not None:
            id = resume_evaluation(store, resume, model, bar.move, trust_remote_code, grader, evaluation, budget)
        else:
            id = run_evaluation(store, evaluation or "", model, arm=arm, on_progress=bar.move, **settings)
        row = summary(store, id)
        error = first_error(store, id) if row["errors"] else ""
    _print_ended(row, as_json, error)


@dialogues.command()
@click.argument("run")
@click.option("--seed", type=int, help="Only this seed")
@click.option("--conversation", help="Only this conversation")
@click.option("--grader", help="The verdicts of this grader, which graded last (see regrade)  [default: the run's own]")
@database_option
@json_option
def show(
    run: str, seed: int | None, conversation: str | None, grader: str | None, database: str | None, as_json: bool
) -> None:
    """The conversations of a dialogue run, reply by reply with grade and reason"""
    from lima_dialogue_eval.record.log import conversations, find_run, newest_hash, replies

    with store_to_read(database) as store:
        row = find_run(store, run)
        hashed = newest_hash(store, row["id"], grader) if grader else row["grader_hash"]
        rows = [
            r
            for r in replies(store, row["id"], grader or row["grader"], hashed)
            if (seed is None or r["seed"] == seed) and (conversation is None or r["conversation"] == conversation)
        ]
        held = conversations(store, row["id"])
    if not rows and (seed is not None or conversation is not None):
        known = ", ".join(dict.fromkeys(c["conversation"] for c in held))
        raise LimaError(
            f"Dialogue run {row['id']} has no such turns. Its seeds: {row['seeds']}; its conversations: {known}."
        )
    if as_json:
        print_json({**row, "conversations": held, "turns": rows})
        return
    from rich.console import Console

    from lima_dialogue_eval.report.terminal import print_dialogues

    print_dialogues(row, held, rows, Console())


for command in (live, agreement, compare, regrade, report, power, gain, grade, export, import_ratings):
    dialogues.add_command(command)


def _print_runs(rows: list[dict[str, Any]], as_json: bool, empty: str) -> None:
    """Runs with their counts; in a table the part of its evaluation that a run held stands beside its name"""
    from lima_dialogue_eval.evaluation.part import shown_part
    from lima_dialogue_eval.run.counts import remarkable

    shown = rows if as_json else [{**row, "evaluation": shown_part(row)} for row in rows]
    print_rows(shown, as_json, empty, [*_LISTED, *remarkable(rows)])


def _print_ended(row: dict[str, Any], as_json: bool, error: str) -> None:
    """A run that has ended, and what of it needs a look; exit code 1 where something failed"""
    from lima_dialogue_eval.run.counts import advice, counted

    if as_json:
        print_json(row)
    else:
        _print_runs([row], False, "")
    for line in (row["message"], counted(row), error and f"The first: {error}", *advice(row)):
        if line:
            click.echo(visible(line), err=True)
    if row["errors"]:
        click.get_current_context().exit(1)


@contextmanager
def _notes_of_an_interrupt() -> Iterator[None]:
    """Say on Ctrl-C what is kept and how to resume"""
    try:
        yield
    except KeyboardInterrupt as e:
        for note in getattr(e, "__notes__", []):
            click.echo(note, err=True)
        raise
