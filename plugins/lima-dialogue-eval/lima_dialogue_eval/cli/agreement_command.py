"""`lima dialogues agreement`. Everything heavy loads inside the command."""

from typing import TYPE_CHECKING, Any

import click

from lima import LimaError, visible
from lima.cli import database_option, json_option, print_json, print_table, store_to_read

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("--kinds", is_flag=True, help="For each kind of turn as well")
@database_option
@json_option
def agreement(runs: tuple[str, ...], kinds: bool, database: str | None, as_json: bool) -> None:
    """How far people, judges and checks agree on the replies of RUNS

    RUNS are dialogue runs of one evaluation, by id or arm. People grade with `lima dialogues grade`, other graders with
    `lima dialogues regrade`.
    """
    from lima_dialogue_eval.agreement.figures import figures
    from lima_dialogue_eval.agreement.preferences import preferences
    from lima_dialogue_eval.agreement.ratings import read_ratings
    from lima_dialogue_eval.conversation.grade import PEOPLE
    from lima_dialogue_eval.evaluation.provenance import regrade_command
    from lima_dialogue_eval.record.log import find_run

    with store_to_read(database) as store:
        rows = [find_run(store, name) for name in dict.fromkeys(runs)]
        rows = list({row["id"]: row for row in rows}.values())
        ratings = read_ratings(store, rows)
        preferred = preferences(store, [row["id"] for row in rows])
    if len(ratings.raters) < 2 and not preferred:
        only = f"only {ratings.raters[0].name} has" if ratings.raters else "nobody has"
        raise LimaError(
            f"Agreement needs two raters, and {only} graded these replies. Let people grade with "
            f"`{regrade_command(rows, PEOPLE)}`, or a judge with `{regrade_command(rows, 'judge:MODEL')}`."
        )
    found = {"runs": [row["id"] for row in rows], **figures(ratings), "preferences": preferred}
    if as_json:
        print_json(found)
    else:
        _print(found, kinds)


def _print(found: dict[str, Any], kinds: bool) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console()
    print_table(_raters(found["raters"]), console)
    if found["alpha"]:
        console.print(Text(_alpha(found["alpha"])))
    rows = [
        *found["groups"],
        *(pair for pair in found["pairs"] if pair["name"] not in {g["name"] for g in found["groups"]}),
    ]
    print_table(_pairs(rows, kinds), console)
    for one in found["fails"]:
        console.print(Text(visible(_fails(one))))
    if found["preferences"]:
        _print_preferences(found["preferences"], console)
    for note in found["notes"]:
        console.print(Text(visible(note), style="yellow"))
    used = ("agreement", "kappa", "alpha", "interval", "undecided", "undefined")
    lines = [f"{name.capitalize()}: {found['definitions'][name]}" for name in used]
    console.print(Text("\n".join(lines), style="dim"))


def _print_preferences(found: dict[str, Any], console: "Console") -> None:
    """Who agrees on the better conversation"""
    from rich.text import Text

    from lima_dialogue_eval.statistics import share_text

    console.print(Text("The better of two conversations", style="bold"))
    for one in found["choosers"]:
        flips = f"; flips {share_text(one['flips']['count'], one['flips']['n'])}" if "flips" in one else ""
        console.print(Text(visible(f"{one['name']}: {one['items']} items, neither in {one['neither']}{flips}")))
    for pair in [*found["groups"], *found["pairs"]]:
        agreed = share_text(pair["agreement"]["count"], pair["agreement"]["n"])
        value = "undefined" if pair["tie_discounted"] is None else f"{100 * pair['tie_discounted']:.1f} %"
        console.print(Text(visible(f"{pair['name']}: same in {agreed}; tie-discounted accuracy {value}")))
    if alpha := found["alpha"]:
        value = _coefficient(alpha["value"], alpha["interval"]).replace("\n", ", ")
        console.print(
            Text(f"Krippendorff's alpha (nominal) over {alpha['people']} people: {value}, {alpha['items']} items")
        )
    if found["left"]["n"]:
        console.print(
            Text(f"People preferred the left side in {share_text(found['left']['count'], found['left']['n'])}")
        )
    console.print(Text("\n".join(found["definitions"].values()), style="dim"))


def _raters(rows: list[dict[str, Any]]) -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("rater", "replies", "excellent", "pass", "fail", "undecided"):
        table.add_column(heading, justify="left" if heading == "rater" else "right")
    for row in rows:
        numbers = (str(row[key]) for key in ("replies", "excellent", "pass", "fail", "undecided"))
        table.add_row(Text(visible(row["name"]) + (" (person)" if row["person"] else "")), *numbers)
    return table


def _pairs(rows: list[dict[str, Any]], kinds: bool) -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("", "graded by both", "agreement", "kappa", "undecided"):
        table.add_column(heading, justify="right" if heading else "left")
    for row in rows:
        table.add_row(Text(visible(row["name"])), *_cells(row), str(row["undecided"]))
        if kinds:
            for kind, some in row["kinds"].items():
                table.add_row(Text(f"  {visible(kind)}"), *_cells(some), "")
    return table


def _cells(row: dict[str, Any]) -> tuple[str, str, str]:
    from lima_dialogue_eval.statistics import interval_text, share_text

    agreed = row["agreement"]
    agreement = f"{share_text(agreed['count'], agreed['n'])}"
    if agreed["n"]:
        agreement += f"\n{interval_text(agreed['interval'])}"
    return str(row["replies"]), agreement, _coefficient(row["kappa"], row["kappa_interval"])


def _coefficient(value: float | None, interval: tuple[float, float] | None) -> str:
    if value is None:
        return "undefined"
    return f"{value:.3f}" + (f"\n{interval[0]:.3f} to {interval[1]:.3f}" if interval else "")


def _alpha(row: dict[str, Any]) -> str:
    value = _coefficient(row["value"], row["interval"]).replace("\n", " (") + (")" if row["interval"] else "")
    return f"Krippendorff's alpha over {row['people']} people: {value}, {row['ratings']} grades of {row['replies']} replies"


def _fails(row: dict[str, Any]) -> str:
    from lima_dialogue_eval.statistics import share_text

    its, theirs = row["failed_by_people"], row["failed_by_program"]
    return (
        f"{row['name']}: people fail {share_text(its['count'], its['n'])} of its fails; it fails "
        f"{share_text(theirs['count'], theirs['n'])} of theirs"
    )
