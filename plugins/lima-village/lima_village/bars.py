"""The progress of an experiment on standard error: a bar for all of it and one for each worker.

Knows only what the workers tell.
"""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from lima_village.experiment import Experiment

COLUMNS = (
    TextColumn("{task.fields[who]:<22}"),
    TextColumn("{task.description:<32}"),
    BarColumn(bar_width=None),
    TextColumn("{task.percentage:>3.0f} %"),
    TimeElapsedColumn(),
    TimeRemainingColumn(),
)


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
        self.progress.update(self.whole, description=f"{self.done} of {self.jobs} arms and seeds")
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
