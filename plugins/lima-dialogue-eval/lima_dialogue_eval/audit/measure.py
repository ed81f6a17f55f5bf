"""Test a grader: on an evaluation's replies with known grades, and on replies that need no model.

Verdicts are committed as they come; an audit that was interrupted is continued by the next one of the same grader and
evaluation. Knows nothing of how a grader decides.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lima import Store, Verdict, exclusive, storable
from lima_dialogue_eval.audit.figures import figures
from lima_dialogue_eval.audit.log import AuditLog, Key
from lima_dialogue_eval.audit.null_models import Finding, NullReply, findings, floor, null_replies
from lima_dialogue_eval.conversation.grade import GradedTurn
from lima_dialogue_eval.evaluation.identity import grader_hash, script_hash
from lima_dialogue_eval.evaluation.kinds import GradesMany, TurnGrader, check_gradable, turn_grader
from lima_dialogue_eval.evaluation.known import AuditSet, KnownReply, opened
from lima_dialogue_eval.run.estimates import limit
from lima_dialogue_eval.run.judging import judged, judged_many

if TYPE_CHECKING:
    from lima import Plugins

OnProgress = Callable[[int, int], None]
"Called with (replies graded, replies in all)"


@dataclass(frozen=True)
class Item:
    """One reply of an audit"""

    turn: GradedTurn
    known: KnownReply | None = None
    null: NullReply | None = None


def audit_grader(
    store: Store, grader: str, evaluation: str, on_progress: OnProgress | None = None, budget: str | None = None
) -> str:
    """Grade every known reply and every null model's reply of an evaluation, and store verdicts and figures; the audit's id

    A `budget` is for a grader that knows what it spends: dollars ('5') or tokens ('200000tokens'). LimaError for what is unknown
    or cannot be graded, before anything is graded."""
    from lima import load_plugins

    plugins = load_plugins()
    tested = opened(plugins, evaluation)
    judge = _judge(plugins, grader, tested, store)
    limit(budget, [judge])
    nulls = list(null_replies(tested))
    items = [Item(tested.turn(known), known=known) for known in tested.known]
    items += [Item(null.turn, null=null) for null in nulls]
    key = Key(grader, grader_hash(judge), evaluation, script_hash(list(tested.script.values())), _hash(items))
    # Before anything is read: another process may be at the same audit.
    with exclusive(store.path.resolve().with_name(f".audit-{key.short}.lock"), f"auditing {grader}"):
        log = AuditLog.begun_or_new(store, key, len(tested.known))
        _grade_rest(judge, log, items, on_progress)
        rows = log.rows()
        log.finish(figures([r for r in rows if not r["null_model"]]), floor(_of_nulls(nulls, rows)))
    return log.id


def check_floor(
    store: Store,
    evaluation: str,
    grader: str | None = None,
    on_progress: OnProgress | None = None,
    budget: str | None = None,
) -> tuple[str, dict[str, dict[str, int]], list[Finding]]:
    """(grader, floor, findings) of the null models at an evaluation, by default with its own grader; nothing is stored"""
    from lima import load_plugins

    plugins = load_plugins()
    tested = opened(plugins, evaluation)
    name = grader or tested.grader
    judge = _judge(plugins, name, tested, store)
    limit(budget, [judge])
    nulls = list(null_replies(tested))
    verdicts: dict[int, Verdict] = {}

    def keep(found: list[tuple[int, Verdict]]) -> None:
        verdicts.update(found)
        if on_progress:
            on_progress(len(verdicts), len(nulls))

    grade_each(judge, [null.turn for null in nulls], keep)
    graded = [(null, verdicts[position]) for position, null in enumerate(nulls)]
    return name, floor(graded), findings(graded)


def grade_each(
    judge: TurnGrader, turns: Sequence[GradedTurn], keep: Callable[[list[tuple[int, Verdict]]], None]
) -> None:
    """Keep one verdict for each turn, in any order; whatever fails in a grader is a verdict that says so"""
    if isinstance(judge, GradesMany):
        judged_many(judge, turns, keep)
    else:
        for position, turn in enumerate(turns):
            keep([(position, judged(judge, turn))])


def _judge(plugins: "Plugins", grader: str, tested: AuditSet, store: Store) -> TurnGrader:
    judge = turn_grader(plugins, grader, store)
    scripts = [known.script for known in tested.known if known.script]
    check_gradable(plugins, grader, judge, [*tested.script.values(), *scripts])
    return judge


def _hash(items: Sequence[Item]) -> str:
    """SHA-256 of all replies with what came before and what is known of them: an audit is only continued on the same"""
    rows = []
    for item in items:
        said = [[turn.role, turn.content] for turn in item.turn.history]
        known = item.known and [item.known.grade, item.known.flaw, item.known.why, item.known.saw_checks]
        null = item.null and [item.null.name, item.null.excuse]
        rows.append([item.turn.conversation.id, said, item.turn.reply, item.turn.stop, known, null])
    text = json.dumps(rows, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _grade_rest(judge: TurnGrader, log: AuditLog, items: Sequence[Item], on_progress: OnProgress | None) -> None:
    """Grade what has no verdict yet, and commit each"""
    done = log.done()
    left = [position for position in range(len(items)) if position not in done]
    count = len(done)

    def keep(found: list[tuple[int, Verdict]]) -> None:
        nonlocal count
        for index, verdict in found:
            log.add(_row(left[index], items[left[index]], verdict))
        count += len(found)
        if on_progress:
            on_progress(count, len(items))

    try:
        grade_each(judge, [items[position].turn for position in left], keep)
    finally:
        log.flush()


def _row(position: int, item: Item, verdict: Verdict) -> dict[str, Any]:
    known = item.known
    return {
        "position": position,
        "null_model": item.null.name if item.null else "",
        "conversation": item.turn.conversation.id,
        "turn": item.turn.index + 1,
        "known": known.grade if known else None,
        "flaw": known.flaw if known else "",
        "saw_checks": int(known.saw_checks) if known else None,
        "why": storable(known.why if known else item.null.excuse if item.null else ""),
        "reply": storable(item.turn.reply),
        "grade": verdict.grade,
        "reason": storable(verdict.reason),
        "status": verdict.status,
    }


def _of_nulls(nulls: Sequence[NullReply], rows: Sequence[dict[str, Any]]) -> list[tuple[NullReply, Verdict]]:
    """The null models' replies with their verdicts, in their order"""
    mine = [row for row in rows if row["null_model"]]
    return [(null, Verdict(row["grade"], row["reason"], row["status"])) for null, row in zip(nulls, mine, strict=True)]
