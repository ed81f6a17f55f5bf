"""Processes side by side that train and evaluate a grid's jobs, one thread each, and a parent that hears how far they are.

For small models on several cores, where one process with many threads is slower. On any error, Ctrl-C included, none is left
behind, also where the parent is killed. Knows nothing of what a job is about.
"""

import multiprocessing
import os
import threading
from collections.abc import Sequence
from contextlib import contextmanager
from queue import Empty
from typing import Any

from lima import LimaError, Store, contained
from lima_studies.grids.grid import Grid, Job
from lima_studies.grids.holding import hold
from lima_studies.grids.training import OnProgress, Trainer
from lima_studies.record.study import Study

GRACE = 10.0
"Seconds for a worker to leave the database in order before it is killed"
_THREADS = "OMP_NUM_THREADS"


def work_off(trainer: Trainer, jobs: Sequence[Job], workers: int) -> None:
    """Train and evaluate jobs in their order with this number of processes; LimaError if one fails"""
    context = multiprocessing.get_context("spawn")
    todo, events = context.Queue(), context.Queue()
    for job in [*jobs, *[None] * workers]:
        todo.put(job)
    given = (str(trainer.store.path.resolve()), trainer.study.id, trainer.grid, trainer.trust_remote_code, todo, events)
    processes = [context.Process(target=_work, args=given, daemon=True) for _ in range(workers)]
    with _one_thread():
        for process in processes:
            process.start()
    try:
        _hear(processes, events, trainer.on_progress)
    finally:
        _end(processes)


@contextmanager
def _one_thread() -> Any:
    """Processes that are started meanwhile load torch with one thread"""
    before = os.environ.get(_THREADS)
    os.environ[_THREADS] = "1"
    try:
        yield
    finally:
        os.environ.pop(_THREADS)
        if before is not None:
            os.environ[_THREADS] = before


def _hear(processes: Sequence[Any], events: Any, on_progress: OnProgress) -> None:
    """Until all have ended and nothing is left to hear; LimaError for what one says that failed, or for one that died"""
    while True:
        ended = not any(process.is_alive() for process in processes)  # before the last events are taken
        try:
            what, done, total = events.get(timeout=0.0 if ended else 0.2)
        except Empty:
            if ended:
                return
        else:
            if total < 0:
                raise LimaError(what)
            on_progress(what, done, total)
        if wrong := [process for process in processes if process.exitcode]:
            raise LimaError(
                f"A process that trained for this study ended with code {wrong[0].exitcode}. The same command continues without "
                "what it had done; --workers 1 shows what went wrong."
            )


def _end(processes: Sequence[Any]) -> None:
    for process in processes:
        if process.is_alive():
            process.terminate()
    for process in processes:
        process.join(GRACE)
        if process.is_alive():
            process.kill()
            process.join()


def _work(database: str, study: str, grid: Grid, trust_remote_code: bool, todo: Any, events: Any) -> None:
    """What a process does"""
    import signal

    threading.Thread(target=_with_parent, daemon=True).start()
    signal.signal(signal.SIGTERM, _interrupted)
    with Store(database) as store:
        trainer = Trainer(Study(store, study), grid, trust_remote_code, lambda *event: events.put(event))
        while (job := todo.get()) is not None:
            try:
                with contained("a study"):
                    do(trainer, job)
            except LimaError as e:
                events.put((str(e), 0, -1))
                return
            except KeyboardInterrupt:
                return


def do(trainer: Trainer, job: Job) -> None:
    """Train a job, and evaluate it if the grid has an evaluation"""
    if not job.arm.model:
        trainer.run(job)
    if trainer.grid.evaluated.evaluation:
        hold(trainer, job)


def _interrupted(*_: Any) -> None:
    raise KeyboardInterrupt


def _with_parent() -> None:
    """End with the parent, however it ends"""
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)
