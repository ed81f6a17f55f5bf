"""Verdicts as tidy rows: one a verdict, and one for a reply that nobody has graded. Knows nothing of files."""

from collections.abc import Iterator, Sequence
from typing import Any

from lima import Store
from lima_dialogue_eval.conversation.converse import ANSWERED
from lima_dialogue_eval.report.verdicts import WITHDRAWN

Row = dict[str, Any]
COLUMNS = (
    "dialogue_run", "model", "arm", "conversation", "seed", "turn", "grader", "grader_hash", "rater", "grade", "status", "reason",
)  # fmt: skip
"Of a row; everything is text but the whole numbers seed and turn"


def tidy_rows(store: Store, runs: Sequence[Row]) -> Iterator[Row]:
    """The latest verdict of each grader, version and rater on each turn of these dialogue runs (rows as of `find_run`)

    A turn without a verdict has one row: `not graded`, or the status of a turn that has no reply, whose message is the reason."""
    for run in runs:
        turns = store.rows(
            "select conversation, seed, turn, status, message from dialogue_turns where dialogue_run = ? "
            "order by conversation, seed, turn",
            [run["id"]],
        )
        verdicts: dict[tuple[Any, ...], list[Row]] = {}
        for row in store.rows("select * from dialogue_latest_grades where dialogue_run = ? order by id", [run["id"]]):
            if row["status"] != WITHDRAWN:
                verdicts.setdefault(_key(row), []).append(row)
        for turn in turns:
            head = {
                "dialogue_run": run["id"],
                "model": run["model"],
                "arm": run["arm"] or "",
                **dict(zip(_KEY, _key(turn), strict=True)),
            }
            yield from (_row(head, found) for found in verdicts.get(_key(turn)) or [_ungraded(turn)])


_KEY = ("conversation", "seed", "turn")


def _key(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in _KEY)


def _ungraded(turn: Row) -> Row:
    return (
        {"status": "not graded"}
        if turn["status"] == ANSWERED
        else {"status": turn["status"], "reason": turn["message"]}
    )


def _row(head: Row, verdict: Row) -> Row:
    found = {name: verdict.get(name) or "" for name in COLUMNS if name not in head}
    if found["status"] == "needs a person":  # what earlier versions wrote
        found["status"] = "undecided"
    return {name: {**head, **found}[name] for name in COLUMNS}
