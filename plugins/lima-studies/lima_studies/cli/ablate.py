"""`lima study ablate`: its arguments, and how a command that is a grid is carried out. Everything heavy loads inside."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lima_studies.cli.options import ENDING, NAME, Option, taking

if TYPE_CHECKING:
    from lima_studies.grids.kind import Ablation
    from lima_studies.jobs.grid import Grid

_OPTIONS: Sequence[Option] = (
    click.option("--judge", "judges", multiple=True, metavar="[NAME=]MODEL",
                 help="A model that grades from 1 to 6; its options after '?': attempts, temperature, max_new_tokens, template"),
    NAME,
    click.option("--workers", type=click.IntRange(1), default=1, show_default=True,
                 help="Fine-tunes side by side, each a process with one thread: for small models on several cores"),
    *ENDING,
)  # fmt: skip

grid_options = taking(_OPTIONS)
"What a command takes that is a grid"


@click.command()
@click.argument("grid", type=click.Path(dir_okay=False, path_type=Path))
@grid_options
def ablate(grid: Path, **asked: Any) -> None:
    """Fine-tune the arms of GRID, evaluate each, and say which differ

    GRID is a TOML file: a recipe, arms or axes with what differs (sources, or any key of a recipe), seeds, and how arms are
    evaluated: by judges from 1 to 6, as in LIMA §5, or by an evaluation with its grader. Each fine-tune is an ordinary run. If it
    is stopped, the same command continues with what is missing.
    """
    from lima_studies.grids.kind import Ablation
    from lima_studies.grids.reading import read_grid

    carry_out_grid(read_grid(grid), Ablation(), **asked)


def carry_out_grid(
    grid: "Grid",
    kind: "Ablation",
    *,
    judges: Sequence[str],
    name: str | None,
    workers: int,
    budget: str | None,
    dry_run: bool,
    report: Path | None,
    trust_remote_code: bool,
    database: str | None,
    as_json: bool,
) -> None:
    """Do what is left of a grid, write its report and print it; with `dry_run` say what is left"""
    from lima import LimaError, Store
    from lima.cli import print_rows
    from lima.cli.progress import Bar
    from lima_dialogue_eval import check_place
    from lima_judges import purse_of
    from lima_studies.cli.options import to_ask
    from lima_studies.cli.terminal import finish, rows_of_estimates
    from lima_studies.grids.work import GridWork

    if budget and workers > 1:
        raise LimaError("A --budget is kept by one process. Leave out --workers, or the budget.")
    if report:
        check_place(report)
    with to_ask(database) if dry_run else Store(database) as store:
        purse_of(store, budget)
        work = GridWork.of(store, grid, kind, judges, name, dry_run, trust_remote_code)
        if dry_run:
            print_rows(rows_of_estimates(work.estimates(), as_json), as_json, "")
            return
        try:
            with Bar("training") as bar:

                def moved(what: str, done: int, total: int) -> None:
                    bar.describe(what)
                    bar.move(done, total)

                work.run(moved, workers)
        except KeyboardInterrupt as e:
            for note in getattr(e, "__notes__", []):
                click.echo(note, err=True)
            raise
        finish(work.study, kind, report, as_json)
