"""Test a grader: on an evaluation's replies with known grades, and on replies that need no model.

Verdicts are committed as they come; an audit that was interrupted is continued by the next one of the same grader and
evaluation. Knows nothing of how a grader decides.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from lima import GRADER_FAILED, PluginStopped, Store, Verdict, contained, exclusive, storable
from lima_dialogue_eval.audit_figures import figures
from lima_dialogue_eval.audit_log import AuditLog, Key
from lima_dialogue_eval.evaluate import judged, script_hash
from lima_dialogue_eval.grade import GradedTurn
from lima_dialogue_eval.identity import grader_hash
from lima_dialogue_eval.kinds import TurnGrader, Verifies, turn_grader
from lima_dialogue_eval.known import AuditSet, KnownReply, opened
from lima_dialogue_eval.null_models import Finding, NullReply, findings, floor, null_replies

if TYPE_CHECKING:
    from lima import Plugins

OnProgress = Callable[[int, int], None]
"Called with (replies graded, replies in all)"
OnVerdict = Callable[[int, Verdict], None]
"Called with (position, verdict)"


@runtime_checkable
class GradesMany(Protocol):
    """A grader that grades many turns at once and says each verdict when it is there"""

    def grade_all(self, turns: Sequence[GradedTurn], on_verdict: OnVerdict) -> Any: ...


@dataclass(frozen=True)
class Item:
    """One reply of an audit"""

    turn: GradedTurn
    known: KnownReply | None = None
    null: NullReply | None = None


def audit_grader(store: Store, grader: str, evaluation: str, on_progress: OnProgress | None = None) -> str:
    """Grade every known reply and every null model's reply of an evaluation, and store verdicts and figures; the audit's id

    LimaError for what is unknown or cannot be graded, before anything is graded."""
    from lima import load_plugins

    plugins = load_plugins()
    tested = opened(plugins, evaluation)
    judge = _judge(plugins, grader, tested, store)
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
    store: Store, evaluation: str, grader: str | None = None, on_progress: OnProgress | None = None
) -> tuple[str, dict[str, dict[str, int]], list[Finding]]:
    """(grader, floor, findings) of the null models at an evaluation, by default with its own grader; nothing is stored"""
    from lima import load_plugins

    plugins = load_plugins()
    tested = opened(plugins, evaluation)
    name = grader or tested.grader
    judge = _judge(plugins, name, tested, store)
    nulls = list(null_replies(tested))
    verdicts: dict[int, Verdict] = {}

    def keep(position: int, verdict: Verdict) -> None:
        verdicts[position] = verdict
        if on_progress:
            on_progress(len(verdicts), len(nulls))

    grade_each(judge, [null.turn for null in nulls], keep)
    graded = [(null, verdicts[position]) for position, null in enumerate(nulls)]
    return name, floor(graded), findings(graded)


def grade_each(judge: TurnGrader, turns: Sequence[GradedTurn], on_verdict: OnVerdict) -> None:
    """One verdict for each turn, in any order; whatever fails in a grader is a verdict that says so"""
    if not isinstance(judge, GradesMany):
        for position, turn in enumerate(turns):
            on_verdict(position, judged(judge, turn))
        return
    missing, ours, why = set(range(len(turns))), [], "it gave no verdict"

    def take(position: int, verdict: Verdict) -> None:
        if position not in missing:
            return
        missing.discard(position)
        try:
            on_verdict(position, judged(_Said(verdict), turns[position]))
        except BaseException as e:
            ours.append(e)  # not the grader's
            raise

    try:
        with contained("grading replies"):
            judge.grade_all(turns, take)
    except PluginStopped:
        raise
    except Exception as e:
        if ours:
            raise
        why = f"{type(e).__name__}: {e}"
    for position in sorted(missing):
        take(position, Verdict(None, f"The grader failed: {why}", GRADER_FAILED))


class _Said:
    """A verdict that is there, to be looked at as a grader's is"""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict

    def grade(self, turn: GradedTurn) -> Verdict:
        return self.verdict


def _judge(plugins: "Plugins", grader: str, tested: AuditSet, store: Store) -> TurnGrader:
    judge = turn_grader(plugins, grader, store)
    if isinstance(judge, Verifies):
        graders = plugins.registry("graders")
        scripts = [known.script for known in tested.known if known.script]
        with contained(f"the grader {grader!r}", graders.owners[graders.split(grader)[0]]):
            judge.verify([*tested.script.values(), *scripts])
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

    def keep(index: int, verdict: Verdict) -> None:
        nonlocal count
        log.add(_row(left[index], items[left[index]], verdict))
        count += 1
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
