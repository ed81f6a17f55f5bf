"""All verdicts on a reply: of every grader in every version, and of every person, each with its reason and its evidence.

Knows nothing of which of them counts in the figures.
"""

import json
from collections.abc import Sequence
from typing import Any

from lima import Store
from lima_dialogue_eval.conversation.grade import PEOPLE
from lima_dialogue_eval.record.people import verdicts_of

Row = dict[str, Any]
_SAME = ("conversation", "seed", "turn", "grader", "grader_hash", "rater")
_RENAMED = {"needs a person": "undecided"}
"What earlier versions wrote"
WITHDRAWN = "withdrawn"
"The status of a person's verdict that was taken back"


def latest_verdicts(store: Store, run: str, conversation: str, grader: str) -> list[Row]:
    """The latest verdict of each grader, version and rater on the replies of a conversation, as they came

    Where people are the `grader` that counts, the grade that counts of theirs stands besides, without a rater."""
    where = "where dialogue_run = ? and conversation = ?"
    rows = store.rows(f"select * from dialogue_grades {where} order by id", [run, conversation])
    if grader == PEOPLE:
        rows += store.rows(f"select * from {verdicts_of(grader)} {where} order by id", [run, conversation])
    latest = {tuple(row[key] for key in _SAME): row for row in rows}
    found = sorted(latest.values(), key=lambda row: row["id"])
    return [
        {**row, "status": _RENAMED.get(row["status"], row["status"]), "ticks": json.loads(row["ticks"] or "[]")}
        for row in found
        if row["status"] != WITHDRAWN
    ]


def shown_verdicts(rows: Sequence[Row], grader: str, grader_hash: str | None) -> list[Row]:
    """The verdicts on one reply as a report has them: the one that counts first, marked, then the others as they came"""
    wanted = (grader, grader_hash, "")
    counts = next((r for r in rows if (r["grader"], r["grader_hash"], r["rater"] or "") == wanted), None)
    ordered = [*([counts] if counts else []), *(row for row in rows if row is not counts)]
    return [
        {
            "grader": row["grader"],
            **({"version": row["grader_hash"][:8]} if row["grader_hash"] else {}),
            **({"rater": row["rater"]} if row["rater"] else {}),
            "grade": row["grade"],
            "status": row["status"],
            **({"reason": row["reason"]} if row["reason"] else {}),
            **({"ticks": row["ticks"]} if row["ticks"] else {}),
            **({"counts": True} if row is counts else {}),
        }
        for row in ordered
    ]


def graders_and_raters(store: Store, run: str) -> list[Row]:
    """Whose verdicts on a run's replies stand: grader, grader_hash, rater, and how many; programs first, then people by name"""
    return store.rows(
        "select grader, grader_hash, rater, count(*) as replies from (select *, row_number() over "
        "(partition by conversation, seed, turn, grader, grader_hash, rater order by id desc) as age "
        "from dialogue_grades where dialogue_run = ?) where age = 1 and status != ? "
        "group by grader, grader_hash, rater order by rater != '', grader, rater, grader_hash",
        [run, WITHDRAWN],
    )
