"""The progress of an experiment and of a base's training on standard error. It knows only the events that it is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column

from lima.cli.progress import progress as bars_of

if TYPE_CHECKING:
    from lima_studies import Event
    from lima_village.experiment import Experiment

TIME = Column(min_width=7, no_wrap=True)
COLUMNS = (
    TextColumn("{task.fields[who]}", table_column=Column(min_width=13, max_width=22, ratio=4, no_wrap=True)),
    TextColumn("{task.description}", table_column=Column(min_width=20, max_width=32, ratio=5, no_wrap=True)),
    BarColumn(bar_width=None, table_column=Column(min_width=5, ratio=2)),
    TextColumn("{task.percentage:>3.0f} %", table_column=Column(min_width=5, no_wrap=True)),
    TimeElapsedColumn(table_column=TIME),
    TimeRemainingColumn(table_column=TIME),
)
"""a narrow terminal cuts names, not times"""


def _progress() -> Progress:
    return bars_of(*COLUMNS, expand=True)


def run_with_bars(experiment: Experiment) -> None:
    """Run an experiment, with a bar for the whole and one for each worker"""
    bars = Bars(experiment)
    with bars.progress:
        experiment.run(bars.hear)


@contextmanager
def training_bar() -> Iterator[Any]:
    """A bar for the training of a base; yields the `on_step` of `pretrain`"""
    with _progress() as progress:
        bar = progress.add_task("reading the text", total=None, who="pretraining")

        def on_step(step: int, steps: int, loss: float) -> None:
            progress.update(bar, completed=step, total=steps, description=f"{step:,} of {steps:,}, loss {loss:.3f}")

        yield on_step


class Bars:
    """Bars while an experiment runs; they vanish at its end"""

    def __init__(self, experiment: Experiment) -> None:
        self.progress = _progress()
        self.whole = self.progress.add_task("starting", total=None, who=experiment.id.partition("-")[0])
        self.workers: dict[int, TaskID] = {}
        self.jobs = self.left = len(experiment.grid.jobs())
        self.doing: dict[int, float] = {}
        "Of what each worker is at, how much is trained, in the units of the whole"
        self.done = 0.0

    def hear(self, event: Event) -> None:
        """Move the bars"""
        if event.what == "begun":
            self.left = len(event.left)
            self.progress.update(self.whole, total=sum(job.arm.seconds or 1.0 for job in event.left))
        elif event.what == "finished" and event.job:
            self.left -= 1
            self.done += event.job.arm.seconds or 1.0
            self.doing.pop(event.worker, None)
        elif event.job and event.total and not event.evaluation:
            self.doing[event.worker] = (event.job.arm.seconds or 1.0) * event.done / event.total
        self.progress.update(
            self.whole,
            description=f"{self.jobs - self.left} of {self.jobs} done",
            completed=self.done + sum(self.doing.values()),
        )
        if not event.total or not event.job:
            return
        if event.worker not in self.workers:
            self.workers[event.worker] = self.progress.add_task("", who="")
        bar, epoch = self.workers[event.worker], f", epoch {event.epoch}" if event.epoch else ""
        text = f"{event.evaluation}{epoch}" if event.evaluation else f"training, loss {event.loss:.2f}"
        if text.partition(",")[0] != self.progress.tasks[bar].description.partition(",")[0]:
            self.progress.reset(bar)
        self.progress.update(bar, description=text, completed=event.done, total=event.total, who=event.job.system)
