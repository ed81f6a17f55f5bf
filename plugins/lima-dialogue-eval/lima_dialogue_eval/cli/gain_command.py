"""`lima dialogues gain`: how much each model uses what was said before. Everything heavy loads inside the command."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lima import LimaError, visible
from lima.cli import database_option, json_option, print_json, trust_option, with_reading

if TYPE_CHECKING:
    from lima_dialogue_eval.evaluation.file_evaluation import Tables
    from lima_dialogue_eval.gain.figures import Difference, Figure, Summary
    from lima_dialogue_eval.gain.measure import Later


@click.command()
@click.argument("models", nargs=-1, required=True)
@click.option(
    "--source", required=True, help="Conversations that were not trained on: a source or file, as for `lima train`"
)
@click.option(
    "--others",
    type=click.IntRange(0),
    default=0,
    help="Histories of other conversations to swap in for an answer, drawn by --seed  [default: all]",
)
@click.option("--seed", type=click.IntRange(0), default=0, help="Of that draw  [default: 0]")
@with_reading
@trust_option
@database_option
@json_option
def gain(
    models: tuple[str, ...],
    source: str,
    others: int,
    seed: int,
    tables: "Tables",
    trust_remote_code: bool,
    database: str | None,
    as_json: bool,
) -> None:
    """How much likelier each of MODELS (folders or runs) holds answers after their own history

    No reply is generated and no grader is asked. Each later answer of the conversations is read after its own history, after
    none, and after those of other conversations. Several models are compared with the first one.
    """
    from lima import Store
    from lima_dialogue_eval.gain.figures import as_dict, differences, summary

    if len(set(models)) < len(models):
        raise click.UsageError("A model is named twice.")
    measured: dict[str, list[Later]] = {}
    with Store(database) as store:
        for model in models:
            measured[model] = _measure(store, model, source, tables, others, seed, trust_remote_code)
    summaries = [summary(model, answers) for model, answers in measured.items()]
    first, *rest = models
    against = differences(measured[first], {model: measured[model] for model in rest})
    if as_json:
        print_json(as_dict(summaries, against))
    else:
        _print(summaries, against)


def _measure(
    store: Any, name: str, source: str, tables: "Tables", others: int, seed: int, trust: bool
) -> "list[Later]":
    from lima import load_plugins, open_model, open_source
    from lima.cli.progress import Bar
    from lima_chat import Conversation
    from lima_dialogue_eval.gain.log import write_gain
    from lima_dialogue_eval.gain.measure import gains

    opened = open_source(source, load_plugins(), tables)
    conversations = [record for record in opened.records if isinstance(record, Conversation)]
    if not conversations:
        raise LimaError(f"The source {source!r} has no conversation of two exchanges or more.")
    model = open_model(name, store, trust)
    started = time.monotonic()
    with Bar(f"{visible(name)}: answers read") as bar:
        answers = gains(model, conversations, others, seed, bar.move)
    runs = store.runs(folder=str(Path(model.name).resolve()))
    about = {
        "model": str(model.name),
        "run": runs[-1]["id"] if runs else None,
        "renderer": model.renderer.name,
        "source": source,
        "source_hash": opened.hash,
        "others": others,
        "seed": seed,
    }
    write_gain(store, about, answers, time.monotonic() - started)
    return answers


def _print(summaries: "list[Summary]", against: "dict[str, list[Difference]]") -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from lima_dialogue_eval.gain.figures import METHOD, NAMES
    from lima_dialogue_eval.gain.measure import GAIN_DEFINITION
    from lima_dialogue_eval.statistics import p_text

    console = Console()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("model", "log-likelihood, own history", *NAMES.values()):
        table.add_column(heading, overflow="fold")
    for one in summaries:
        table.add_row(Text(visible(one.model)), _text(one.true), *(_text(one.gains[name]) for name in NAMES))
    console.print(table)
    for model, found in against.items():
        for d in found:
            what = (
                f"{visible(model)} against {visible(summaries[0].model)}, {NAMES[d.gain]}: {_text(d.figure, sign=True)}"
            )
            where = f"more in {d.more} and less in {d.less} of {d.test.n} conversations"
            tested = f"p = {p_text(d.test.p_value)}, by Holm {p_text(d.holm)} ({d.test.method})"
            console.print(Text(f"{what}, {where}; {tested}"))
    one = summaries[0]
    cut = f" {one.cut} histories were cut to the context, whole exchanges from their beginning." if one.cut else ""
    console.print(
        Text(f"{one.answers} later answers of {one.conversations} conversations.{cut} {GAIN_DEFINITION}", style="dim")
    )
    if against:
        console.print(Text(METHOD, style="dim"))


def _text(figure: "Figure", sign: bool = False) -> str:
    from lima_dialogue_eval.report.figures import signed

    def written(value: float) -> str:
        return signed(value, 3) if sign else signed(value, 3).removeprefix("+")

    interval = f" [{', '.join(map(written, figure.interval))}]" if figure.interval else ""
    return f"{written(figure.mean)}{interval}"
