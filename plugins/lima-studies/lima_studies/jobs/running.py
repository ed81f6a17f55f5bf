"""A grid carried out: every job trained and held, each thing once; who runs it again continues what was stopped.

Knows nothing of judges, of the command line or of what the scores say.
"""

import gc
from dataclasses import dataclass

from lima_studies.jobs.grid import Grid, Job
from lima_studies.jobs.holding import do, is_done
from lima_studies.jobs.training import Event, OnEvent, Trainer
from lima_studies.jobs.workers import work_off
from lima_studies.record.study import Study


@dataclass(frozen=True)
class GridRun:
    """A grid with the study that it is"""

    study: Study
    grid: Grid
    trust_remote_code: bool = False

    def trainer(self, on_event: OnEvent = lambda _: None) -> Trainer:
        """What trains and opens its models"""
        return Trainer(self.study, self.grid, self.trust_remote_code, on_event)

    def left(self) -> list[Job]:
        """The jobs that are to be trained or held yet, the longest first"""
        trainer = self.trainer()
        jobs = [job for job in self.grid.jobs() if not is_done(trainer, job)]
        return sorted(jobs, key=lambda job: -job.arm.seconds)

    def run(self, on_event: OnEvent, workers: int = 0) -> None:
        """Do what is left, one job at a time in this number of processes with one thread each; with 0 in this process

        LimaError for the first that fails; on any error, Ctrl-C included, no process is left behind."""
        trainer = self.trainer(on_event)
        with self.study.working():
            left = self.left()
            on_event(Event("begun", left=tuple(left)))
            if workers and left:
                work_off(trainer, left, workers)
            for job in [] if workers else left:
                do(trainer, job)
                gc.collect()
