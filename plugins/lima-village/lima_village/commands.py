"""`lima demo` and `lima village`: what a person types, and what they see. Everything heavy loads inside the commands."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from lima.cli.group import Group
from lima.cli.show import database_option, json_option, print_fields, print_json, print_rows
from lima.errors import LimaError, did_you_mean
from lima.hostile import visible


@click.command()
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(1, 100), help="Fine-tunes of each arm")
@click.option("--more", is_flag=True, help="Also hold the larger held-out set, so that ten are seen not to be luck")
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="HTML file to write  [default: beside the database]",
)
@database_option
@json_option
@click.pass_context
def demo(ctx: click.Context, seeds: int, more: bool, report: Path | None, database: str | None, as_json: bool) -> None:
    """The paper's dialogue experiment, on a model that comes with lima

    Fine-tunes an embedded base on 1,000 single-turn examples (before), and on the same with 30 dialogues (after); holds ten
    conversations that neither has seen; grades every reply by facts; compares.
    """
    from lima.store import Store, default_path
    from lima_dialogue_eval import write_report
    from lima_dialogue_eval.report import check_place
    from lima_village.bars import run_with_bars
    from lima_village.base_model import verified
    from lima_village.demo import compared, demonstration, report_again, result

    started = time.monotonic()
    verified()
    path = (Path(database) if database else default_path()).resolve()
    experiment = demonstration(path, seeds, more)
    page = report or path.parent / f"{experiment.id}.html"
    pages = {"village": page, **({"village-more": page.with_stem(f"{page.stem}-more")} if more else {})}
    if report:
        for each in pages.values():
            check_place(each)
    try:
        run_with_bars(experiment)
        with Store(path) as store:
            found = {name: compared(experiment, store, name) for name in pages}
            for name, comparison in found.items():
                try:
                    write_report(store, comparison, pages[name], title="The village before and after 30 dialogues")
                except LimaError as e:
                    raise LimaError(f"{e} {report_again(experiment, store, name)}") from None
    except KeyboardInterrupt:
        with Store(path) as store:
            click.echo(f"Interrupted. {experiment.kept(store)} {experiment.go_on}", err=True)
        ctx.exit(130)
    seconds = round(time.monotonic() - started, 1)
    if as_json:
        print_json(
            {
                **result(found["village"]),
                "seeds": list(range(seeds)),
                "database": str(path),
                "report": str(page),
                "seconds": seconds,
                **({"more": {**result(found["village-more"]), "report": str(pages["village-more"])}} if more else {}),
            }
        )
        return
    _print_comparisons(found)
    click.echo(
        f"{2 * seeds} fine-tunes and {len(pages) * 2 * seeds} evaluations in {seconds:.0f} s.\n"
        + "".join(f"Report:   {pages[name]}\n" for name in found)
        + f"Database: {path}\nModels:   {experiment.folder}"
    )


def _print_comparisons(compared: dict[str, Any]) -> None:
    from rich.console import Console

    from lima_dialogue_eval import print_comparison

    console = Console()
    for name, comparison in compared.items():
        console.rule(f"{name}: {len(comparison.changes)} conversations")
        print_comparison(comparison, console)


@click.group(cls=Group, invoke_without_command=True)
@json_option
@click.pass_context
def village(ctx: click.Context, as_json: bool) -> None:
    """The embedded base model and the world it was taught"""
    if ctx.invoked_subcommand is None:
        from lima_village.base_model import record, verified
        from lima_village.world import village as world

        folder = verified()
        print_fields(
            {"folder": str(folder), "entities": len(world().entities), "facts": len(world().facts()), **record()},
            as_json,
        )


@village.command()
@click.argument("name", required=False)
@json_option
def facts(name: str | None, as_json: bool) -> None:
    """What is true in the village, or about NAME"""
    from lima_village.world import village as world

    known = world()
    if name is not None and name not in known.entities:
        raise LimaError(f"Nobody and nothing in the village is called {name!r}.{did_you_mean(name, known.entities)}")
    rows = [
        {"subject": fact.subject, "attribute": fact.attribute, "value": fact.value, "sentence": known.state(fact)}
        for fact in known.facts()
        if name in (None, fact.subject)
    ]
    print_rows(rows, as_json, "No fact.")


@village.command()
@json_option
def agreement(as_json: bool) -> None:
    """How far the grader agrees with an annotator, on replies that were labelled by reading each

    Grades the labelled replies that come with the plugin, and prints accuracy, Cohen's kappa and every disagreement.
    """
    from lima_village.agreement import DEFINITION, agreements, graded, labels

    rows = graded(labels())
    found = agreements(rows)
    shown = ("id", "label", "grade", "user", "reply", "note", "reason")
    disputed = [{key: row[key] for key in shown} for row in rows if row["label"] != row["grade"]]
    if as_json:
        print_json(
            {"definition": DEFINITION, "agreements": [one.as_dict() for one in found], "disagreements": disputed}
        )
        return
    print_rows([one.as_row() for one in found], False, "")
    print_rows(found[0].as_table(), False, "")
    click.echo(f"{found[0].sentence}\n{DEFINITION}\n")
    for row in disputed:
        click.echo(
            visible(f"{row['id']}: {row['label']} for the annotator ({row['note']}), {row['grade']} for the grader")
        )
        click.echo(visible(f"  {row['user']} {row['reply']!r}\n  {row['reason']}"))


@village.command()
@click.option(
    "--out",
    default="village-base",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the model; it must be new or empty",
)
@click.option("--seed", type=click.IntRange(0), help="Another seed than the shipped model's")
@click.option("--tokens", type=click.IntRange(1), help="More or fewer tokens of text than the shipped model saw")
@click.option(
    "--precision",
    type=click.Choice(["bfloat16", "float32"]),
    help="Default: the shipped model's, bfloat16. Where the processor has none, float32 is faster, with another hash",
)
@click.option(
    "--threads", type=click.IntRange(1), help="Default: the shipped model's, 1. More are faster, with another hash"
)
@json_option
def build(
    out: Path, seed: int | None, tokens: int | None, precision: str | None, threads: int | None, as_json: bool
) -> None:
    """Train tokenizer and base model again from the seed (about an hour on one core)

    After a kill the same command goes on from the last saved state, to the same bits."""
    from dataclasses import replace

    from lima.saving import check_new
    from lima_village.base_model import FOLDER, RECIPE, record
    from lima_village.pretrain import load_recipe

    shipped = record()
    check_new(out.resolve())
    recipe = load_recipe(FOLDER / RECIPE)
    changes = {"seed": seed, "tokens": tokens, "precision": precision, "threads": threads}
    recipe = replace(recipe, **{key: value for key, value in changes.items() if value is not None})
    if recipe.threads > 1 or recipe.precision == "float32":
        # Compiled, several threads add up the embedding's gradient in whichever order they come; in float32 nothing is gained.
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
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from lima.checkpoint import newest_state
    from lima_village.pretrain import pretrain, states_of

    if state := newest_state(states_of(recipe, out)):
        click.echo(f"Going on after step {state.step} of {recipe.steps}, once its text is read again.", err=True)
    columns = (
        TextColumn("pretraining"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=None, loss="…")
        try:
            pretrain(
                recipe, out, lambda step, steps, loss: bar.update(task, completed=step, total=steps, loss=f"{loss:.3f}")
            )
        except KeyboardInterrupt:
            bar.stop()
            click.echo(f"Interrupted. {_saved(recipe, out)}", err=True)
            raise


def _saved(recipe: Any, out: Path) -> str:
    from lima.checkpoint import newest_state
    from lima_village.pretrain import states_of

    state = newest_state(states_of(recipe, out))
    if state is None:
        return "Nothing was saved yet: the same command begins again."
    return (
        f"The same command goes on after step {state.step} of {recipe.steps}, which is saved in {state.folder.parent}."
    )
