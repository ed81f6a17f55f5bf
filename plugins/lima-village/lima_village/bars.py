"""The progress of an experiment on standard error: a bar for all of it and one for each worker.

Knows only what the workers tell.
"""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column

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
"""in a narrow terminal names are cut, times are not"""


def run_with_bars(experiment: Experiment) -> None:
    """Run it, with a bar for all and one for each worker"""
    with Bars(experiment) as bars:
        experiment.run(bars.hear)


class Bars:
    """Bars while an experiment runs; they vanish at its end"""

    def __init__(self, experiment: Experiment) -> None:
        self.seconds = {arm.name: float(arm.seconds or 1) for arm in experiment.arms}
        self.progress = Progress(*COLUMNS, console=Console(stderr=True), transient=True, expand=True)
        self.whole = self.progress.add_task("starting", total=None, who=experiment.id.partition("-")[0])
        self.workers: dict[int, TaskID] = {}
        self.done = self.jobs = 0

    def __enter__(self) -> Bars:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def hear(self, arm: str, event: dict[str, Any]) -> None:
        """Move the bars"""
        what = event["event"]
        if what == "begun":
            self.jobs = event["jobs"]
            self.progress.update(self.whole, total=sum(self.seconds[name] for name in event["left"]))
            self.done = self.jobs - len(event["left"])
        elif what == "finished":
            self.done += 1
            self.progress.advance(self.whole, self.seconds[arm])
        self.progress.update(self.whole, description=f"{self.done} of {self.jobs} done")
        if what not in ("training", "talking"):
            return
        worker = event["worker"]
        if worker not in self.workers:
            self.workers[worker] = self.progress.add_task("", who="")
        bar, who = self.workers[worker], f"{arm}, seed {event['seed']}"
        epoch = f", epoch {event['epoch']}" if event.get("epoch") else ""
        text = f"training, loss {event['loss']:.2f}" if what == "training" else f"{event['evaluation']}{epoch}"
        if text.partition(",")[0] != self.progress.tasks[bar].description.partition(",")[0]:
            self.progress.reset(bar)
        self.progress.update(bar, description=text, completed=event["done"], total=event["total"], who=who)
