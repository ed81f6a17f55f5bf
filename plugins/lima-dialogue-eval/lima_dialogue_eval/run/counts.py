"""What of a run has no grade, or not the reply that was meant, in sentences with what can be done about it.

Knows nothing of how the counts were made: they are columns of `dialogue_run_summary`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from lima_dialogue_eval.evaluation.provenance import regrade_command, resume_command

REMARKABLE = ("not_reached", "errors", "cut")
"Columns that a table shows where one of its rows has any"


def remarkable(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Which of those columns to show of these rows"""
    listed = list(rows)
    return [column for column in REMARKABLE if any(row[column] for row in listed)]


def counted(row: Mapping[str, Any]) -> str:
    """'46 replies: 12 undecided, 2 cut off; 3 turns not reached (context full); 1 error.'; '' where there is nothing to say"""
    of_replies = ", ".join(f"{row[c]} {what}" for c, what in (("undecided", "undecided"), ("cut", "cut off")) if row[c])
    parts = [f"{_number(row['turns'], 'reply', 'replies')}: {of_replies}"] if of_replies else []
    if row["not_reached"]:
        parts.append(f"{_number(row['not_reached'], 'turn', 'turns')} not reached (context full)")
    if row["errors"]:
        parts.append(_number(row["errors"], "error", "errors"))
    return f"{'; '.join(parts)}." if parts else ""


def advice(row: Mapping[str, Any]) -> list[str]:
    """What to do about errors and undecided replies: commands that work"""
    found = []
    if row["errors"]:
        found.append(f"Try again what failed: {resume_command(row)}")
    if row["undecided"]:
        found.append(f"Undecided replies wait for a reader. Let a judge grade them: {regrade_command([row], 'NAME')}")
    return found


def _number(n: int, one: str, many: str) -> str:
    return f"{n} {one if n == 1 else many}"
