"""Grade the replies of finished runs again, with another grader or with one that has changed; every verdict is kept.

Asks no model for a reply. Knows nothing of how the verdicts are shown.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from lima import LimaError, Plugins, Store, load_plugins
from lima_dialogue_eval.conversation.grade import GradedTurn
from lima_dialogue_eval.evaluation.identity import grader_hash
from lima_dialogue_eval.evaluation.kinds import charge, check_gradable, turn_grader
from lima_dialogue_eval.evaluation.provenance import begun_with, regrade_command, resume_command
from lima_dialogue_eval.record.log import DialogueLog, conversations, counts_by, find_run, replies
from lima_dialogue_eval.record.rows import recalled, ungraded
from lima_dialogue_eval.run.estimates import Estimate, EstimatesVerdicts, limit
from lima_dialogue_eval.run.judging import Grading

OnProgress = Callable[[int, int], None]
"Called with (verdicts so far, all that are missing)"


def would_regrade(
    store: Store,
    names: Sequence[str],
    grader: str,
    *,
    evaluation: str | None = None,
    budget: str | None = None,
    trust_remote_code: bool = False,
) -> dict[str, Estimate]:
    """What `regrade` would ask; asks nothing. LimaError as there, and for a grader that asks no model"""
    plugins = load_plugins()
    runs = {row["id"]: row for row in (find_run(store, name) for name in names)}
    judge = turn_grader(plugins, grader, store, trust_remote_code)
    if not isinstance(judge, EstimatesVerdicts):
        raise LimaError(f"The grader {grader!r} asks no model, so there is nothing to count. Leave --dry-run out.")
    limit(budget, [judge])
    left = [_left(store, plugins, row, (grader, grader_hash(judge), judge), evaluation) for row in runs.values()]
    return {f"verdicts of {grader}": judge.estimate_verdicts([turn for one in left for _, turn in one.turns])}


@dataclass(frozen=True)
class _Regrading:
    """One run, and those of its turns that this grader has not graded"""

    log: DialogueLog
    turns: list[tuple[int, GradedTurn]]


def regrade(
    store: Store,
    names: Sequence[str],
    grader: str,
    *,
    evaluation: str | None = None,
    on_progress: OnProgress | None = None,
    trust_remote_code: bool = False,
    budget: str | None = None,
) -> list[dict[str, Any]]:
    """Let a grader grade finished runs (ids, or the starts of them, or arms); its counts, one row for each run

    What it has graded before, as it is now, stays, so that the same call resumes. `evaluation` is needed for one that is not
    registered. LimaError for a run that is not done, whose evaluation has changed, or that another process is at."""
    plugins = load_plugins()
    runs = {row["id"]: row for row in (find_run(store, name) for name in names)}
    judge = turn_grader(plugins, grader, store, trust_remote_code)
    limit(budget, [judge])
    hashed = grader_hash(judge)
    total = done = 0

    def on_verdict(more: int) -> None:
        nonlocal done
        done += more
        if on_progress:
            on_progress(done, total)

    with ExitStack() as locks:
        for id in runs:  # before anything is read: another process may just have graded
            locks.enter_context(DialogueLog(store, id).exclusive())
        found = [_left(store, plugins, row, (grader, hashed, judge), evaluation) for row in runs.values()]
        total = sum(len(one.turns) for one in found)
        for one in found:
            charge(judge, one.log.id, "judge")
            Grading(judge, grader, hashed, one.log.grades).grade(one.turns, on_verdict)
    return [counts_by(store, id, grader, hashed) for id in runs]


def _left(
    store: Store, plugins: Plugins, row: dict[str, Any], by: tuple[str, str, Any], evaluation: str | None
) -> _Regrading:
    """What is left of a run for (grader, its hash, the grader itself); LimaError where it cannot be graded"""
    grader, hashed, judge = by
    if row["status"] != "done":
        raise LimaError(
            f"Dialogue run {row['id']} is {row['status']!r}, not done. Finish it with: {resume_command(row)}"
        )
    script, decide = begun_with(plugins, row, evaluation, regrade_command([row], grader))
    check_gradable(plugins, grader, judge, list(script.values()))
    rows = replies(store, row["id"], grader, hashed)
    dialogues = [recalled(script[c["conversation"]], c, rows) for c in conversations(store, row["id"])]
    return _Regrading(DialogueLog(store, row["id"]), ungraded(dialogues, rows, decide))
