"""What each figure is called, how it reads, and what the paper printed: shared by the terminal and the report.

Knows nothing of how figures are computed or laid out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lima_dialogue_eval.comparison.comparable import version
from lima_dialogue_eval.comparison.outcomes import GRADE, Bounds
from lima_dialogue_eval.comparison.result import Arm, Comparison
from lima_dialogue_eval.statistics import LEVEL, Tally, Test, interval_text, p_text, share_text, wilson

PAPER_BEFORE = Tally(excellent=19, passed=8, fail=15)
PAPER_AFTER = Tally(excellent=35, passed=10, fail=1)
PAPER_EARLY = "6 of 10"
PAPER_DIALOGUES = {"better": 7, "tied": 3, "worse": 0}
PAPER_SIGN_P = 0.015625
"Derived: the paper prints no p"

NAMES = {"excellent": "Excellent", "pass": "Pass", "fail": "Fail", "undecided": "Undecided"}
TICKS = {True: "met", False: "missed", None: "undecided"}
"Of one requirement"
Interval = tuple[float, float] | None


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
    rows = []
    for grade, name in NAMES.items():
        first, second, *papers = (share_cell(t, grade) for t in (before.tally, after.tally, PAPER_BEFORE, PAPER_AFTER))
        paper_first, paper_second = papers if grade != "undecided" else (("none", ""), ("none", ""))
        rows.append(TableRow(name, name, first, second, paper_first, paper_second))
    first, second = ((f"{arm.early_fails} of {arm.dialogues}", "") for arm in (before, after))
    name = "Conversations that fail within 3 interactions"
    return [*rows, TableRow(name, "Failed within 3", first, second, (PAPER_EARLY, ""), ("not given", ""))]


def share_cell(tally: Tally, grade: str) -> tuple[str, str]:
    """('45.2 % = 19/42', '31.2–60.1 %')"""
    count = tally.count(grade)
    return share_text(count, tally.turns), interval_text(wilson(count, tally.turns))


def counts_line(arm: Arm) -> str:
    """What to know of an arm's replies before their grades"""
    c = arm.counts
    unreached = f" ({_n(c.not_reached, 'turn')} not reached, which are Fails)" if c.not_reached else ""
    return (
        f"{_n(c.replies, 'reply', 'replies')}; undecided {c.undecided:,}, cut {c.cut:,}; conversations with context full "
        f"{c.context_full:,}{unreached}; errors {c.errors:,}"
        + (f"; {_n(c.flagged, 'turn')} flagged as not fitting, which count nowhere" if c.flagged else "")
    )


def grader_line(comparison: Comparison) -> str:
    """Who graded, and what is known of that"""
    return f"{comparison.grader} ({version(comparison.grader_hash)}). {comparison.audit}. {comparison.floor}"


def dialogue_line(comparison: Comparison, beside_paper: bool = False) -> str:
    """Whole dialogues, ours and, where asked for, the paper's"""
    p = PAPER_DIALOGUES
    ours = (
        f"better in {comparison.better}, tied in {comparison.tied}, worse in {comparison.worse} of "
        f"{len(comparison.changes)} (exact sign test p {equals(comparison.sign_p)})"
    )
    papers = f"; paper: {p['better']}, {p['tied']}, {p['worse']} of 10 (p {equals(PAPER_SIGN_P)})"
    return ours + papers * beside_paper


def primary_line(comparison: Comparison) -> str:
    """The estimate and the test that decides"""
    change = change_text(comparison, comparison.difference, comparison.interval)
    test = (
        "sign-flip p"
        if comparison.outcome == GRADE
        else "the grader can only fail, so sign-flip on failed / not failed, p"
    )
    primary = comparison.primary
    return f"{change}; {test} {equals(primary.p_value)} (n = {primary.n} conversations; {primary.method}; {least_text(primary)})"


def change_text(comparison: Comparison, difference: float, interval: Interval) -> str:
    """'mean grade +0.30 points [+0.10, +0.50]', or the same of the share of replies not failed"""
    graded = comparison.outcome == GRADE
    scale, digits = (1, 2) if graded else (100, 1)
    between = ", ".join(signed(scale * end, digits) for end in interval) if interval else ""
    name, unit = ("mean grade", "points") if graded else ("replies not failed", "percentage points")
    return f"{name} {signed(scale * difference, digits)} {unit}{f' [{between}]' if between else ''}"


def least_text(test: Test) -> str:
    """The smallest p that was possible, and whether that is enough"""
    return f"least possible p {equals(test.least)}{': no result can be significant' if test.least > LEVEL else ''}"


def secondary_line(comparison: Comparison) -> str:
    """% Excellent and % Fail per conversation, with Holm's p; empty where the grader can only fail"""
    return "; ".join(
        f"{NAMES[grade]} {signed(100 * s.difference, 1)} percentage points, p {equals(s.adjusted)}"
        for grade, s in comparison.secondary.items()
    )


def bounds_line(comparison: Comparison) -> str:
    """What the undecided replies may yet make of the figures; empty where none is undecided"""
    if not comparison.bounds:
        return ""
    grade, fail = comparison.bounds["grade"], comparison.bounds["fail"]
    parts = [_bounds("mean grade", grade, 1, 2, "")] if comparison.outcome == GRADE else []
    parts.append(_bounds("Fail", fail, 100, 1, " %"))
    return f"whatever the undecided replies become: {'; '.join(parts)}"


def _bounds(name: str, b: Bounds, scale: int, digits: int, unit: str) -> str:
    def between(ends: tuple[float, float]) -> str:
        return "–".join(f"{scale * end:.{digits}f}" for end in ends) + unit

    low, high = (signed(scale * end, digits) for end in b.difference)
    return f"{name} {between(b.before)} before and {between(b.after)} after, difference {low} to {high}"


def reached_line(comparison: Comparison) -> str:
    """The figures without turns that were not reached; empty where all were"""
    arms = (comparison.before, comparison.after)
    if not any(arm.counts.not_reached for arm in arms):
        return ""
    found = comparison.reached
    if found is None:
        return "no figure, for of the conversations that count no turn was reached by every seed of both sides"
    shares = " before, ".join(share_text(t.fail, t.turns) for t in (found.before, found.after))
    change = change_text(comparison, found.difference, found.interval)
    return f"Fail {shares} after; {change}, sign-flip p {equals(found.test.p_value)} (n = {found.test.n} conversations)"


def reliability_line(arm: Arm, outcome: str) -> str:
    """How the seeds of an arm differ; empty with a single one"""
    if arm.reliability is None:
        return ""
    r, graded = arm.reliability, outcome == GRADE
    low, high = (f"{v:.2f}" if graded else f"{100 * v:.1f} %" for v in (r.unreliability, r.aptitude))
    all_good = (
        f"every reply of all {r.replicates} seeds is at least Pass"
        if graded
        else f"no reply of all {r.replicates} seeds fails"
    )
    where = f"in {r.all_pass} of {_n(r.conversations, 'conversation')}"
    return f"aptitude {high}, unreliability {low}; {all_good} {where}"


def shown_grades(arms: Sequence[Arm], outcome: str) -> list[str]:
    """The grades that the tables by turn and by kind show"""
    grades = ["excellent", "fail"] if outcome == GRADE else ["fail"]
    return [*grades, "undecided"] if any(arm.undecided for arm in arms) else grades


def waiting_line(comparison: Comparison) -> str:
    """How many turns the test leaves out; empty if none"""
    if not comparison.waiting:
        return ""
    one = comparison.waiting == 1
    return (
        f"{_n(comparison.waiting, 'turn')} {'has' if one else 'have'} an undecided reply on one side and "
        f"{'counts' if one else 'count'} on neither in the tests"
    )


def _n(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def signed(value: float, digits: int = 2) -> str:
    """'+0.45', '−0.10'; nothing is '0.00'"""
    text = f"{abs(value):.{digits}f}"
    return text if float(text) == 0 else f"{'+' if value > 0 else '−'}{text}"


def equals(p: float) -> str:
    """'= .0156', or '< .0001'"""
    text = p_text(p)
    return text if text.startswith("<") else f"= {text}"
