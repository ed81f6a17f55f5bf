"""An audit as printed in a terminal: shares with intervals, the confusion matrix, the floor, and what the grader got wrong.

Replies and reasons may be hostile: control and bidirectional characters are written out, and nothing is taken as markup.
"""

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lima import GRADER_FAILED, GRADES, visible
from lima.cli import print_table
from lima_chat import NULL_REPLIES, VISIBLE_FLAWS
from lima_dialogue_eval.audit.figures import DEFINITIONS, GIVEN, GROUPS, remarks
from lima_dialogue_eval.audit.null_models import DEFINITION
from lima_dialogue_eval.statistics import interval_text, share_text

HEADINGS = {"all": "all", "unseen": "checks unseen", "seen": "checks seen"}
NOTES = {"visible": "Visible flaw", "hidden": "Hidden flaw", "unseen": "Checks unseen"}


def print_audit(row: dict[str, Any], console: Console) -> None:
    """The figures of a stored audit, with what they mean"""
    found = row["figures"]
    title = f"{row['grader']} on {row['evaluation']}: {row['replies']} known replies"
    console.print(Text(visible(title), style="bold"))
    if found:
        # With one group only, the others would repeat it.
        groups = [name for name in GROUPS if name in found] if len(found) > 2 else ["all"]
        print_table(_shares(found, groups), console)
        print_table(_matrix(found["all"]["matrix"]), console)
        console.print(Text(kappa_text(found["all"]["kappa"])))
    for sentence in remarks(found):
        console.print(Text(sentence, style="yellow"))
    print_floor(row["floor"], console)
    notes = ("good", "bad", "visible", "hidden", "unseen", "interval", "kappa") if found else ()
    console.print(
        Text(
            "\n".join([*(f"{NOTES.get(name, name.capitalize())}: {DEFINITIONS[name]}" for name in notes), DEFINITION]),
            style="dim",
        )
    )


def print_floor(floor: dict[str, dict[str, int]], console: Console) -> None:
    """In how many turns each null model is failed"""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("replies that need no model", "turns", "failed", "right, says the turn", "errors"):
        table.add_column(heading, justify="left" if heading.startswith("replies") else "right")
    for name, row in floor.items():
        table.add_row(NULL_REPLIES[name], *(str(row[key]) for key in ("turns", "failed", "explained", "errors")))
    print_table(table, console)


def print_wrong(rows: Sequence[dict[str, Any]], console: Console) -> None:
    """The replies that a grader got wrong, with its reason and the author's"""
    wrong = [(why, row) for row in rows if (why := wrongness(row))]
    for why, row in wrong:
        known = (
            f"{row['known']}{', ' + row['flaw'] if row['flaw'] else ''}" if not row["null_model"] else row["null_model"]
        )
        console.print()
        head = f"{row['conversation']}, turn {row['turn']} ({known}): {why}"
        console.print(Text(visible(head), style="bold"))
        console.print(Text(visible(f"  {row['reply']}"), style="cyan"))
        if row["why"]:
            console.print(Text(visible(f"  The author: {row['why']}")))
        console.print(Text(visible(f"  The grader: {row['reason']}"), style="dim"))
    console.print(Text("The grader got nothing wrong." if not wrong else f"\n{len(wrong)} verdicts are wrong."))


def wrongness(row: dict[str, Any]) -> str:
    """What is wrong with a verdict; '' where it is right, or left to a reader who must see the flaw"""
    given = row["grade"] or row["status"]
    if given == GRADER_FAILED:
        return "the grader failed"
    if row["null_model"]:
        return "" if given == "fail" or row["why"] else f"a null model is {given}"
    if row["known"] != "fail":
        return "a good reply is failed" if given == "fail" else ""
    if row["grade"] in ("pass", "excellent"):
        return f"a bad reply is {given}"
    return f"a flaw that a program can see is {given}" if given != "fail" and row["flaw"] in VISIBLE_FLAWS else ""


def share_cell(share: dict[str, Any]) -> Text:
    """'3.3 % = 3/92', and its interval below"""
    if not share["n"]:
        return Text("none", style="dim")
    return Text(share_text(share["count"], share["n"])).append(f"\n{interval_text(share['interval'])}", style="dim")


def kappa_text(kappa: dict[str, Any]) -> str:
    """'Weighted kappa 0.812 (0.702 to 0.901) on 120 graded replies'"""
    if kappa["value"] is None:
        return f"Weighted kappa: undefined on {kappa['n']} graded replies"
    interval = kappa["interval"]
    bounds = f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else ""
    return f"Weighted kappa {kappa['value']:.3f}{bounds} on {kappa['n']} graded replies"


def _shares(found: dict[str, Any], groups: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for name in groups:
        table.add_column(HEADINGS[name], justify="right")
    rows = [("good: failed (false alarms)", "good", "failed"), ("good: praised", "good", "praised")]
    rows += [("bad: failed", "bad", "failed"), ("bad: not praised", "bad", "not_praised")]
    rows += [("visible flaw: failed", "visible", "failed"), ("hidden flaw: failed", "hidden", "failed")]
    for label, part, key in rows:
        table.add_row(label, *(share_cell(found[name][part][key]) for name in groups))
    none = {"n": 0}
    for flaw, whole in found["all"]["flaws"].items():
        of_flaw = [found[name]["flaws"].get(flaw, {"failed": none, "not_praised": none}) for name in groups]
        table.add_row(f"  {flaw}: failed", *(share_cell(one["failed"]) for one in of_flaw))
        if whole["failed"]["count"] < whole["not_praised"]["count"] < whole["failed"]["n"]:
            table.add_row(f"  {flaw}: not praised", *(share_cell(one["not_praised"]) for one in of_flaw))
    return table


def _matrix(matrix: dict[str, dict[str, int]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("known \\ given")
    for given in GIVEN:
        table.add_column(given, justify="right")
    for known in GRADES:
        table.add_row(known, *(str(matrix[known][given]) for given in GIVEN))
    return table
