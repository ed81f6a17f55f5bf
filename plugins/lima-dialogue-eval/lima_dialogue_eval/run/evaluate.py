"""Run an evaluation: find it, its grader and its model, and check them before anything is asked; or resume a run of one.

Knows nothing of how replies are asked for and graded, nor of comparing runs.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lima import LimaError, Sampling, Store, TellsPrompts, is_registered, load_plugins, new_run_id, open_model
from lima_dialogue_eval.conversation.converse import RUNNING, Dialogue
from lima_dialogue_eval.evaluation.file_evaluation import check_reading, from_anywhere
from lima_dialogue_eval.evaluation.identity import script_hash
from lima_dialogue_eval.evaluation.kinds import (
    HeldEvaluation,
    TurnGrader,
    check_gradable,
    checks_decide,
    find_evaluation,
    script_of,
    turn_grader,
)
from lima_dialogue_eval.evaluation.models import reopenable
from lima_dialogue_eval.evaluation.part import Part, say
from lima_dialogue_eval.evaluation.provenance import begun_with, check_makers, made_with, resume_command, resumed
from lima_dialogue_eval.record.log import DialogueLog, conversations, find_run, replies
from lima_dialogue_eval.record.rows import dialogue_row, recalled, ungraded, wants_grade
from lima_dialogue_eval.run.estimates import REPLY_TOKENS, Estimate, EstimatesVerdicts, limit, of_replies, of_verdicts
from lima_dialogue_eval.run.evaluation_run import EvaluationRun, OnProgress
from lima_dialogue_eval.statistics import PRIMARY

if TYPE_CHECKING:
    from lima_chat import EvalConversation


@dataclass(frozen=True)
class _Ready:
    """What a run is begun with, found and checked, before anything is asked"""

    found: HeldEvaluation
    whole: "dict[str, EvalConversation]"
    script: "dict[str, EvalConversation]"
    "The part of it that is held"
    grader: str
    judge: TurnGrader
    answering: Any


def _ready(
    store: Store,
    evaluation: str,
    model: Any,
    grader: str | None,
    seeds: Sequence[int],
    sampling: Sampling,
    trust_remote_code: bool,
    part: Part,
) -> _Ready:
    """LimaError for what is unknown or cannot be asked or graded"""
    plugins = load_plugins()
    found = find_evaluation(plugins, evaluation, part.tables)
    check_reading(evaluation, found, part.tables)
    grader = grader or found.grader
    whole, judge = script_of(evaluation, found), turn_grader(plugins, grader, store)
    script = part.of(evaluation, whole)
    check_gradable(plugins, grader, judge, list(script.values()))
    _check_seeds(seeds, sampling)
    answering = open_model(model, store, trust_remote_code) if isinstance(model, str) else model
    check_promptable(answering, [Dialogue(c, 0) for c in script.values()])
    return _Ready(found, whole, script, grader, judge, answering)


def would_ask(
    store: Store,
    evaluation: str,
    model: Any,
    *,
    seeds: Sequence[int],
    sampling: Sampling,
    grader: str | None = None,
    trust_remote_code: bool = False,
    part: Part | None = None,
    budget: str | None = None,
) -> dict[str, Estimate]:
    """What `run_evaluation` would ask, for the replies and, of a grader that asks a model, for its verdicts; asks nothing

    Replies are taken to have 300 tokens, or as many as they may have at most. LimaError as there."""
    ready = _ready(store, evaluation, model, grader, seeds, sampling, trust_remote_code, part or Part())
    limit(budget, [ready.answering, ready.judge])
    script, tokens = list(ready.script.values()), min(REPLY_TOKENS, sampling.max_new_tokens)
    found = {f"replies of {ready.answering.name}": of_replies(ready.answering, script, len(seeds), tokens)}
    if isinstance(ready.judge, EstimatesVerdicts):
        found[f"verdicts of {ready.grader}"] = of_verdicts(ready.judge, script, len(seeds), tokens)
    return found


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
    budget: str | None = None,
) -> str:
    """Hold the conversations of an evaluation, registered or a file, with a model, once a seed; the dialogue run's id

    `model` is something with `reply`, or text as `open_model` takes it. A `budget` is for models and graders that know what
    they spend: dollars ('5') or tokens ('200000tokens'). LimaError for what is unknown or cannot be asked or graded, before
    anything is asked, and if every conversation failed. What failed besides is in the run's counts."""
    plugins, part = load_plugins(), part or Part()
    ready = _ready(store, evaluation, model, grader, seeds, sampling, trust_remote_code, part)
    grader, judge, answering, script = ready.grader, ready.judge, ready.answering, ready.script
    limit(budget, [answering, judge])
    log = DialogueLog(store, new_run_id())
    row = {
        "evaluation": evaluation,
        "evaluation_hash": script_hash(list(script.values())),
        **part.columns(from_anywhere(evaluation, plugins), len(ready.whole), len(script)),
        "model": reopenable(model, answering),
        "run": run_id or run_of(store, str(answering.name)),
        "arm": arm,
        "seeds": json.dumps(list(seeds)),
        "sampling": json.dumps(asdict(sampling)),
        "grader": grader,
        "primary_test": PRIMARY,
        **made_with(plugins, judge, answering, checks_decide(ready.found, evaluation)),
    }
    dialogues = [Dialogue(c, seed) for seed in seeds for c in script.values()]
    say(evaluation, len(ready.whole), list(script.values()), grader)
    with log.exclusive():
        log.start(row, [dialogue_row(d) for d in dialogues])
        return EvaluationRun(log, {"id": log.id, "database": str(store.path), **row}, judge, dialogues).run(
            answering, sampling, on_progress
        )


def resume_evaluation(
    store: Store,
    name: str,
    model: Any = None,
    on_progress: OnProgress | None = None,
    trust_remote_code: bool = False,
    grader: str | None = None,
    evaluation: str | None = None,
    budget: str | None = None,
) -> str:
    """Resume a dialogue run that was interrupted, killed or had errors; what was answered stays

    `model`, `grader` and `evaluation` are those it was begun with, the model open already or by its name. They may be left out
    for a checkpoint, a grader that need not be opened and a registered evaluation; others are opened only when they are named:
    a database may come from anywhere. LimaError for another one, when the evaluation has changed since, when another process
    is at it, or when nothing is left to do."""
    log = DialogueLog(store, find_run(store, name)["id"])
    with log.exclusive():  # before anything is read: another process may just have answered
        return _resume(log, model, on_progress, trust_remote_code, grader, evaluation, budget)


def _resume(
    log: DialogueLog,
    model: Any,
    on_progress: OnProgress | None,
    trust_remote_code: bool,
    grader: str | None,
    named: str | None,
    budget: str | None,
) -> str:
    store, row = log.store, find_run(log.store, log.id)
    plugins = load_plugins()
    again = resume_command(row)
    script, decide = begun_with(plugins, row, named, again)
    why = "" if grader in (None, row["grader"]) else "; resume it with that one"
    if grader is None and plugins.registry("graders").opens(row["grader"]):
        why = ", which is opened only when you name it"
    if why:
        raise LimaError(f"Dialogue run {row['id']} was begun with the grader {row['grader']!r}{why}: {again}")
    done = replies(store, row["id"], row["grader"])
    dialogues = [recalled(script[c["conversation"]], c, done) for c in conversations(store, row["id"])]
    waiting = [d for d in dialogues if d.status == RUNNING]
    # A run that was killed after its last answer only needs its status.
    if row["status"] == "done" and not waiting and not any(map(wants_grade, done)):
        raise LimaError(f"Dialogue run {row['id']} is complete: there is nothing to resume.")
    judge = turn_grader(plugins, row["grader"], store)
    answering = same_model(row, model, store, trust_remote_code, again)
    check_promptable(answering, waiting)
    limit(budget, [answering, judge])
    now = made_with(plugins, judge, answering, decide)
    check_makers(row, now)
    changes, note = resumed(row, now)
    log.identify(changes)
    log.mark(RUNNING)
    row |= changes
    left = ungraded(dialogues, replies(store, row["id"], row["grader"]), decide)
    sampling = Sampling(**row["sampling"])
    return EvaluationRun(log, row, judge, dialogues).run(answering, sampling, on_progress, left, note)


def same_model(row: Mapping[str, Any], model: Any, store: Store, trust_remote_code: bool, again: str) -> Any:
    """The model of a run, opened if it is not; LimaError for one of another name, and for a plugin's that is not named"""
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
    return answering


def _check_seeds(seeds: Sequence[int], sampling: Sampling) -> None:
    if not seeds or len(set(seeds)) < len(seeds):
        raise LimaError(f"The seeds are {list(seeds)}; expected one or more different whole numbers.")
    if sampling.temperature == 0 and len(seeds) > 1:
        raise LimaError(
            f"At temperature 0 the {len(seeds)} seeds give the same reply each: give one seed, or a temperature above 0."
        )


def check_promptable(model: Any, dialogues: Sequence[Dialogue]) -> None:
    """LimaError when a model that tells its prompts can be prompted with the next turn of none of these dialogues

    Or when it cannot be told a system turn that one of them begins with: without it, it would be another conversation."""
    if not isinstance(model, TellsPrompts):
        return
    able, refused = False, None
    for dialogue in dialogues:
        if able and not dialogue.conversation.system:
            continue
        try:
            ids, why = model.prompt_ids(dialogue.prompt()), None
            able = True
        except LimaError as e:
            ids, why, refused = [], e, refused or e
        if dialogue.conversation.system:
            _check_system(model, dialogue, ids, why)
    if refused and not able:
        raise LimaError(
            f"{model.name} cannot hold a conversation. {refused} Fine-tune one that can with `lima train --renderer lima`."
        ) from refused


def _check_system(model: TellsPrompts, dialogue: Dialogue, ids: list[int], why: LimaError | None) -> None:
    """LimaError when a model takes a dialogue only without its system turn, or writes the same whatever that says"""
    system, *rest = dialogue.prompt()
    try:
        other = model.prompt_ids(rest if why else [replace(system, content=f"{system.content} x"), *rest])
    except LimaError:
        return
    if why or ids == other:
        name, reason = getattr(model, "name", model), why or "its template leaves a system turn out."
        raise LimaError(
            f"{name} cannot hold the conversation {dialogue.conversation.id!r}, which begins with a system turn: {reason} Ask a "
            "model whose template has one, such as one trained with `lima train --renderer lima`."
        )


def run_of(store: Store, folder: str) -> str | None:
    """The run that wrote the checkpoint folder, if the model is one"""
    known = store.checkpoints(folder=str(Path(folder).resolve()))
    return known[-1]["run"] if known else None
