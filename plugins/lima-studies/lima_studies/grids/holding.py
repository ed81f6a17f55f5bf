"""Has the models of a grid's jobs held against an evaluation that is registered or a file, by its grader, and reads its scores.

Each is an ordinary dialogue run. Knows nothing of judges that grade from 1 to 6.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from lima import GRADED, GRADER_FAILED, SCORES, LimaError, Sampling, load_plugins
from lima_dialogue_eval import conversations, dialogue_runs, find_evaluation, replies, resume_evaluation, run_evaluation
from lima_studies.grids.grid import Grid, Job
from lima_studies.grids.training import Trainer, jobs_of
from lima_studies.record.study import Study
from lima_studies.scores.scores import Scale, Scores, scores_of

GRADES = Scale("grade, Fail 0 to Excellent 2", 0.0, 2.0, ((0.0, "fail"), (1.0, "pass"), (2.0, "excellent")))


def grader_of(grid: Grid) -> str:
    """The grader of the grid's evaluation: the one that it names, else the evaluation's own"""
    return grid.evaluated.grader or str(find_evaluation(load_plugins(), grid.evaluated.evaluation).grader)


def held(study: Study, evaluation: str) -> dict[str, str]:
    """The dialogue run of each system that was evaluated"""
    return {row["system"]: row["dialogue_run"] for row in jobs_of(study) if row["evaluation"] == evaluation}


def hold(trainer: Trainer, job: Job) -> None:
    """Evaluate a job's model unless that is done; one that was stopped continues"""
    study, evaluated = trainer.study, trainer.grid.evaluated
    if job.system in held(study, evaluated.evaluation):
        return
    model = trainer.opened(job)
    seeds = [evaluated.seed + evaluated.samples * job.seed + sample for sample in range(evaluated.samples)]
    arm = f"{study.id}: {job.system}"

    def on_progress(done: int, total: int) -> None:
        trainer.on_progress(f"{evaluated.evaluation} with {job.system}", done, total)

    known = [r for r in dialogue_runs(study.store) if (r["arm"], r["evaluation"]) == (arm, evaluated.evaluation)]
    run = "" if job.arm.model else trainer.run(job)
    if not known:
        found = run_evaluation(
            study.store,
            evaluated.evaluation,
            model,
            arm=arm,
            seeds=seeds,
            sampling=Sampling(**evaluated.sampling),
            run_id=run or None,
            grader=evaluated.grader or None,
            on_progress=on_progress,
        )
    else:
        found = known[-1]["id"]
        if known[-1]["status"] != "done" or _failed(study, found):
            resume_evaluation(study.store, found, model, on_progress, grader=evaluated.grader or None)
    if failed := _failed(study, found):
        raise LimaError(
            f"{failed} replies or grades of {job.system} failed; dialogue run {found} says why: `lima dialogues show {found} "
            f"-d {study.store.path}`. The same command asks for them again."
        )
    trainer.note(job, evaluated.evaluation, run, found)


def _failed(study: Study, run: str) -> int:
    """How many of a dialogue run's conversations and grades ended in an error"""
    ended = [row["status"] for row in conversations(study.store, run)]
    return ended.count("error") + sum(
        r["grade_status"] == GRADER_FAILED for some in _rows(study, run).values() for r in some
    )


def graded_scores(study: Study, evaluation: str, arms: Mapping[str, Sequence[str]]) -> list[Scores]:
    """What the evaluation's grader gave each arm; the unit is the conversation"""
    runs = held(study, evaluation)
    rows = {system: _rows(study, run) for system, run in runs.items()}
    turns: dict[str, int] = defaultdict(int)
    for some in rows.values():
        for (conversation, _), replied in some.items():
            turns[conversation] = max(turns[conversation], len(replied))
    found = [_scores(arm, {s: rows[s] for s in systems if s in rows}, turns) for arm, systems in arms.items()]
    return [one for one in found if one.by_tune]


Rows = dict[tuple[str, int], list[dict[str, Any]]]


def _rows(study: Study, run: str) -> Rows:
    """The replies of each conversation and seed, with how the conversation ended"""
    grader = next(row["grader"] for row in dialogue_runs(study.store) if row["id"] == run)
    ended = {(row["conversation"], row["seed"]): row["status"] for row in conversations(study.store, run)}
    found: Rows = {key: [] for key in ended}
    for row in replies(study.store, run, grader):
        found[row["conversation"], row["seed"]].append({**row, "ended": ended[row["conversation"], row["seed"]]})
    return found


def _scores(arm: str, by_system: Mapping[str, Rows], turns: Mapping[str, int]) -> Scores:
    """A conversation that has a reply without a grade has no score; turns that a full context left out are fails"""
    values, given, without = [], list[float](), 0
    for system, conversations_ in by_system.items():
        for (conversation, _), replied in conversations_.items():
            full = bool(replied) and replied[0]["ended"] == "context full"
            points = [
                SCORES[r["grade"]] if r["grade_status"] == GRADED else None
                for r in replied
                if r["status"] == "answered"
            ]
            points += [0] * (turns[conversation] - len(points)) if full else []
            if not points or None in points or len(points) < turns[conversation]:
                without += 1
                continue
            values.append((system, conversation, sum(float(p) for p in points if p is not None) / len(points)))
            given += [float(p) for p in points if p is not None]
    return scores_of(arm, values, without, tuple(by_system), given)
