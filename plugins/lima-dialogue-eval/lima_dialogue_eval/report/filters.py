"""Which conversations a reader can ask a report for, and by what: differences, regressions, what is open, and what went wrong.

Works on the replies as `talks` has them. Knows nothing of databases or pages.
"""

from collections.abc import Sequence
from typing import Any

from lima import GRADER_FAILED, SCORES, UNDECIDED
from lima_dialogue_eval.comparison.outcomes import GRADE
from lima_dialogue_eval.conversation.converse import ANSWERED
from lima_dialogue_eval.conversation.grade import PEOPLE
from lima_dialogue_eval.record.people import ADJUDICATED

Row = dict[str, Any]

FILTERS = {
    "different": "Replies to the same user's turn have different grades in the arms.",
    "regressions": "A reply has a worse grade than the first arm's reply to the same turn; where the grader can only "
    "fail, a Fail is worse than an undecided reply.",
    "undecided": "A reply has no grade by the grader that counts, and no failure of it either.",
    "raters disagree": "Two people gave a reply different grades.",
    "judge ≠ people": "A grader that is a program gave a reply a grade that none of the people gave who graded it.",
    "cut": "The model did not end a reply, which stopped at --max-new-tokens, for example.",
    "errors": "A reply or a grade failed, or the replies filled the model's context.",
}
"Each filter of a report, and what it shows"
OF_SEVERAL = ("different", "regressions")
"Filters that need two arms"


def filters_for(arms: int) -> dict[str, str]:
    """The filters that say something of so many arms"""
    return {name: text for name, text in FILTERS.items() if arms > 1 or name not in OF_SEVERAL}


def flags_of(turns: Sequence[Row], ends: Sequence[str]) -> list[str]:
    """The filters that show a conversation with these turns, whose arms ended so ('' where nothing went wrong)"""
    replies = [reply for turn in turns for reply in turn["replies"] if reply]
    found = {
        "different": any(turn["different"] for turn in turns),
        "regressions": any(turn["worse"] for turn in turns),
        "undecided": any(_open(reply) for reply in replies),
        "raters disagree": any(len(_people(reply, but=ADJUDICATED)) > 1 for reply in replies),
        "judge ≠ people": any(_people(reply) and _programs(reply) - _people(reply) for reply in replies),
        "cut": any(reply.get("cut") for reply in replies),
        "errors": any(ends) or any(_failed(reply) for reply in replies),
    }
    return [name for name, held in found.items() if held]


def marks(replies: Sequence[Row | None], outcome: str) -> tuple[bool, bool]:
    """(different grades in the arms, worse than the first in any)

    Where the grader can only fail, a fail is worse than undecided."""
    grades = [(reply["grade"] or reply["grade_status"]) if reply else None for reply in replies]
    scores = SCORES if outcome == GRADE else {**SCORES, UNDECIDED: SCORES["pass"]}
    first, *others = (scores.get(str(grade)) for grade in grades)
    worse = first is not None and any(other is not None and other < first for other in others)
    return len(set(grades)) > 1, worse


def _open(reply: Row) -> bool:
    return reply["status"] == ANSWERED and reply["grade"] is None and reply["grade_status"] != GRADER_FAILED


def _failed(reply: Row) -> bool:
    return reply["status"] != ANSWERED or reply["grade_status"] == GRADER_FAILED


def _people(reply: Row, but: str = "") -> set[str]:
    return {v["grade"] for v in reply["verdicts"] if v["grade"] and v.get("rater", but) != but}


def _programs(reply: Row) -> set[str]:
    return {v["grade"] for v in reply["verdicts"] if v["grade"] and v["grader"] != PEOPLE}
