"""Verdicts of a grader on the turns of one run, each written down when it is there; what a grader does wrong is a status.

An empty reply is a Fail whatever the grader says. Knows nothing of where the turns come from.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lima import (
    GRADED,
    GRADER_FAILED,
    GRADES,
    UNDECIDED,
    PluginStopped,
    Tick,
    Verdict,
    blank,
    contained,
    said,
    storable,
)
from lima_dialogue_eval.conversation.arrivals import Arrivals, shown
from lima_dialogue_eval.conversation.grade import GradedTurn
from lima_dialogue_eval.evaluation.kinds import GradesMany

FLUSH_SECONDS = 1.0
"Verdicts of a grader that gives one at a time are written this often; of one that gives many, each when it comes"
EMPTY = Verdict("fail", "The reply is empty.")


@dataclass(frozen=True)
class Grading:
    """A grader, by name and hash, and where its rows go"""

    judge: Any
    grader: str
    grader_hash: str
    write: Callable[[list[dict[str, Any]]], None]
    "Takes the grade rows of some turns"

    def grade(self, turns: Sequence[tuple[int, GradedTurn]], on_verdict: Callable[[int], None] | None = None) -> None:
        """Grade turns, each with its seed; `on_verdict` is called with the number of new verdicts"""

        def keep(found: list[tuple[int, Verdict]]) -> None:
            self.write([self._row(*turns[place], verdict) for place, verdict in found])
            if on_verdict:
                on_verdict(len(found))

        asked = [turn for _, turn in turns]
        if isinstance(self.judge, GradesMany):
            judged_many(self.judge, asked, keep)
        else:
            _one_by_one(self.judge, asked, keep)

    def _row(self, seed: int, turn: GradedTurn, verdict: Verdict) -> dict[str, Any]:
        ticks = [{key: storable(v) if isinstance(v, str) else v for key, v in asdict(t).items()} for t in verdict.ticks]
        return {
            "conversation": turn.conversation.id,
            "seed": seed,
            "turn": turn.index + 1,
            "grader": self.grader,
            "grader_hash": self.grader_hash,
            "grade": verdict.grade,
            "reason": storable(verdict.reason),
            "status": verdict.status,
            "ticks": json.dumps(ticks, ensure_ascii=False),
        }


def _one_by_one(judge: Any, turns: Sequence[GradedTurn], keep: Callable[[list[tuple[int, Verdict]]], None]) -> None:
    pending: list[tuple[int, Verdict]] = []
    flushed = time.monotonic()
    try:
        for place, turn in enumerate(turns):
            pending.append((place, judged(judge, turn)))
            if time.monotonic() - flushed > FLUSH_SECONDS:
                done, pending = pending, []
                keep(done)
                flushed = time.monotonic()
    finally:
        if pending:
            keep(pending)


def judged(judge: Any, turn: GradedTurn) -> Verdict:
    """The grader's verdict on one turn; what is wrong with a grader or its verdict is a status and never a grade"""
    if blank(turn.reply):
        return EMPTY
    try:
        with contained("grading a reply"):
            return _checked(judge.grade(turn))
    except PluginStopped:
        raise
    except Exception as e:
        return _failed(e)


def judged_many(judge: Any, turns: Sequence[GradedTurn], keep: Callable[[list[tuple[int, Verdict]]], None]) -> None:
    """Keep the verdicts of a grader that takes many turns at once, each when it comes; one that it leaves out is a status"""
    full = [place for place, turn in enumerate(turns) if not blank(turn.reply)]
    if len(full) < len(turns):
        keep([(place, EMPTY) for place in sorted(set(range(len(turns))) - set(full))])
    if not full:
        return
    arrivals = Arrivals(len(full), lambda found: keep([(full[at], _checked(thing)) for at, thing in found]))
    why: Exception = ValueError("it gave no verdict on this turn")
    try:
        with contained("grading replies"):
            returned = judge.grade_all([turns[place] for place in full], arrivals)
            listed = [] if returned is None else list(returned)
            if len(listed) == len(full):
                arrivals.rest(listed)
    except PluginStopped:
        raise
    except Exception as e:
        why = e
    arrivals.finish()
    if arrivals.missing:
        keep([(full[at], _failed(why)) for at in arrivals.missing])


def _checked(verdict: Any) -> Verdict:
    """The verdict if it is one, with a known grade and status; else a status that says what it is"""
    try:
        problem = _problem(verdict)
    except Exception as e:
        problem = f"a verdict that cannot be read ({type(e).__name__}: {e})"
    if not problem:
        return Verdict(verdict.grade, verdict.reason, verdict.status, tuple(verdict.ticks))
    if isinstance(verdict, BaseException):
        return _failed(verdict)
    return Verdict(None, f"The grader said {problem}.", GRADER_FAILED)


def _failed(error: BaseException) -> Verdict:
    return Verdict(None, f"The grader failed: {said(error)}", GRADER_FAILED)


def _problem(verdict: Any) -> str:
    """What is wrong with a verdict; '' if nothing is"""
    if not isinstance(verdict, Verdict):
        return f"{shown(verdict)}; expected a Verdict"
    if verdict.status not in (GRADED, UNDECIDED, GRADER_FAILED):
        return f"{shown(verdict.status)} as the status; expected {GRADED}, {UNDECIDED} or {GRADER_FAILED}"
    if verdict.grade not in (GRADES if verdict.status == GRADED else (None,)):
        if verdict.status == GRADED:
            return f"{shown(verdict.grade)}; expected {', '.join(GRADES)}"
        return f"{shown(verdict.grade)} although the status is {verdict.status!r}; expected None"
    if not isinstance(verdict.reason, str):
        return f"{shown(verdict.reason)} as the reason; expected text"
    for tick in verdict.ticks:
        right = isinstance(tick, Tick) and isinstance(tick.requirement, str) and isinstance(tick.quote, str)
        if not right or not (tick.met is None or isinstance(tick.met, bool)):
            return f"{shown(tick)} as a tick; expected a Tick with a text, True, False or None, and a quote"
    return ""
