"""Processes side by side that do a grid's jobs, one thread each, and a parent that gives them out and hears how far they are.

For small models on several cores, where one process with many threads is slower. On any error, Ctrl-C included, none is left
behind, also where the parent is killed. Knows nothing of what a job is about.
"""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from lima import LimaError, Store, contained
from lima_studies.jobs.grid import Grid, Job
from lima_studies.jobs.holding import do
from lima_studies.jobs.training import OnEvent, Trainer, models_of
from lima_studies.record.study import Study

GRACE = 10.0
"Seconds for the workers to leave the database in order before they are killed"
_THREADS = "OMP_NUM_THREADS"


def work_off(trainer: Trainer, jobs: Sequence[Job], workers: int) -> None:
    """Do jobs in their order with this number of processes; LimaError if one fails"""
    left, log = list(jobs), _log(trainer.study)
    team = [_Worker(trainer, log) for _ in range(min(workers, len(left)))]
    try:
        with _as_started():
            for worker in team:
                worker.start()
        for worker in team:
            worker.take(left.pop(0))
        while busy := {worker.pipe: place for place, worker in enumerate(team) if worker.job}:
            for pipe in wait(list(busy)):
                _hear(team[busy[pipe]], busy[pipe], left, trainer.on_event)  # type: ignore[index]
    finally:
        deadline = time.monotonic() + GRACE
        for worker in team:
            worker.interrupt()
        for worker in team:
            worker.end(max(0.1, deadline - time.monotonic()))


def _hear(worker: "_Worker", place: int, left: list[Job], on_event: OnEvent) -> None:
    """Take what a worker says, and give it the next job when it is done; LimaError for a failure or a death"""
    event = worker.heard()
    if isinstance(event, str):
        raise LimaError(event)
    if event.what == "finished":
        worker.job = None
    on_event(replace(event, worker=place))
    if worker.job is None and left:
        worker.take(left.pop(0))


def _log(study: Study) -> Path:
    """Where the workers' own output goes; LimaError where that cannot be"""
    folder = models_of(study)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise LimaError(f"Cannot create {folder}: {e.strerror}. Choose another --database.") from None
    return folder / "workers.log"


@contextmanager
def _as_started() -> Iterator[None]:
    """Processes that are started meanwhile load torch with one thread, and Ctrl-C reaches only their parent"""
    before = os.environ.get(_THREADS)
    os.environ[_THREADS] = "1"
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # they inherit it
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.environ.pop(_THREADS)
        if before is not None:
            os.environ[_THREADS] = before


class _Worker:
    """A process that does jobs, and the pipe to it"""

    def __init__(self, trainer: Trainer, log: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, self.theirs = context.Pipe()
        self.log = log
        self.job: Job | None = None
        of = (str(trainer.store.path.resolve()), trainer.study.id, trainer.grid, trainer.trust_remote_code)
        self.process = context.Process(target=_work, args=(*of, str(log), self.theirs), daemon=True)

    def start(self) -> None:
        """Start it; its end of the pipe is then its own, so that the pipe ends with it"""
        self.process.start()
        self.theirs.close()

    def take(self, job: Job) -> None:
        """Give it a job"""
        self.job = job
        with suppress(BrokenPipeError):  # `heard` reports a process that ended
            self.pipe.send(job)

    def heard(self) -> Any:
        """The next event, or a sentence about what failed; LimaError for a process that has ended"""
        try:
            return self.pipe.recv()
        except (EOFError, OSError):
            self.process.join(GRACE)
            assert self.job
            raise LimaError(
                f"The process of {self.job.system!r} ended with code {self.process.exitcode}. Its last output is in {self.log}."
            ) from None

    def interrupt(self) -> None:
        """Ask it to end"""
        if self.process.is_alive() and self.process.pid:
            os.kill(self.process.pid, signal.SIGINT)

    def end(self, seconds: float) -> None:
        """Wait for its end, and kill it after these seconds"""
        if self.process.pid is not None:
            self.process.join(seconds)
            if self.process.is_alive():
                self.process.kill()
                self.process.join()
        self.pipe.close()


def _work(database: str, study: str, grid: Grid, trust_remote_code: bool, log: str, pipe: Connection) -> None:
    """What a process does: one job after the other, until its parent has no more"""
    threading.Thread(target=_with_parent, daemon=True).start()
    with open(log, "a", encoding="utf-8") as output:  # what libraries print, never between the parent's bars
        for stream in (1, 2):
            os.dup2(output.fileno(), stream)
    with suppress(EOFError, KeyboardInterrupt):
        _listen()
        with Store(database) as store:
            trainer = Trainer(Study(store, study), grid, trust_remote_code, pipe.send)
            while True:
                job = pipe.recv()
                try:
                    with contained("a study"):
                        do(trainer, job)
                except LimaError as e:
                    pipe.send(str(e))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is ending


def _listen() -> None:
    """From now on Ctrl-C comes from the parent alone, which then waits until the database is in order"""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _with_parent() -> None:
    """End with the parent, however it ends"""
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)
