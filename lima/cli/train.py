"""`lima train`: a recipe from a file and flags, a progress bar, and what a person sees when it ends."""

from collections.abc import Callable
from typing import Any

import click

from lima.cli.show import database_option, json_option, print_json, print_rows
from lima.recipe import Recipe, parse_setting


def recipe_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The arguments from which `read_recipe` makes a recipe"""
    for option in reversed(
        (
            click.argument("recipe", required=False, type=click.Path(dir_okay=False)),
            click.option("--base", help="Base model: a folder, or a name from `lima base-models`"),
            click.option(
                "--source",
                "sources",
                multiple=True,
                help="Examples: a file, or NAME[:ARGUMENT] from `lima sources`; may be repeated",
            ),
            click.option("--renderer", help="How examples become tokens: a name from `lima renderers`"),
            click.option("--out", help="Folder of the checkpoint"),
            click.option(
                "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Any key of the recipe; may be repeated"
            ),
        )
    ):
        command = option(command)
    return command


def read_recipe(
    recipe: str | None,
    base: str | None,
    sources: tuple[str, ...],
    renderer: str | None,
    out: str | None,
    settings: tuple[str, ...],
) -> Recipe:
    """The recipe file with the flags over it; --set goes over all"""
    flags = {"base": base, "sources": sources, "renderer": renderer, "out": out}
    chosen = {k: v for k, v in flags.items() if v}
    return (Recipe.from_toml(recipe) if recipe else Recipe()).with_values(chosen | dict(map(parse_setting, settings)))


@click.command()
@recipe_options
@click.option("--dry-run", is_flag=True, help="Render, verify and count everything; train nothing")
@database_option
@json_option
def train(dry_run: bool, database: str | None, as_json: bool, **options: Any) -> None:
    """Fine-tune a base model on examples

    RECIPE is a TOML file; flags and --set go over it. The result is a Hugging Face folder.

    \b
    lima train --base llama-folder --source pairs.jsonl --out tuned --set epochs=3
    """
    from lima.plugins import load_plugins
    from lima.prepare import prepare
    from lima.store import Store

    recipe = read_recipe(**options)
    if dry_run:
        ready = prepare(recipe, load_plugins())
        total = sum(s["tokens"] for s in ready.sources) or 1
        rows = [{**s, "share_of_tokens": f"{100 * s['tokens'] / total:.1f} %"} for s in ready.sources]
        columns = ("source", "examples", "tokens", "trained_tokens", "share_of_tokens", "licence")
        print_rows(rows, as_json, "No source.", columns)
        return
    with Store(database) as store:
        run = _train_with_bar(recipe, store)
        row = store.run(run.id)
        last = store.rows("select loss, accuracy from steps where run = ? order by step desc limit 1", [run.id])[0]
    if as_json:
        print_json(
            {
                "run": run.id,
                "folder": str(run.folder),
                "database": str(run.database),
                "steps": row["steps"],
                "examples": row["examples"],
                "tokens": row["tokens"],
                "trained_tokens": row["trained_tokens"],
                "loss": last["loss"],
                "seconds": round(row["seconds"], 2),
            }
        )
        return
    click.echo(
        f"Run {run.id}: {row['steps']} steps over {row['examples']} examples in {row['seconds']:.1f} s, "
        f"last loss {last['loss']:.3f}.\n"
        f"Model: {run.folder}\nDatabase: {run.database}"
    )


def _train_with_bar(recipe: Recipe, store: Any) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from lima.train import train as fine_tune

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]}"),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=Console(stderr=True))
    task = bar.add_task("training", total=None, loss="…")

    def on_step(step: int, steps: int, metrics: dict[str, Any]) -> None:
        bar.start()  # not before there is a step: an error in the recipe should stand alone
        bar.update(task, completed=step, total=steps, loss=f"{metrics['loss']:.3f}")

    try:
        return fine_tune(recipe, store, on_step=on_step)
    except KeyboardInterrupt:
        if bar.live.is_started:
            bar.stop()
        click.echo(f"Interrupted after the steps stored in {store.path}: see `lima runs -d {store.path}`.", err=True)
        raise
    finally:
        if bar.live.is_started:  # stopping one that never started prints an empty line
            bar.stop()


COMMANDS = (train,)
