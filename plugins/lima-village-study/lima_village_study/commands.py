"""`lima village study`: its options and what it prints. Everything heavy loads inside the command."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from lima import LimaError, is_file, visible
from lima.cli import database_option, json_option, print_json, print_rows
from lima_village.commands import database_path, interruptible, report_option


@click.command()
@click.argument("arms", nargs=-1, metavar="[ARM]…")
@click.option(
    "--resume",
    "resumed",
    is_flag=False,
    flag_value="newest",
    metavar="[STUDY]",
    help="Resume a study that was interrupted: the newest, or the one with this id",
)
@click.option(
    "--redraw",
    "redrawn",
    is_flag=False,
    flag_value="newest",
    metavar="[STUDY]",
    help="Only write a study's report again from the database: of the newest, or of the one with this id",
)
@click.option("--list", "listing", is_flag=True, help="List the arms; run nothing")
@report_option
@database_option
@json_option
def study(
    arms: tuple[str, ...],
    resumed: str | None,
    redrawn: str | None,
    listing: bool,
    report: Path | None,
    database: str | None,
    as_json: bool,
) -> None:
    """Test the paper's findings on the embedded model, and write one report

    Runs every arm, or only the named ones, in two processes side by side. With --resume it runs only what is missing, with
    --redraw nothing.
    """
    from lima_village_study.arms import ARMS, chosen

    # `--resume before` means `before --resume`: no study has an arm's name
    if resumed and resumed in {arm.name for arm in ARMS}:
        arms, resumed = (resumed, *arms), "newest"
    wanted = chosen(arms)
    if listing:
        _list_arms(wanted, as_json)
        return
    from lima_dialogue_eval.report.page import check_place
    from lima_village import bars
    from lima_village.base_model import verified
    from lima_village_study.study import Study

    if redrawn and (arms or resumed):
        raise click.UsageError("--redraw writes the report of a whole study: give neither ARM nor --resume.")
    started = time.monotonic()
    path = database_path(database)
    if (resumed or redrawn) and not is_file(path):
        raise LimaError(
            f"The database {path} does not exist, so it has no study. Start one with: lima village study -d {path}"
        )
    if report:
        check_place(report)
    if redrawn:
        work = Study.recorded(path, redrawn)
    else:
        verified()
        work = Study.resumed(path, resumed, arms) if resumed else Study.new(path, wanted)
        with interruptible(work):
            bars.run_with_bars(work)
    _tell_findings(work, report or path.parent / f"{work.id}.html", started, as_json)


def _list_arms(arms: Sequence[Any], as_json: bool) -> None:
    from lima_village_study.arms import GAIN, TEST
    from lima_village_study.gain import named

    rows = [
        {
            "arm": arm.name,
            "what": arm.text,
            "trained_on": ", ".join(arm.sources) or "nothing",
            "changes": ", ".join(f"{key}={value}" for key, value in arm.own.items()),
            "held": ", ".join(named(TEST.gain) if role == GAIN else getattr(TEST, role) for role in arm.held),
            "seeds": arm.seeds,
        }
        for arm in arms
    ]
    print_rows(rows, as_json, "No arms.")


def _tell_findings(work: Any, report: Path, started: float, as_json: bool) -> None:
    """Write the page, and print each finding with its sentence"""
    from lima import Store
    from lima_village_study.findings import as_dict, findings
    from lima_village_study.study_page import write_page

    with Store(work.database) as store:
        found = findings(store, work)
        try:
            page = write_page(store, work, found, report)
        except LimaError as e:
            again = f"lima village study --redraw {work.id} -d {work.database} --report FILE"
            raise LimaError(f"{e} The results are saved: {again}") from None
        kept = work.kept(store)
    seconds = time.monotonic() - started
    if as_json:
        shown = {"study": work.id, "findings": [as_dict(finding) for finding in found]}
        print_json({**shown, "database": str(work.database), "report": str(page), "seconds": round(seconds, 1)})
        return
    for finding in found:
        click.echo(f"{finding.title}\n  {finding.sentence}\n")
    places = f"Report:   {page}\nDatabase: {work.database}\nModels:   {work.folder}"
    click.echo(visible(f"{kept}\n{seconds:.0f} s.\n{places}"))
