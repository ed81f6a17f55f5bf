"""The three grades of LIMA §4.2, what each counts, and a grader's verdict.

Knows nothing of what is graded.
"""

from dataclasses import dataclass

SCORES = {"fail": 0, "pass": 1, "excellent": 2}
"What each grade counts in a mean"
GRADES = ("excellent", "pass", "fail")
GRADED, UNDECIDED, GRADER_FAILED = "graded", "undecided", "error"
"What became of a reply: it has a grade; a reader must decide; the grader failed"


@dataclass(frozen=True)
class Tick:
    """One requirement, and whether a reply meets it"""

    requirement: str
    "In words"
    met: bool | None
    "None where the grader could not tell"
    quote: str = ""
    "What of the reply shows it"


@dataclass(frozen=True)
class Verdict:
    """A grade with its reason; without a grade, the status says why"""

    grade: str | None
    "One of GRADES, or None"
    reason: str
    "A sentence, never empty"
    status: str = GRADED
    "GRADED, UNDECIDED or GRADER_FAILED"
    ticks: tuple[Tick, ...] = ()
    "The requirements one by one, where the grader looks at them one by one"
