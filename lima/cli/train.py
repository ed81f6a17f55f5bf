"""`lima train`: a recipe from a file and flags, a progress bar, and a summary."""

import os
import shlex
from collections.abc import Callable
from typing import Any

import click

from lima.cli.reading import (
    moving,
    print_prepared,
    print_sources,
    reading_bar,
    reading_options,
    reading_settings,
    settings_option,
    source_rows,
)
from lima.cli.show import database_option, json_option, print_json, store_to_read, trust_option
from lima.errors import Interrupted, LimaError
from lima.recipe import Recipe, parse_setting
from lima.text import visible


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
            settings_option,
            *reading_options,
            trust_option,
        )
    ):
        command = option(command)
    return command


def read_recipe(**options: Any) -> Recipe:
    """The recipe file, overridden by the flags, and those by --set"""
    return Recipe().with_values(given(**options))


def given(
    recipe: str | None,
    base: str | None,
    sources: tuple[str, ...],
    renderer: str | None,
    out: str | None,
    settings: tuple[str, ...],
    trust_remote_code: bool,
    skip_bad: bool,
    merge_turns: bool,
) -> dict[str, Any]:
    """The keys that file, flags and --set name, with their values"""
    flags = {"base": base, "sources": sources, "renderer": renderer, "out": out, "trust_remote_code": trust_remote_code}
    read = Recipe.read(recipe) if recipe else {}
    given, settled = read | {k: v for k, v in flags.items() if v}, dict(map(parse_setting, settings))
    named = Recipe().with_values(given | settled)
    return given | reading_settings(skip_bad, merge_turns, (*named.sources, *named.dev)) | settled


@click.command()
@recipe_options
@click.option(
    "--resume",
    "resumed",
    metavar="RUN",
    help="Resume an interrupted run, to the same weights (--out if its folder moved)",
)
@click.option("--dry-run", is_flag=True, help="Render, verify and count everything; train nothing")
@database_option
@json_option
def train(resumed: str | None, dry_run: bool, database: str | None, as_json: bool, **options: Any) -> None:
    """Fine-tune a base model on examples

    RECIPE is a TOML file; flags and --set override it. The result is a Hugging Face folder.

    \b
    lima train --base llama-folder --source pairs.jsonl --out tuned --set epochs=3
    """
    from lima.record.store import Store

    if dry_run:
        if resumed:
            raise LimaError(
                f"--dry-run counts what a recipe would train on, and the run of --resume {resumed} was counted at its start: see "
                f"`lima runs show {resumed}`, or leave one of them out."
            )
        _count(read_recipe(**options), as_json)
        return
    changes = given(**options)
    recipe = None if resumed else Recipe().with_values(changes)
    # A run to resume is in a database that exists: a name with a typo must not make one.
    with store_to_read(database) if resumed else Store(database) as store:
        store.check_writable()

        def start(on_step: Any, on_dev: Any, on_example: Any) -> Any:
            from lima.train.start import fine_tune, resume

            return (
                fine_tune(recipe, store, None, on_step, on_dev, on_example)
                if recipe
                else resume(resumed or "", store, None, on_step, changes, on_dev, on_example)
            )

        run = _with_bar(start, store)
        if os.environ.get("RANK", "0") == "0":  # only the main process has written rows
            _print_end(run, store, as_json)


def _count(recipe: Recipe, as_json: bool) -> None:
    from lima.data.dataset import prepare
    from lima.model.folder import pick_device
    from lima.plugins import load_plugins

    pick_device(recipe.device)
    with reading_bar() as on_example:
        ready = prepare(recipe, load_plugins(), on_example=on_example)
    print_sources(source_rows(ready), as_json)
    if not as_json:
        print_prepared(recipe, ready)
    elif ready.several_rows:
        click.echo(visible(ready.several_rows), err=True)


def _print_end(run: Any, store: Any, as_json: bool) -> None:
    from lima.model.adapter import adapter_bytes
    from lima.record.runs import losses_of

    row, loss = store.run(run.id), losses_of(store, run.id)[-1]
    if as_json:
        counts = {k: row[k] for k in ("steps", "examples", "tokens", "trained_tokens")}
        places = {"folder": str(run.folder), "database": str(run.database)}
        adapter = {"adapter_bytes": adapter_bytes(run.folder)} if run.recipe.lora_rank else {}
        seconds = round(row["seconds"], 2)
        keys = ("renderer", "learning_rate", "final_learning_rate")
        told = {key: getattr(run.recipe, key) for key in keys} | {
            key: sum(s[key] for s in run.sources) for key in ("cut", "dropped", "answers", "answers_kept")
        }
        print_json({"run": run.id, **places, **counts, **told, "loss": loss, "seconds": seconds, **adapter})
        return
    lines = [
        f"Run {run.id}: {row['steps']} steps over {row['examples']} examples in {row['seconds']:.1f} s, last loss {loss:.3f}.",
        f"Model: {run.folder}",
        f"Database: {run.database}",
    ]
    if run.recipe.lora_rank:
        lines.append(f"Adapter: {run.folder / 'adapter'}, {adapter_bytes(run.folder):,} bytes")
    if run.recipe.dev:
        choose = shlex.join(["lima", "checkpoints", "choose", run.id, "-d", str(run.database)])
        lines.append(f"That is the last epoch's model. To choose another: {choose}")
    for line in lines:
        click.echo(visible(line))


def _with_bar(start: Callable[[Any, Any, Any], Any], store: Any) -> Any:
    """Call `start` with listeners that move a progress bar: for the steps, for the replies to dev prompts, for the examples"""
    from lima.cli.progress import Bar
    from lima.record.places import resuming

    bar = Bar("training", note="loss …", transient=False)

    def on_step(step: int, steps: int, metrics: dict[str, Any]) -> None:
        bar.describe("training")
        bar.move(step, steps, note=f"loss {metrics['loss']:.3f}")

    def on_dev(done: int, replies: int) -> None:
        bar.describe(f"dev {done}/{replies}" if done < replies else "training")

    try:
        return start(on_step, on_dev, moving(bar, note=""))
    except Interrupted as e:
        bar.stop()
        what = f"Interrupted after step {e.step}. Resume with `{resuming(e.run, store.path)}`, or see "
        click.echo(visible(f"{what}`{shlex.join(['lima', 'runs', 'show', e.run, '-d', str(store.path)])}`."), err=True)
        raise
    finally:
        bar.stop()


COMMANDS = (train,)
