"""A comparison as printed in a terminal.

Labels and topics may be hostile: control and bidirectional characters are written out, and nothing is taken as markup.
"""

from textwrap import wrap
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lima import visible
from lima_dialogue_eval.comparison import Comparison
from lima_dialogue_eval.figures import NAMES, dialogue_line, primary_line, secondary_line, table_rows
from lima_dialogue_eval.statistics import Tally


def print_comparison(comparison: Comparison, console: Console) -> None:
    """The table of LIMA §6 with our figures next to the paper's, then the tests, then the turns"""
    before, after = comparison.before, comparison.after
    ours = [(before.label, "bold", "before"), (after.label, "bold", "after")]
    papers = [("paper: 1,000", "dim", "paper_before"), ("paper: + 30", "dim", "paper_after")]
    whole = _table(comparison, [*ours, *papers])
    fits = console.measure(whole, options=console.options.update(width=1_000)).minimum <= console.width
    for table in [whole] if fits else [_table(comparison, ours), _table(comparison, papers)]:
        console.print(table)
    _line(console, "Whole dialogue", dialogue_line(comparison))
    _line(console, "Primary", primary_line(comparison))
    _line(console, "Secondary", f"{secondary_line(comparison)} (Holm)")
    console.print(_groups(comparison, "turn"))
    if len(comparison.by_kind) > 1:
        console.print(_groups(comparison, "kind"))
    for row in comparison.left_out:
        _line(console, "Left out", f"{row['conversation']} ({row['arm']}): {row['reason']}", "yellow")
    if comparison.waiting:
        _line(
            console, "Waiting", f"{comparison.waiting} turns have no grade on both sides and count on neither", "yellow"
        )
    for note in comparison.notes:
        _line(console, "Note", note, "yellow")
    footnote = (
        f"{comparison.evaluation}, graded by {comparison.grader}; seeds {_seeds(before.seeds)} before, {_seeds(after.seeds)} "
        "after. Intervals: 95 % Wilson, turns treated as independent. Failed within 3: conversations with a Fail in their first "
        "three interactions, once a seed."
    )
    console.print(Text(visible(footnote), style="dim"))


def _table(comparison: Comparison, columns: list[tuple[str, str, str]]) -> Table:
    """The table of LIMA §6 with some of its columns: (heading, style, side)"""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("", min_width=9)
    rows = table_rows(comparison)
    for heading, style, side in columns:
        _figures(table, heading, [text for row in rows for text in getattr(row, side)], style)
    for row in rows:
        table.add_row(Text(row.short), *(_cell(getattr(row, side), style) for _, style, side in columns))
    return table


def _cell(cell: tuple[str, str], style: str = "") -> Text:
    text = Text(cell[0], style="dim" if style == "dim" else "")
    return text.append(f"\n{cell[1]}", style="dim") if cell[1] else text


def _figures(table: Table, heading: str, figures: list[str], style: str = "") -> None:
    """A column of numbers, which never fold in a narrow terminal, unlike the names next to them"""
    lines = wrap(visible(heading), 15)
    width = max(map(cell_len, [*lines, *figures]))
    table.add_column(Text("\n".join(lines), style=style), justify="right", no_wrap=True, min_width=width)


def _line(console: Console, name: str, text: str, style: str = "bold") -> None:
    console.print(Text(f"{name}: ", style=style).append(visible(text), style="default not bold"))


def _groups(comparison: Comparison, name: str) -> Table:
    """Excellent and Fail by turn or by kind, before → after"""
    rows = comparison.by_turn if name == "turn" else comparison.by_kind
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(f"by {name}")
    columns = [("replies", [f"{before.turns} / {after.turns}" for _, before, after in rows])]
    for grade in ("excellent", "fail"):
        changes = [f"{_percent(before, grade)} → {_percent(after, grade)} %" for _, before, after in rows]
        columns.append((NAMES[grade], changes))
    for heading, figures in columns:
        _figures(table, heading, figures)
    for i, (value, _, _) in enumerate(rows):
        table.add_row(Text(visible(str(value)) or "none"), *(figures[i] for _, figures in columns))
    return table


def _percent(tally: Tally, grade: str) -> str:
    return f"{100 * tally.count(grade) / tally.turns:.1f}"


def _seeds(seeds: Any) -> str:
    return ", ".join(map(str, seeds))


_STYLES = {"excellent": "bold green", "pass": "bold yellow", "fail": "bold red"}


def print_dialogues(
    run: dict[str, Any], held: list[dict[str, Any]], rows: list[dict[str, Any]], console: Console
) -> None:
    """Conversations turn by turn, each reply with its grade and reason"""
    for one in held:
        turns = [r for r in rows if (r["conversation"], r["seed"]) == (one["conversation"], one["seed"])]
        if not turns:
            continue
        console.print()
        title = f"{one['conversation']} · {one['topic']} · seed {one['seed']} · {one['status']} {one['message']}"
        console.print(Text(visible(title.strip()), style="bold underline"))
        for row in turns:
            console.print(Text(f"{row['turn']}  ", style="dim").append(visible(row["user"]), style="cyan"))
            if row["reply"] is None:
                console.print(Text(visible(f"   {row['status']}: {row['message']}"), style="red"))
                continue
            console.print(Text("   ").append(visible(row["reply"])))
            grade = row["grade"] or row["grade_status"]
            console.print(
                Text(f"   {grade}", style=_STYLES.get(row["grade"], "bold magenta")).append(
                    f"  {visible(row['reason'] or '')}", style="dim not bold"
                )
            )
