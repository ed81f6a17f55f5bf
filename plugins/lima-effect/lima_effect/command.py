"""`lima effect`: its options and what it prints. Everything heavy loads inside the command."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lima import visible
from lima.cli import database_option, json_option, print_json, trust_option

if TYPE_CHECKING:
    from lima_effect.results import Results


@click.command()
@click.option(
    "--base",
    default="smollm2",
    show_default=True,
    help="Folder or registered name of the model; smollm2 comes with lima-smollm2",
)
@click.option(
    "--source",
    default="dialogues",
    show_default=True,
    help="Conversations to train on and to test with, as for `lima train`",
)
@click.option("--folds", default=3, show_default=True, type=click.IntRange(2), help="Parts, each tested once")
@click.option(
    "--seeds", default=3, show_default=True, type=click.IntRange(1, 100), help="Fine-tunes of an arm in a fold"
)
@click.option(
    "--others",
    default=2,
    show_default=True,
    type=click.IntRange(0),
    help="Histories of other conversations to swap in for an answer; 0 is all of its fold",
)
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A key of the recipe of all arms")
@trust_option
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="HTML file to write  [default: beside the database]",
)
@database_option
@json_option
def effect(report: Path | None, database: str | None, as_json: bool, settings: tuple[str, ...], **asked: Any) -> None:
    """Measure whether training on dialogues makes a model use what was said

    Fine-tunes a base on two thirds of the conversations: as dialogues, as single exchanges, and as fake dialogues of mixed
    exchanges, with as many tokens and steps each. The other third is read, never answered: how much likelier is an answer
    after its own history? Each third is tested once, with each seed. If it is stopped, the same command continues.
    """
    from lima import Store, parse_setting
    from lima_dialogue_eval import check_place
    from lima_effect.experiment import Asked, plan
    from lima_effect.ledger import Ledger
    from lima_effect.page import write_page
    from lima_effect.results import results
    from lima_effect.work import work

    if report:
        check_place(report)
    experiment = plan(Asked(settings=dict(map(parse_setting, settings)), **asked))
    with Store(database) as store:
        with _bar() as on_progress, _interruptible(experiment.id, store.path):
            work(store, experiment, on_progress)
        found = results(store, experiment)
        page = write_page(store, experiment, found, report or store.path.resolve().parent / f"{experiment.id}.html")
        row = Ledger(store, experiment).row()
    told = {"experiment": experiment.id, "database": str(store.path), "report": str(page)}
    if as_json:
        times = {key: round(row[key], 1) for key in ("seconds", "processor")}
        print_json({**told, "settings": experiment.settings, **times, **_told(found), **found.as_dict()})
        return
    _print(found)
    click.echo(visible(f"\n{row['seconds']:.0f} s.\nReport:   {page}\nDatabase: {store.path}"))


@contextmanager
def _bar() -> Iterator[Any]:
    """A bar over all jobs; yields what `work` calls"""
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

    from lima.cli.progress import progress

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        "{task.percentage:>3.0f} %",
        TimeRemainingColumn(),
    )
    with progress(*columns) as bars:
        bar = bars.add_task("starting", total=None)

        def on_progress(what: str, done: float, jobs: int) -> None:
            bars.update(bar, description=f"{int(done)} of {jobs} jobs; {what}", completed=done, total=jobs)

        yield on_progress


@contextmanager
def _interruptible(id: str, database: Path) -> Iterator[None]:
    """Ctrl-C says how to continue, and ends with 130"""
    try:
        yield
    except KeyboardInterrupt:
        click.echo(
            visible(f"Interrupted. The same command continues {id} in {database} with what is missing."), err=True
        )
        click.get_current_context().exit(130)


def _told(found: "Results") -> dict[str, Any]:
    from lima_dialogue_eval import GAIN_DEFINITION
    from lima_effect.findings import NOT_SHOWN, equality, fakeness, findings

    return {
        "findings": [
            {"against": one.key, "verdict": one.verdict, "sentences": one.sentences} for one in findings(found)
        ],
        "equal": [equality(found), fakeness(found)],
        "definition": GAIN_DEFINITION,
        "not_shown": NOT_SHOWN,
    }


def _print(found: "Results") -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from lima_effect.arms import ARMS
    from lima_effect.findings import findings, number
    from lima_effect.page import GAINS

    def cell(figure: Any) -> str:
        between = f" [{', '.join(map(number, figure.interval))}]" if figure.interval else ""
        return f"{number(figure.mean)}{between}"

    console = Console()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("arm", "log-likelihood, own history", *GAINS.values()):
        table.add_column(heading, overflow="fold")
    for arm, text in ARMS.items():
        one = found.arms[arm]
        table.add_row(Text(f"{arm}: {text}"), cell(one.true), *(cell(one.gains[gain]) for gain in GAINS))
    console.print(table)
    for finding in findings(found):
        console.print(Text(f"{finding.title}", style="bold"))
        for sentence in finding.sentences:
            console.print(Text(f"  {sentence}"))
    told = _told(found)
    console.print(Text(f"\n{' '.join(told['equal'])} {told['definition']}", style="dim"))
    console.print(Text(f"Not shown: {' '.join(told['not_shown'])}", style="dim"))
