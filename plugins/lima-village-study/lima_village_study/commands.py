"""`lima village study`: what a person types, and what they see. Everything heavy loads inside the command."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from lima.cli.show import database_option, json_option, print_json, print_rows
from lima.errors import LimaError


@click.command()
@click.argument("arms", nargs=-1, metavar="[ARM]…")
@click.option(
    "--resume",
    "resumed",
    is_flag=False,
    flag_value="newest",
    metavar="[STUDY]",
    help="Go on with a study that was interrupted: the newest, or the one of this id",
)
@click.option(
    "--redraw",
    "redrawn",
    is_flag=False,
    flag_value="newest",
    metavar="[STUDY]",
    help="Only draw the report of a study from the database again: of the newest, or of the one of this id",
)
@click.option("--list", "listing", is_flag=True, help="List the arms; run nothing")
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="HTML file to write  [default: beside the database]",
)
@database_option
@json_option
@click.pass_context
def study(
    ctx: click.Context,
    arms: tuple[str, ...],
    resumed: str | None,
    redrawn: str | None,
    listing: bool,
    report: Path | None,
    database: str | None,
    as_json: bool,
) -> None:
    """The paper's studies on the embedded model, with one report: ours beside the paper's

    Runs every arm, or only those that are named, in two processes side by side. With --resume only what is missing runs, with
    --redraw nothing.
    """
    from lima.store import Store, default_path
    from lima_dialogue_eval.report import check_place
    from lima_village.bars import run_with_bars
    from lima_village.base_model import verified
    from lima_village_study.arms import ARMS, chosen
    from lima_village_study.study import Study

    if resumed in {arm.name for arm in ARMS}:  # `--resume before` is `before --resume`: no study is called like an arm
        arms, resumed = (resumed, *arms), "newest"
    wanted = chosen(arms)
    if listing:
        _list_arms(wanted, as_json)
        return
    started = time.monotonic()
    path = (Path(database) if database else default_path()).resolve()
    if (resumed or redrawn) and not path.is_file():
        raise LimaError(f"There is no database {path}, so no study in it. Begin one with: lima village study")
    if report:
        check_place(report)
    if redrawn:
        if arms or resumed:
            raise click.UsageError(
                "--redraw draws the report of all that a study has done: give neither ARM nor --resume."
            )
        work = Study.recorded(path, redrawn)
        _tell_findings(work, report or path.parent / f"{work.id}.html", started, as_json)
        return
    verified()
    work = Study.resumed(path, resumed, arms) if resumed else Study.new(path, wanted)
    try:
        run_with_bars(work)
    except KeyboardInterrupt:
        with Store(path) as store:
            click.echo(f"Interrupted. {work.kept(store)} {work.go_on}", err=True)
        ctx.exit(130)
    _tell_findings(work, report or path.parent / f"{work.id}.html", started, as_json)


def _list_arms(arms: Sequence[Any], as_json: bool) -> None:
    from lima_village_study.arms import TEST

    rows = [
        {
            "arm": arm.name,
            "what": arm.text,
            "trained_on": ", ".join(arm.sources) or "nothing",
            "changes": ", ".join(f"{key}={value}" for key, value in arm.changes.items()),
            "held": ", ".join(getattr(TEST, role) for role in arm.held),
            "seeds": arm.seeds,
        }
        for arm in arms
    ]
    print_rows(rows, as_json, "No arm.")


def _tell_findings(work: Any, report: Path, started: float, as_json: bool) -> None:
    """Write the page, and print each finding with its sentence"""
    from lima.store import Store
    from lima_village_study.findings import as_dict, findings
    from lima_village_study.study_page import write_page

    with Store(work.database) as store:
        found = findings(store, work)
        try:
            page = write_page(store, work, found, report)
        except LimaError as e:
            raise LimaError(
                f"{e} The results are kept: lima village study --redraw {work.id} -d {work.database} --report FILE"
            ) from None
        kept = work.kept(store)
    seconds = time.monotonic() - started
    if as_json:
        print_json(
            {
                "study": work.id,
                "findings": [as_dict(finding) for finding in found],
                "database": str(work.database),
                "report": str(page),
                "seconds": round(seconds, 1),
            }
        )
        return
    for finding in found:
        click.echo(f"{finding.title}\n  {finding.sentence}\n")
    click.echo(f"{kept}\n{seconds:.0f} s.\nReport:   {page}\nDatabase: {work.database}\nModels:   {work.folder}")
