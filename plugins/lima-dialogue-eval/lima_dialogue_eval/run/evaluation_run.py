"""One dialogue run under way: its conversations are held, every reply is graded, and each is committed when it is there.

A killed run keeps what was done. Knows nothing of how a run is begun or found again, nor of comparing runs.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lima import LimaError, Sampling
from lima_dialogue_eval.conversation.converse import (
    ANSWERED,
    COMPLETE,
    ERROR,
    FULL,
    RUNNING,
    Dialogue,
    Outcome,
    converse,
)
from lima_dialogue_eval.conversation.grade import GradedTurn
from lima_dialogue_eval.evaluation.kinds import charge
from lima_dialogue_eval.evaluation.provenance import resume_command
from lima_dialogue_eval.record.log import DialogueLog
from lima_dialogue_eval.record.rows import ended_row, turn_row
from lima_dialogue_eval.run.judging import Grading

OnProgress = Callable[[int, int], None]
"Called with (turns done, turns in all)"
ALIVE_SECONDS = 5.0
"While a slow grader grades, progress is told this often, though no reply is added"


class EvaluationRun:
    """A run by its row, with its dialogues as far as they are"""

    def __init__(self, log: DialogueLog, row: Mapping[str, Any], judge: Any, dialogues: list[Dialogue]) -> None:
        self.log, self.row, self.dialogues = log, row, dialogues
        self.grading = Grading(judge, row["grader"], row["grader_hash"], log.grades)

    def run(
        self,
        model: Any,
        sampling: Sampling,
        on_progress: OnProgress | None,
        ungraded: Sequence[tuple[int, GradedTurn]] = (),
        note: str = "",
    ) -> str:
        """Grade what is ungraded, run what is left, and record in the run's row how it ended, with a note; its id"""
        started = time.monotonic()
        charge(model, self.log.id, "reply")
        charge(self.grading.judge, self.log.id, "judge")
        try:
            self.grading.grade(ungraded)
            self._hold(model, sampling, on_progress)
        except BaseException as e:
            status = "interrupted" if isinstance(e, KeyboardInterrupt) else "failed"
            self.log.mark(status, str(e) or type(e).__name__, time.monotonic() - started)
            e.add_note(f"Every turn that was done is kept. Resume with: {resume_command(self.row)}")
            raise
        message = " ".join(part for part in (_ended_early(self.dialogues), note) if part)
        self.log.mark("done", message, time.monotonic() - started)
        return self.log.id

    def _hold(self, model: Any, sampling: Sampling, on_progress: OnProgress | None) -> None:
        total = sum(len(d.conversation.turns) for d in self.dialogues)
        done, told = self._settled(), time.monotonic()

        def tell(so_far: int) -> None:
            nonlocal done, told
            done, told = min(total, so_far), time.monotonic()
            if on_progress:
                on_progress(done, total)

        def keep(outcomes: list[Outcome]) -> None:
            ended = [o for o in outcomes if o.dialogue.status != RUNNING]
            self.log.turns([turn_row(o) for o in outcomes], [ended_row(o) for o in ended])
            tell(self._settled())

        def on_verdict(_: int) -> None:
            if time.monotonic() - told > ALIVE_SECONDS:
                tell(done)

        for outcomes in converse(self.dialogues, model, sampling, keep, lambda more: tell(done + more)):
            self.grading.grade([self._graded(o) for o in outcomes if o.status == ANSWERED], on_verdict)
            if all(d.status == ERROR and d.index == 0 for d in self.dialogues):
                raise LimaError(
                    f"Every conversation failed at its first turn. {model.name} said: {outcomes[0].message}"
                )

    def _settled(self) -> int:
        """How many turns will not be asked any more"""
        return sum(d.index if d.status == RUNNING else len(d.conversation.turns) for d in self.dialogues)

    def _graded(self, outcome: Outcome) -> tuple[int, GradedTurn]:
        dialogue, reply = outcome.dialogue, outcome.reply
        assert reply is not None
        decide = bool(self.row["checks_decide"])
        turn = GradedTurn(dialogue.conversation, outcome.index, outcome.prompt, reply.text, reply.stop, decide)
        return dialogue.seed, turn


def _ended_early(dialogues: Sequence[Dialogue]) -> str:
    """'3 of 30 conversations ended early: context full 2, error 1. …'; empty if all were completed"""
    early = Counter(d.status for d in dialogues if d.status != COMPLETE)
    if not early:
        return ""
    why = ", ".join(f"{status} {n}" for status, n in early.most_common())
    room = " Shorter replies leave room for more turns: --max-new-tokens." if FULL in early else ""
    return f"{early.total()} of {len(dialogues)} conversations ended early: {why}.{room}"
