"""`lima demo` and `lima village`: their options and what they print. Everything heavy loads inside the commands."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from lima import LimaError, absolute, did_you_mean, visible
from lima.cli import Group, database_option, json_option, print_fields, print_json, print_rows

report_option = click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="HTML file to write  [default: beside the database]",
)


def database_path(database: str | None) -> Path:
    """The real path of the database that an option names, or of the default one"""
    from lima import default_path

    return absolute(database or default_path())


@contextmanager
def interruptible(experiment: Any) -> Iterator[None]:
    """Ctrl-C says what is saved and how to continue, and ends with 130"""
    from lima import Store

    try:
        yield
    except KeyboardInterrupt:
        with Store(experiment.database) as store:
            click.echo(visible(f"Interrupted. {experiment.kept(store)} {experiment.go_on}"), err=True)
        click.get_current_context().exit(130)


@click.command()
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(1, 100), help="Fine-tunes of each arm")
@click.option("--more", is_flag=True, help="Also run the larger test, to check that ten conversations are not a fluke")
@report_option
@database_option
@json_option
def demo(seeds: int, more: bool, report: Path | None, database: str | None, as_json: bool) -> None:
    """Run the paper's dialogue experiment on a model that comes with lima

    Fine-tunes an embedded base model on 1,000 single-turn examples (before), and on these plus 30 dialogues (after). Both then
    hold ten conversations that they have not seen; every reply is graded by facts, and the results are compared.
    """
    from lima_dialogue_eval.report.page import check_place
    from lima_village import bars
    from lima_village.base_model import verified
    from lima_village.demo import demonstration, result

    started = time.monotonic()
    verified()
    path = database_path(database)
    experiment = demonstration(path, seeds, more)
    page = report or path.parent / f"{experiment.id}.html"
    pages = {"village": page, **({"village-more": page.with_stem(f"{page.stem}-more")} if more else {})}
    if report:
        for each in pages.values():
            check_place(each)
    with interruptible(experiment):
        bars.run_with_bars(experiment)
        found = _compare_and_report(experiment, pages)
    seconds = round(time.monotonic() - started, 1)
    if as_json:
        shown = {**result(found["village"]), "seeds": list(range(seeds)), "database": str(path), "report": str(page)}
        shown["seconds"] = seconds
        if more:
            shown["more"] = {**result(found["village-more"]), "report": str(pages["village-more"])}
        print_json(shown)
        return
    _print_comparisons(found)
    click.echo(
        f"{2 * seeds} fine-tunes and {len(pages) * 2 * seeds} evaluations in {seconds:.0f} s.\n"
        + "".join(f"Report:   {pages[name]}\n" for name in found)
        + visible(f"Database: {path}\nModels:   {experiment.folder}")
    )


def _compare_and_report(experiment: Any, pages: dict[str, Path]) -> dict[str, Any]:
    """The comparison of each evaluation, after its report is written"""
    from lima import Store
    from lima_dialogue_eval import write_report
    from lima_village.demo import compared, report_again

    with Store(experiment.database) as store:
        found = {name: compared(experiment, store, name) for name in pages}
        for name, comparison in found.items():
            try:
                title = "The village before and after 30 dialogues"
                write_report(store, comparison, pages[name], title=title, beside_paper=True)
            except LimaError as e:
                raise LimaError(f"{e} {report_again(experiment, store, name)}") from None
    return found


def _print_comparisons(compared: dict[str, Any]) -> None:
    from rich.console import Console

    from lima_dialogue_eval import print_comparison

    console = Console()
    for name, comparison in compared.items():
        console.rule(f"{name}: {len(comparison.changes)} conversations")
        print_comparison(comparison, console, beside_paper=True)


@click.group(cls=Group, invoke_without_command=True)
@json_option
@click.pass_context
def village(ctx: click.Context, as_json: bool) -> None:
    """Show the embedded base model and the world it was trained on"""
    if ctx.invoked_subcommand is None:
        from lima_village.base_model import record, verified
        from lima_village.world import village as world

        folder, known = verified(), world()
        sizes = {"entities": len(known.entities), "facts": len(known.facts())}
        print_fields({"folder": str(folder), **sizes, **record()}, as_json)


@village.command()
@click.argument("name", required=False)
@json_option
def facts(name: str | None, as_json: bool) -> None:
    """Show what is true in the village, or about NAME"""
    from lima_village.world import village as world

    known = world()
    if name is not None and name not in known.entities:
        raise LimaError(f"{name!r} is not a name in the village.{did_you_mean(name, known.entities)}")
    rows = [
        {"subject": fact.subject, "attribute": fact.attribute, "value": fact.value, "sentence": known.state(fact)}
        for fact in known.facts()
        if name in (None, fact.subject)
    ]
    print_rows(rows, as_json, "No facts.")


@village.command()
@click.option(
    "--out",
    default="village-base",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the model; it must be new or empty",
)
@click.option("--seed", type=click.IntRange(0), help="Seed, if not the shipped model's")
@click.option(
    "--tokens", type=click.IntRange(1), help="Tokens of training text, if not as many as for the shipped model"
)
@click.option(
    "--precision",
    type=click.Choice(["bfloat16", "float32"]),
    help="Default: the shipped model's, bfloat16. float32 is faster on a processor without bfloat16, and gives another hash",
)
@click.option(
    "--threads", type=click.IntRange(1), help="Default: the shipped model's, 1. More are faster, and give another hash"
)
@json_option
def build(out: Path, as_json: bool, **changes: Any) -> None:
    """Train tokenizer and base model from the seed (about an hour on one core)

    If it is killed, the same command resumes from the last saved state and ends in the same bits."""
    from dataclasses import replace

    from lima import check_new
    from lima_village.base_model import FOLDER, RECIPE, record
    from lima_village.pretrain import load_recipe

    shipped = record()
    check_new(absolute(out))
    recipe = load_recipe(FOLDER / RECIPE)
    recipe = replace(recipe, **{key: value for key, value in changes.items() if value is not None})
    if recipe.threads > 1 or recipe.precision == "float32":
        # Compiled code adds up the embedding's gradient in any order of the threads; in float32 compiling gains nothing.
        recipe = replace(recipe, compiled=False)
    started = time.monotonic()
    _build_with_bar(recipe, out)
    built = record(out)
    row = {
        "folder": str(out),
        "sha256": built["sha256"],
        "same_as_shipped": built["sha256"] == shipped["sha256"],
        "tokens": built["tokens_seen"],
        "seconds": round(time.monotonic() - started),
    }
    print_fields(row, as_json)


def _build_with_bar(recipe: Any, out: Path) -> None:
    from lima import newest_state
    from lima_village import pretrain
    from lima_village.bars import training_bar

    states = pretrain.states_of(recipe, out)
    if state := newest_state(states):
        click.echo(f"Resuming after step {state.step} of {recipe.steps}, once its text is read again.", err=True)
    try:
        with training_bar() as on_step:
            pretrain.pretrain(recipe, out, on_step)
    except KeyboardInterrupt:
        state = newest_state(states)
        saved = "Nothing is saved yet: the same command starts from the beginning."
        if state:
            where = state.folder.parent
            saved = f"The same command resumes after step {state.step} of {recipe.steps}, which is saved in {where}."
        click.echo(visible(f"Interrupted. {saved}"), err=True)
        click.get_current_context().exit(130)
