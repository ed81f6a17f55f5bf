"""What each figure is called, how it reads, and what the paper printed: shared by the terminal and the report.

Knows nothing of how figures are computed or laid out.
"""

from dataclasses import dataclass

from lima_dialogue_eval.comparison import Comparison
from lima_dialogue_eval.statistics import Tally, interval_text, p_text, share_text, wilson

PAPER_BEFORE = Tally(excellent=19, passed=8, fail=15)
PAPER_AFTER = Tally(excellent=35, passed=10, fail=1)
PAPER_EARLY = "6 of 10"
PAPER_DIALOGUES = {"better": 7, "tied": 3, "worse": 0}
PAPER_SIGN_P = 0.015625
"Derived: the paper prints no p"

NAMES = {"excellent": "Excellent", "pass": "Pass", "fail": "Fail"}


@dataclass(frozen=True)
class TableRow:
    """One line of the table of LIMA §6"""

    name: str
    short: str
    "The name in a narrow table"
    before: tuple[str, str]
    "What to print, and its interval"
    after: tuple[str, str]
    paper_before: tuple[str, str]
    paper_after: tuple[str, str]


def table_rows(comparison: Comparison) -> list[TableRow]:
    """The lines of the table of LIMA §6: our two arms next to the paper's"""
    before, after = comparison.before, comparison.after
    tallies = (before.tally, after.tally, PAPER_BEFORE, PAPER_AFTER)
    rows = []
    for grade, name in NAMES.items():
        first, second, paper_first, paper_second = (share_cell(t, grade) for t in tallies)
        rows.append(TableRow(name, name, first, second, paper_first, paper_second))
    first, second = ((f"{arm.early_fails} of {arm.dialogues}", "") for arm in (before, after))
    name = "Conversations that fail within 3 interactions"
    return [*rows, TableRow(name, "Failed within 3", first, second, (PAPER_EARLY, ""), ("not given", ""))]


def share_cell(tally: Tally, grade: str) -> tuple[str, str]:
    """('45.2 % = 19/42', '31.2–60.1 %')"""
    count = tally.count(grade)
    return share_text(count, tally.turns), interval_text(wilson(count, tally.turns))


def dialogue_line(comparison: Comparison) -> str:
    """Whole dialogues, ours and the paper's"""
    p = PAPER_DIALOGUES
    return (
        f"better in {comparison.better}, tied in {comparison.tied}, worse in {comparison.worse} of "
        f"{len(comparison.changes)} (exact sign test p {equals(comparison.sign_p)}); "
        f"paper: {p['better']}, {p['tied']}, {p['worse']} of 10 (p {equals(PAPER_SIGN_P)})"
    )


def primary_line(comparison: Comparison) -> str:
    """The estimate and the test that decides"""
    interval = comparison.interval
    between = f" [{signed(interval[0])}, {signed(interval[1])}]" if interval else ""
    return (
        f"mean grade {signed(comparison.difference)} points{between}; sign-flip p {equals(comparison.p_value)} "
        f"(n = {comparison.primary.n} conversations; {comparison.primary.method})"
    )


def secondary_line(comparison: Comparison) -> str:
    """% Excellent and % Fail per conversation, with Holm's p"""
    return "; ".join(
        f"{NAMES[grade]} {signed(100 * s.difference, 1)} percentage points, p {equals(s.adjusted)}"
        for grade, s in comparison.secondary.items()
    )


def signed(value: float, digits: int = 2) -> str:
    """'+0.45', '−0.10'; nothing is '0.00'"""
    text = f"{abs(value):.{digits}f}"
    return text if float(text) == 0 else f"{'+' if value > 0 else '−'}{text}"


def equals(p: float) -> str:
    """'= .0156', or '< .0001'"""
    text = p_text(p)
    return text if text.startswith("<") else f"= {text}"
