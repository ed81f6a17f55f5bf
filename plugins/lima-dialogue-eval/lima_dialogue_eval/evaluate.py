"""Run an evaluation: open the model, hold its conversations, grade every reply, and commit after every turn.

A killed run keeps every turn that was done, and can be resumed. Knows nothing of comparing runs.
"""

import hashlib
import json
import shlex
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lima import (
    GRADED,
    GRADER_FAILED,
    GRADES,
    LimaError,
    PluginStopped,
    Sampling,
    Store,
    TellsPrompts,
    Verdict,
    contained,
    environment,
    new_run_id,
    storable,
)
from lima_dialogue_eval.converse import ANSWERED, COMPLETE, ERROR, FULL, RUNNING, Dialogue, Outcome, converse
from lima_dialogue_eval.file_evaluation import from_anywhere
from lima_dialogue_eval.grade import GradedTurn
from lima_dialogue_eval.kinds import Verifies, find_evaluation, reopened_evaluation, script_of, turn_grader
from lima_dialogue_eval.log import DialogueLog, conversations, find_run, replies
from lima_dialogue_eval.models import is_registered, open_model, reopenable
from lima_dialogue_eval.part import Part, say
from lima_dialogue_eval.rows import dialogue_row, ended_row, recalled, turn_row, wants_grade
from lima_dialogue_eval.statistics import PRIMARY

if TYPE_CHECKING:
    from lima_chat import EvalConversation

OnProgress = Callable[[int, int], None]
"Called with (turns done, turns in all)"


def run_evaluation(
    store: Store,
    evaluation: str,
    model: Any,
    *,
    arm: str,
    seeds: Sequence[int],
    sampling: Sampling,
    run_id: str | None = None,
    grader: str | None = None,
    on_progress: OnProgress | None = None,
    trust_remote_code: bool = False,
    part: Part | None = None,
) -> str:
    """Hold the conversations of an evaluation, registered or a file, with a model, once a seed; the dialogue run's id

    `model` is something with `reply`, or text as `open_model` takes it. LimaError for what is unknown or cannot be graded,
    before anything is asked, and if every conversation failed."""
    from lima import load_plugins

    plugins = load_plugins()
    part = part or Part()
    found = find_evaluation(plugins, evaluation, part.tables)
    grader = grader or found.grader
    whole, judge = script_of(evaluation, found), turn_grader(plugins, grader, store)
    script = part.of(evaluation, whole)
    if isinstance(judge, Verifies):
        graders = plugins.registry("graders")
        with contained(f"the grader {grader!r}", graders.owners[graders.split(grader)[0]]):
            judge.verify(list(script.values()))
    _check_seeds(seeds, sampling)
    answering = open_model(model, store, trust_remote_code) if isinstance(model, str) else model
    _check_promptable(answering, [Dialogue(c, 0) for c in script.values()])
    log = DialogueLog(store, new_run_id())
    row = {
        "evaluation": evaluation,
        "evaluation_hash": script_hash(list(script.values())),
        **part.columns(from_anywhere(evaluation, plugins), len(whole), len(script)),
        "model": reopenable(model, answering),
        "run": run_id or _run_of(store, str(answering.name)),
        "arm": arm,
        "seeds": json.dumps(list(seeds)),
        "sampling": json.dumps(asdict(sampling)),
        "grader": grader,
        "primary_test": PRIMARY,
        "plugins": json.dumps(plugins.rows()),
        "environment": json.dumps(environment(1)),
    }
    dialogues = [Dialogue(c, seed) for seed in seeds for c in script.values()]
    say(evaluation, len(whole), list(script.values()), grader)
    with log.exclusive():
        log.start(row, [dialogue_row(d) for d in dialogues])
        again = _again(log.id, str(row["model"]), grader, row["evaluation_path"])
        return _Evaluation(log, judge, grader, dialogues, again).run(answering, sampling, on_progress)


def resume_evaluation(
    store: Store,
    name: str,
    model: Any = None,
    on_progress: OnProgress | None = None,
    trust_remote_code: bool = False,
    grader: str | None = None,
    evaluation: str | None = None,
) -> str:
    """Resume a dialogue run that was interrupted, killed or had errors; what was answered stays

    `model`, `grader` and `evaluation` are those it was begun with, the model open already or by its name. They may be left out
    for a checkpoint, a grader that need not be opened and a registered evaluation; others are opened only when they are named:
    a database may come from anywhere. LimaError for another one, when the evaluation has changed since, when another process
    is at it, or when nothing is left to do."""
    log = DialogueLog(store, find_run(store, name)["id"])
    with log.exclusive():  # before anything is read: another process may just have answered
        return _resume(log, model, on_progress, trust_remote_code, grader, evaluation)


def _resume(
    log: DialogueLog,
    model: Any,
    on_progress: OnProgress | None,
    trust_remote_code: bool,
    grader: str | None,
    named: str | None,
) -> str:
    from lima import load_plugins

    store, row = log.store, find_run(log.store, log.id)
    plugins = load_plugins()
    again = _again(row["id"], row["model"], row["grader"], row["evaluation_path"])
    part, name = Part.recalled(row["evaluation_part"]), named or row["evaluation"]
    script = part.of(name, script_of(name, reopened_evaluation(plugins, row, named, part.tables, again)))
    if script_hash(list(script.values())) != row["evaluation_hash"]:
        other = f", or is another than {row['evaluation']!r}" if name != row["evaluation"] else ""
        raise LimaError(
            f"The evaluation {name!r} has changed since dialogue run {row['id']} was begun{other}; start a new one."
        )
    why = "" if grader in (None, row["grader"]) else "; resume it with that one"
    if grader is None and plugins.registry("graders").opens(row["grader"]):
        why = ", which is opened only when you name it"
    if why:
        raise LimaError(f"Dialogue run {row['id']} was begun with the grader {row['grader']!r}{why}: {again}")
    judge = turn_grader(plugins, row["grader"], store)
    done = replies(store, row["id"], row["grader"])
    dialogues = [recalled(script[c["conversation"]], c, done) for c in conversations(store, row["id"])]
    ungraded = {(r["conversation"], r["seed"], r["turn"]): r for r in done if wants_grade(r)}
    waiting = [d for d in dialogues if d.status == RUNNING]
    # A run that was killed after its last answer only needs its status.
    if row["status"] == "done" and not ungraded and not waiting:
        raise LimaError(f"Dialogue run {row['id']} is complete: there is nothing to resume.")
    if model is None and is_registered(row["model"]):
        raise LimaError(
            f"Dialogue run {row['id']} was begun with the model {row['model']!r} of a plugin, which is opened only when you name "
            f"it: {again}"
        )
    answering = open_model(model or row["model"], store, trust_remote_code) if isinstance(model, str | None) else model
    if model is not None and (name := reopenable(model, answering)) != row["model"]:
        raise LimaError(
            f"Dialogue run {row['id']} was begun with the model {row['model']!r}; it cannot be resumed with {name!r}. "
            "Start a new one."
        )
    _check_promptable(answering, waiting)
    evaluation = _Evaluation(log, judge, row["grader"], dialogues, again)
    log.mark(RUNNING)
    log.grades(evaluation.regraded(ungraded))
    return evaluation.run(answering, Sampling(**row["sampling"]), on_progress)


def _again(id: str, model: str, grader: str, path: str | None) -> str:
    """The command that resumes a dialogue run"""
    from lima import load_plugins

    named = {"--model": model} if is_registered(model) else {}
    named |= {"--grader": grader} if load_plugins().registry("graders").opens(grader) else {}
    command = ["lima dialogues run", *([shlex.quote(path)] if path else []), f"--resume {id}"]
    return " ".join([*command, *(f"{k} {shlex.quote(v)}" for k, v in named.items())])


class _Evaluation:
    """One dialogue run under way"""

    def __init__(self, log: DialogueLog, judge: Any, grader: str, dialogues: list[Dialogue], again: str) -> None:
        self.log, self.judge, self.grader, self.dialogues, self.again = log, judge, grader, dialogues, again

    def run(self, model: Any, sampling: Sampling, on_progress: OnProgress | None) -> str:
        """Run what is left, and record in the run's row how it ended; its id"""
        started = time.monotonic()
        try:
            self.hold(model, sampling, on_progress)
        except BaseException as e:
            status = "interrupted" if isinstance(e, KeyboardInterrupt) else "failed"
            self.log.mark(status, str(e) or type(e).__name__, time.monotonic() - started)
            e.add_note(f"Every turn that was done is kept. Resume with: {self.again}")
            raise
        self.log.mark("done", _ended_early(self.dialogues), time.monotonic() - started)
        return self.log.id

    def hold(self, model: Any, sampling: Sampling, on_progress: OnProgress | None) -> None:
        total = sum(len(d.conversation.turns) for d in self.dialogues)

        def settled() -> int:
            return sum(d.index if d.status == RUNNING else len(d.conversation.turns) for d in self.dialogues)

        done = settled()

        def while_asking(more: int) -> None:
            nonlocal done
            done = min(total, done + more)
            if on_progress:
                on_progress(done, total)

        for outcomes in converse(self.dialogues, model, sampling, while_asking):
            ended = [o for o in outcomes if o.dialogue.status != RUNNING]
            self.log.turns([turn_row(o) for o in outcomes], [ended_row(o) for o in ended])
            self.log.grades([self.graded(o) for o in outcomes if o.status == ANSWERED])
            if all(d.status == ERROR and d.index == 0 for d in self.dialogues):
                raise LimaError(
                    f"Every conversation failed at its first turn. {model.name} said: {outcomes[0].message}"
                )
            done = settled()
            if on_progress:
                on_progress(done, total)

    def graded(self, outcome: Outcome) -> dict[str, Any]:
        """The grade row of one answered turn"""
        assert outcome.reply is not None
        conversation = outcome.dialogue.conversation
        turn = GradedTurn(conversation, outcome.index, outcome.prompt, outcome.reply.text, outcome.reply.stop)
        return self._row(conversation.id, outcome.dialogue.seed, turn)

    def regraded(self, rows: dict[tuple[str, int, int], dict[str, Any]]) -> list[dict[str, Any]]:
        """Grade rows of turns that were answered before, and not graded"""
        found = []
        for d in self.dialogues:
            for index in range(d.index):
                row = rows.get((d.conversation.id, d.seed, index + 1))
                if row:
                    history = tuple(d.history[: 2 * index + 1])
                    turn = GradedTurn(d.conversation, index, history, row["reply"], row["stop"])
                    found.append(self._row(d.conversation.id, d.seed, turn))
        return found

    def _row(self, conversation: str, seed: int, turn: GradedTurn) -> dict[str, Any]:
        verdict = judged(self.judge, turn)
        return {
            "conversation": conversation,
            "seed": seed,
            "turn": turn.index + 1,
            "grader": self.grader,
            "grade": verdict.grade,
            "reason": storable(verdict.reason),
            "status": verdict.status,
        }


def judged(judge: Any, turn: GradedTurn) -> Verdict:
    """The grader's verdict; a grader that fails, or returns an unknown grade, gives a status and never a grade"""
    try:
        with contained("grading a reply"):
            verdict: Verdict = judge.grade(turn)
    except PluginStopped:
        raise
    except Exception as e:
        return Verdict(None, f"The grader failed: {type(e).__name__}: {e}", GRADER_FAILED)
    if verdict.grade not in (*GRADES, None) or (verdict.grade is None and verdict.status == GRADED):
        return Verdict(None, f"The grader said {verdict.grade!r}; expected {', '.join(GRADES)}.", GRADER_FAILED)
    return verdict


def script_hash(script: "Sequence[EvalConversation]") -> str:
    """SHA-256 of everything that an evaluation asks and requires; runs can be compared only if it is the same"""
    rows = [{key: value for key, value in asdict(c).items() if key != "system" or value} for c in script]
    text = json.dumps(rows, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _check_seeds(seeds: Sequence[int], sampling: Sampling) -> None:
    if not seeds or len(set(seeds)) < len(seeds):
        raise LimaError(f"The seeds are {list(seeds)}; expected one or more different whole numbers.")
    if sampling.temperature == 0 and len(seeds) > 1:
        raise LimaError(
            f"At temperature 0 the {len(seeds)} seeds give the same reply each: give one seed, or a temperature above 0."
        )


def _check_promptable(model: Any, dialogues: Sequence[Dialogue]) -> None:
    """LimaError when a model that tells its prompts can be prompted with the next turn of none of these dialogues"""
    if not isinstance(model, TellsPrompts):
        return
    refused = None
    for dialogue in dialogues:
        try:
            model.prompt_ids(dialogue.prompt())
            return
        except LimaError as e:
            refused = refused or e
    if refused:
        raise LimaError(
            f"{model.name} cannot hold a conversation. {refused} Fine-tune one that can with `lima train --renderer lima`."
        ) from refused


def _ended_early(dialogues: Sequence[Dialogue]) -> str:
    """'3 of 30 conversations ended early: context full 2, error 1. …'; empty if all were completed"""
    early = Counter(d.status for d in dialogues if d.status != COMPLETE)
    if not early:
        return ""
    why = ", ".join(f"{status} {n}" for status, n in early.most_common())
    room = " Shorter replies leave room for more turns: --max-new-tokens." if FULL in early else ""
    return f"{early.total()} of {len(dialogues)} conversations ended early: {why}.{room}"


def _run_of(store: Store, folder: str) -> str | None:
    """The run that wrote the checkpoint folder, if the model is one"""
    known = store.checkpoints(folder=str(Path(folder).resolve()))
    return known[-1]["run"] if known else None
