"""The three grades of LIMA §4.2, what each counts, and a grader's verdict.

Knows nothing of what is graded.
"""

from dataclasses import dataclass

SCORES = {"fail": 0, "pass": 1, "excellent": 2}
"What each grade counts in a mean"
GRADES = ("excellent", "pass", "fail")
GRADED, NEEDS_PERSON, GRADER_FAILED = "graded", "needs a person", "error"
"What became of a reply"


@dataclass(frozen=True)
class Verdict:
    """A grade with its reason; without a grade, the status says why"""

    grade: str | None
    "One of GRADES, or None"
    reason: str
    status: str = GRADED
    "GRADED, NEEDS_PERSON or GRADER_FAILED"
