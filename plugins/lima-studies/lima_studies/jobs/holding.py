"""Has the models of a grid's jobs held against what their arms are for: evaluations, each an ordinary dialogue run, and measures.

What is done is not repeated, and what was stopped continues. Knows nothing of judges that grade from 1 to 6.
"""

import json
from pathlib import Path
from typing import Any

from lima import GRADER_FAILED, LimaError, Sampling
from lima_studies.jobs.grid import Holding, Job
from lima_studies.jobs.training import Event, Trainer
from lima_studies.record.study import Study


def do(trainer: Trainer, job: Job) -> None:
    """Train a job, and hold its model against what its arm is for"""
    run = None if job.arm.model else trainer.run(job)
    trainer.on_event(Event("trained", job))
    for holding in trainer.grid.held(job.arm):
        for epoch, folder in trainer.checkpoints(job, holding.every_epoch):
            if not _is_done(trainer, job, holding, epoch, run):
                (_measure if holding.measure else _hold)(trainer, job, holding, epoch, folder, run)
                trainer.on_event(Event("held", job, evaluation=holding.evaluation, epoch=epoch))
    trainer.on_event(Event("finished", job))


def is_done(trainer: Trainer, job: Job) -> bool:
    """Whether nothing of a job is left, according to rows and folders"""
    known = trainer.known(job)
    run = str(known["id"]) if known else None
    noted = trainer.ledger.noted(job.arm.name, job.seed).get(("", 0), {"run": None})["run"]
    if not trainer.is_trained(job) or noted != run:
        return False
    return all(
        _is_done(trainer, job, holding, epoch, run)
        for holding in trainer.grid.held(job.arm)
        for epoch, _ in trainer.checkpoints(job, holding.every_epoch)
    )


def _is_done(trainer: Trainer, job: Job, holding: Holding, epoch: int, run: str | None) -> bool:
    """Whether it is recorded, of this run"""
    noted = trainer.ledger.noted(job.arm.name, job.seed).get((holding.evaluation, epoch))
    return noted is not None and noted["run"] == run


def _measure(trainer: Trainer, job: Job, holding: Holding, epoch: int, folder: Path, run: str | None) -> None:
    assert holding.measure
    found = holding.measure(trainer.opened(job, folder), holding.evaluation, trainer.store, run)
    trainer.ledger.note(job.arm.name, job.seed, holding.evaluation, epoch, run, value=found)


def _hold(trainer: Trainer, job: Job, holding: Holding, epoch: int, folder: Path, run: str | None) -> None:
    """Run an evaluation, or resume the one that was stopped; LimaError for replies or grades that failed"""
    from lima import load_plugins
    from lima_dialogue_eval import begun_since, find_evaluation, reopenable, resume_evaluation, run_evaluation

    store, model, evaluation = trainer.store, trainer.opened(job, folder), holding.evaluation
    grader = holding.grader or str(find_evaluation(load_plugins(), evaluation).grader)
    # A run is the study's own; the model of an arm that is not trained may be that of another study as well.
    arm, seeds = job.arm.name if run else f"{trainer.study.id}: {job.arm.name}", holding.seeds(job)

    def on_progress(done: int, total: int) -> None:
        trainer.on_event(Event("holding", job, done, total, evaluation=holding.evaluation, epoch=epoch))

    known = {
        "evaluation": holding.evaluation,
        "model": reopenable(model, model),
        "arm": arm,
        "seeds": json.dumps(seeds),
    }
    begun = begun_since(store, trainer.study.row["created"], **known, **({"run": run} if run else {}))
    if begun is None:
        how: dict[str, Any] = {"arm": arm, "seeds": seeds, "sampling": Sampling(**holding.sampling)}
        found = run_evaluation(store, evaluation, model, run_id=run, grader=grader, on_progress=on_progress, **how)
    else:
        found = str(begun["id"])
        if begun["status"] != "done" or failed_in(trainer.study, found):
            resume_evaluation(store, found, model, on_progress, grader=grader, evaluation=evaluation)
    if failed := failed_in(trainer.study, found):
        raise LimaError(
            f"{failed} replies or grades of {job.system} failed; dialogue run {found} says why: `lima dialogues show {found} "
            f"-d {store.path}`. The study asks for them again when it continues."
        )
    trainer.ledger.note(job.arm.name, job.seed, holding.evaluation, epoch, run, found)


def failed_in(study: Study, run: str) -> int:
    """How many of a dialogue run's conversations and grades ended in an error"""
    from lima_dialogue_eval import conversations, find_run, replies

    ended = [row["status"] for row in conversations(study.store, run)]
    graded = replies(study.store, run, find_run(study.store, run)["grader"])
    return ended.count("error") + sum(row["grade_status"] == GRADER_FAILED for row in graded)
