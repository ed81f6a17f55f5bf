"""`lima demo` and `lima village`: what a person types, and what they see. Everything heavy loads inside the commands."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from lima.cli.show import database_option, json_option, print_fields, print_json, print_rows
from lima.errors import LimaError, did_you_mean


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
    from lima_village.base_model import verified
    from lima_village.demo import Demo, result

    started = time.monotonic()
    verified()
    path = Path(database).resolve() if database else default_path()
    stamp = f"demo-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    evaluations = ["village", *(["village-more"] if more else [])]
    show = Demo(path, range(seeds), evaluations, path.parent / stamp)
    try:
        _run_with_bars(show)
        with Store(path) as store:
            compared = {name: show.compared(store, name) for name in evaluations}
            page = write_report(
                store,
                compared["village"],
                report or path.parent / f"{stamp}.html",
                title="The village before and after 30 dialogues",
            )
    except KeyboardInterrupt:
        click.echo(f"Interrupted. {show.left()}", err=True)
        ctx.exit(130)
    seconds = round(time.monotonic() - started, 1)
    if as_json:
        print_json(
            {
                **result(compared["village"]),
                "seeds": list(range(seeds)),
                "database": str(path),
                "report": str(page),
                "seconds": seconds,
                **({"more": result(compared["village-more"])} if more else {}),
            }
        )
        return
    _print_comparisons(compared)
    click.echo(
        f"{2 * seeds} fine-tunes and {len(evaluations) * 2 * seeds} evaluations in {seconds:.0f} s.\n"
        f"Report:   {page}\nDatabase: {path}\nModels:   {show.folder}"
    )


def _run_with_bars(show: Any) -> None:
    """A bar for each arm, on standard error"""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from lima_village.demo import LABELS

    columns = (
        TextColumn("{task.fields[arm]:<28}"),
        TextColumn("{task.description:<30}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bars = {arm: progress.add_task("starting", total=None, arm=label) for arm, label in LABELS.items()}

        def on_event(arm: str, event: dict[str, Any]) -> None:
            if event["event"] == "training":
                text = f"seed {event['seed']}: training, loss {event['loss']:.2f}"
            elif event["event"] == "talking":
                text = f"seed {event['seed']}: {event['evaluation']}"
            elif event["event"] == "finished":
                progress.update(bars[arm], description="done")
                return
            else:
                return
            progress.update(bars[arm], description=text, completed=event["done"], total=event["total"])

        show.run(on_event)


def _print_comparisons(compared: dict[str, Any]) -> None:
    from rich.console import Console

    from lima_dialogue_eval import print_comparison

    console = Console()
    for name, comparison in compared.items():
        console.rule(f"{name}: {len(comparison.changes)} conversations")
        print_comparison(comparison, console)


@click.group(invoke_without_command=True)
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
@click.option(
    "--out",
    default="village-base",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the model; it must be new or empty",
)
@click.option("--seed", type=click.IntRange(0), help="Another seed than the shipped model's")
@click.option("--tokens", type=click.IntRange(1), help="More or fewer tokens of text than the shipped model saw")
@json_option
def build(out: Path, seed: int | None, tokens: int | None, as_json: bool) -> None:
    """Train tokenizer and base model again from the seed (about an hour on one core)"""
    from dataclasses import replace

    from lima_village.base_model import FOLDER, RECIPE, record
    from lima_village.pretrain import load_recipe

    if out.exists() and any(out.iterdir()):
        raise LimaError(f"{out} exists and is not empty. Choose another --out, or remove it first.")
    recipe = load_recipe(FOLDER / RECIPE)
    recipe = replace(recipe, **{key: value for key, value in (("seed", seed), ("tokens", tokens)) if value is not None})
    started = time.monotonic()
    _build_with_bar(recipe, out)
    built, shipped = record(out), record()
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

    from lima_village.pretrain import pretrain

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
            kept = (
                f"{out} holds the last saved state"
                if (out / "model.safetensors").is_file()
                else f"Nothing was saved in {out}"
            )
            click.echo(f"{kept}; begin again with `lima village build --out` and a new folder.", err=True)
            raise
