"""A comparison as printed in a terminal.

Labels and topics may be hostile: control and bidirectional characters are written out, and nothing is taken as markup.
"""

from collections.abc import Sequence
from textwrap import wrap
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lima import visible
from lima.cli import print_table
from lima_dialogue_eval.comparison.comparable import mode_text
from lima_dialogue_eval.comparison.family import METHOD, Family
from lima_dialogue_eval.comparison.result import Arm, Comparison
from lima_dialogue_eval.report import figures
from lima_dialogue_eval.report.figures import NAMES
from lima_dialogue_eval.statistics import Tally

Columns = list[tuple[str, str, list[tuple[str, str]]]]
"Heading, style, and (figure, what stands below it) of each row"


def print_comparison(comparison: Comparison, console: Console, beside_paper: bool = False) -> None:
    """The counts and the table of LIMA §6, where asked for next to the paper's figures; then the tests, then the turns"""
    before, after = comparison.before, comparison.after
    for arm in (before, after):
        _line(console, arm.label, figures.counts_line(arm))
    rows = figures.table_rows(comparison)
    groups: list[Columns] = [
        [(before.label, "bold", [r.before for r in rows]), (after.label, "bold", [r.after for r in rows])],
        [
            ("paper: 1,000", "dim", [r.paper_before for r in rows]),
            ("paper: + 30", "dim", [r.paper_after for r in rows]),
        ],
    ]
    _print_table(console, "", [r.short for r in rows], groups[: 1 + beside_paper])
    _line(console, "Whole dialogue", figures.dialogue_line(comparison, beside_paper))
    _line(console, "Primary", figures.primary_line(comparison))
    if comparison.secondary:
        _line(console, "Secondary", f"{figures.secondary_line(comparison)} (Holm)")
    _print_more(comparison, console, [before, after])
    _line(console, "Grader", figures.grader_line(comparison))
    _print_groups(comparison, console, "turn")
    if len(comparison.by_kind) > 1:
        _print_groups(comparison, console, "kind")
    _print_cautions(comparison, console)
    footnote = (
        f"{comparison.evaluation}; seeds {_seeds(before.seeds)} before, {_seeds(after.seeds)} after. Intervals: 95 % Wilson, "
        "turns treated as independent. Failed within 3: conversations with a Fail in their first three interactions, once a "
        "seed."
    )
    console.print(Text(visible(footnote), style="dim"))


def _print_more(comparison: Comparison, console: Console, arms: Sequence[Arm]) -> None:
    """What stands beside the tests: bounds, the figures without unreached turns, and how the seeds of these arms differ"""
    if bounds := figures.bounds_line(comparison):
        _line(console, "Bounds", bounds)
    if reached := figures.reached_line(comparison):
        _line(console, "Without the turns not reached", reached)
    for arm in arms:
        if seeds := figures.reliability_line(arm, comparison.outcome):
            _line(console, f"Seeds, {arm.label}", seeds)


def _print_cautions(comparison: Comparison, console: Console) -> None:
    for row in comparison.left_out:
        _line(console, "Left out", f"{row['conversation']} ({row['arm']}): {row['reason']}", "yellow")
    if waiting := figures.waiting_line(comparison):
        _line(console, "Waiting", waiting, "yellow")
    for note in comparison.notes:
        _line(console, "Note", note, "yellow")


def print_family(family: Family, console: Console) -> None:
    """Several arms: the counts and grades of each, then each against the first"""
    first = family.comparisons[0].before
    arms = [first, *(one.after for one in family.comparisons)]
    for arm in arms:
        _line(console, arm.label, figures.counts_line(arm))
    shares: Columns = [(name, "", [(_percent(arm.tally, grade), "") for arm in arms]) for grade, name in NAMES.items()]
    replies = [(f"{arm.turns:,}", "") for arm in arms]
    _print_table(console, "% of turns", [arm.label for arm in arms], [[("turns", "", replies), *shares]])
    for i, (one, adjusted) in enumerate(zip(family.comparisons, family.adjusted, strict=True)):
        _line(console, f"{one.after.label} (after) against {first.label} (before)", figures.primary_line(one))
        _line(console, "  by Holm", f"p {figures.equals(adjusted)}; {figures.dialogue_line(one)}", "dim")
        _print_more(one, console, [one.after] if i else [one.before, one.after])
        _print_cautions(one, console)
    _line(console, "Grader", figures.grader_line(family.comparisons[0]))
    console.print(Text(f"{visible(family.comparisons[0].evaluation)}; {METHOD}.", style="dim"))


def _print_table(console: Console, corner: str, names: list[str], groups: list[Columns]) -> None:
    """A table with its groups of columns side by side, or where they do not fit one below the other"""

    def table(columns: Columns) -> Table:
        found = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        found.add_column(corner, min_width=9, overflow="fold")
        for heading, style, cells in columns:
            _column(found, heading, [text for cell in cells for text in cell], style)
        for i, name in enumerate(names):
            found.add_row(Text(visible(name)), *(_cell(cells[i], style) for _, style, cells in columns))
        return found

    whole = table([column for group in groups for column in group])
    fits = console.measure(whole, options=console.options.update(width=1_000)).minimum <= console.width
    for one in [whole] if fits else map(table, filter(None, groups)):
        print_table(one, console)


def _cell(cell: tuple[str, str], style: str = "") -> Text:
    text = Text(cell[0], style="dim" if style == "dim" else "")
    return text.append(f"\n{cell[1]}", style="dim") if cell[1] else text


def _column(table: Table, heading: str, figures: list[str], style: str = "") -> None:
    """A column of numbers, which never fold in a narrow terminal, unlike the names next to them"""
    lines = wrap(visible(heading), 15)
    width = max(map(cell_len, [*lines, *figures]))
    table.add_column(Text("\n".join(lines), style=style), justify="right", no_wrap=True, min_width=width)


def _line(console: Console, name: str, text: str, style: str = "bold") -> None:
    console.print(Text(f"{visible(name)}: ", style=style).append(visible(text), style="default not bold"))


def _print_groups(comparison: Comparison, console: Console, name: str) -> None:
    """Excellent, Fail and Undecided by turn or by kind, before → after"""
    rows = comparison.by_turn if name == "turn" else comparison.by_kind
    counted: Columns = [("turns", "", [(f"{before.turns} / {after.turns}", "") for _, before, after in rows])]
    for grade in figures.shown_grades((comparison.before, comparison.after), comparison.outcome):
        changes = [(f"{_percent(before, grade)} → {_percent(after, grade)} %", "") for _, before, after in rows]
        counted.append((NAMES[grade], "", changes))
    names = [str(value) or "none" for value, _, _ in rows]
    _print_table(console, f"by {name}", names, [counted[:2], counted[2:]])


def _percent(tally: Tally, grade: str) -> str:
    return f"{100 * tally.count(grade) / tally.turns:.1f}" if tally.turns else "none"


def _seeds(seeds: Any) -> str:
    return ", ".join(map(str, seeds))


_STYLES = {"excellent": "bold green", "pass": "bold yellow", "fail": "bold red"}


def print_dialogues(
    run: dict[str, Any], held: list[dict[str, Any]], rows: list[dict[str, Any]], console: Console
) -> None:
    """Conversations turn by turn, each reply with its grade and reason, and how they were held where a person was there"""
    if run.get("mode"):
        console.print(Text(visible(f"Held: {mode_text(run)}"), style="dim"))
    for one in held:
        turns = [r for r in rows if (r["conversation"], r["seed"]) == (one["conversation"], one["seed"])]
        if not turns:
            continue
        console.print()
        title = f"{one['conversation']} · {one['topic']} · seed {one['seed']} · {one['status']} {one['message']}"
        console.print(Text(visible(title.strip()), style="bold underline"))
        for row in turns:
            fits = " (flagged: it does not fit what was said before)" if row.get("flagged") else ""
            console.print(Text(f"{row['turn']}  ", style="dim").append(visible(row["user"] + fits), style="cyan"))
            if row["reply"] is None:
                console.print(Text(visible(f"   {row['status']}: {row['message']}"), style="red"))
                continue
            console.print(Text("   ").append(visible(row["reply"])))
            _print_verdict(row, console)


def _print_verdict(row: dict[str, Any], console: Console) -> None:
    """The grade with its reason, and below it each requirement that the grader ticked, with the quote that shows it"""
    grade = Text(f"   {row['grade'] or row['grade_status']}", style=_STYLES.get(row["grade"], "bold magenta"))
    console.print(grade.append(f"  {visible(row['reason'] or '')}", style="dim not bold"))
    for tick in row["ticks"]:
        quote = f"  “{tick['quote']}”" if tick.get("quote") else ""
        said = f"     {figures.TICKS[tick['met']]}: {visible(tick['requirement'] + quote)}"
        console.print(Text(said, style="dim"))
