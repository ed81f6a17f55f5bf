"""A study carried out: every system asked for what it has not replied, every judge about what it has not read.

What is kept is never asked for again, so the same command continues a study that was stopped. Knows nothing of the command line.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lima import LimaError
from lima_chat import Turn
from lima_dialogue_eval import Estimate, count_of, of_batch
from lima_studies.asking.judge import LabelJudge, split_options
from lima_studies.asking.judging import judge_all, unread
from lima_studies.asking.named import check_there, is_recording, loads
from lima_studies.asking.replying import missing, reply_all, sampling_of
from lima_studies.kind import StudyKind
from lima_studies.prompts.prompt import StudyPrompt
from lima_studies.questions import Question
from lima_studies.record.study import JUDGES, Study
from lima_studies.record.systems import System

Open = Callable[[str], Any]
"Opens a model by its name"
OnProgress = Callable[[str, int, int], None]
"Gets what is asked for, how much of it is there, and of how much"
REPLY_TOKENS = 300
"Tokens of a reply that nobody has given yet, as a guess; fewer where replies may not be as long"


@dataclass(frozen=True)
class Work:
    """A study that is to be carried out"""

    study: Study
    kind: StudyKind
    settings: Mapping[str, Any]
    prompts: Sequence[StudyPrompt]
    systems: Sequence[System]
    judges: Sequence[System]

    def run(self, opened: Open, on_progress: OnProgress) -> None:
        """Do what is left; LimaError at the end for replies and verdicts whose last call failed"""
        with self.study.working():
            judges = [(judge, self.opened_judge(judge, opened)) for judge in self.judges]
            for system in self.systems:
                reply_all(
                    self.study,
                    system,
                    lambda system=system: opened(system.spec),  # type: ignore[misc]
                    self.settings,
                    lambda done, total, system=system: on_progress(f"replies of {system.name}", done, total),  # type: ignore[misc]
                )
            for judge, asked in judges:
                self._judge(judge, asked, on_progress)
            self.check_failures()

    def _judge(self, judge: System, asked: Sequence[LabelJudge], on_progress: OnProgress) -> None:
        whole = hashlib.sha256("".join(one.hash for one in asked).encode()).hexdigest()
        self.study.add_rater(judge.name, JUDGES, judge.spec, whole)
        for one in asked:
            judge_all(
                self.study,
                one,
                judge.name,
                self.cases(one.question),
                lambda done, total, one=one: on_progress(f"{one.question.name} by {judge.name}", done, total),  # type: ignore[misc]
            )

    def check_there(self, opened: Open) -> None:
        """LimaError for a system that has replies to give yet, or a judge, that is not there; loads no weights"""
        for system in self.systems:
            if missing(self.study, system, self.prompts, self.settings["samples"]):
                check_there(system.spec, self.study.store, opened)
        for judge in self.judges:
            spec, _ = split_options(judge.spec)
            check_there(spec, self.study.store, opened)
            if not loads(spec):
                self.opened_judge(judge, opened)

    def opened_judge(self, judge: System, opened: Open) -> list[LabelJudge]:
        """The judge, once for each question of the kind"""
        spec, options = split_options(judge.spec)
        model = opened(spec)
        return [LabelJudge(model, question, options) for question in self.kind.questions]

    def cases(self, question: Question, guess: bool = False) -> list[Any]:
        """What judges look at; with `guess` replies that nobody has given yet are as long as the guess"""
        texts = self.study.texts()
        names = [system.name for system in self.systems]
        if guess:
            samples, text = range(self.settings["samples"]), "x" * 4 * self._reply_tokens
            guessed = {(name, p.id, sample): text for name in names for p in self.prompts for sample in samples}
            texts = guessed | texts
        return self.kind.cases(question, self.prompts, names, texts)

    def check_failures(self) -> None:
        """LimaError where a system's or a judge's last call failed, with the first failure's words"""
        failed = [row for row in self.study.replies().values() if row["reply"] is None]
        if failed:
            raise LimaError(
                f"{count_of(len(failed), 'reply', 'replies')} could not be had. The first, of {failed[0]['system']}: "
                f"{failed[0]['error']} "
                "The same command asks for them again."
            )
        latest = {
            (r["question"], r["rater"], r["prompt"], r["first"], r["second"], r["sample"]): r
            for r in self.study.verdicts()
        }
        asked = {judge.name for judge in self.judges}  # one of an earlier command is not asked again by this one
        wrong = [row for row in latest.values() if row["status"] == "error" and row["rater"] in asked]
        if wrong:
            raise LimaError(
                f"{count_of(len(wrong), 'verdict')} could not be had. The first, of {wrong[0]['rater']}: {wrong[0]['answer']} "
                "The same command asks for them again."
            )

    def estimates(self, opened: Open) -> list[dict[str, Any]]:
        """A row for each system and judge, and one for all: runs, calls, tokens, hours, price of what is left; asks nothing"""
        rows = []
        for system in self.systems:
            model = _for_estimate(system.spec, opened)
            asked = missing(self.study, system, self.prompts, self.settings["samples"])
            prompts = [(Turn("user", prompt.text),) for prompt, _ in asked]
            rows.append(
                self._estimated(f"replies of {system.name}", model, of_batch(model, prompts, self._reply_tokens))
            )
        for judge in self.judges:
            for one in self.opened_judge(judge, opened):
                todo, _ = unread(self.study, one, judge.name, self.cases(one.question, guess=True))
                rows.append(self._estimated(f"{one.question.name} by {judge.name}", one.model, one.estimate(todo)))
        return [*rows, _total(rows)]

    @property
    def _reply_tokens(self) -> int:
        return min(REPLY_TOKENS, sampling_of(self.settings).max_new_tokens)

    def _estimated(self, what: str, model: Any, found: Estimate) -> dict[str, Any]:
        seconds = 0.0 if is_recording(str(model.name)) else self.study.seconds_a_call(str(model.name))
        free = isinstance(model, OnThisMachine) or is_recording(str(model.name))
        return {
            "for": what,
            "runs": 0,
            "calls": found.calls,
            "prompt_tokens": found.prompt_tokens,
            "completion_tokens": found.completion_tokens,
            "hours": 0.0 if not found.calls else None if seconds is None else found.calls * seconds / 3600,
            "usd": 0.0 if free or not found.calls else found.usd,
        }


@dataclass(frozen=True)
class OnThisMachine:
    """Stands for a model whose weights need not be loaded to say what it would be asked"""

    name: str


def _for_estimate(spec: str, opened: Open) -> Any:
    """The model, or what stands for one that would have to be loaded"""
    return OnThisMachine(spec) if loads(spec) else opened(spec)


def _total(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The sum of each column; None where a part is not known"""
    columns = [key for key in rows[0] if key != "for"]
    known = {key: None if any(row[key] is None for row in rows) else sum(row[key] for row in rows) for key in columns}
    return {"for": "all", **known}
