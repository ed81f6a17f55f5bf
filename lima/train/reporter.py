"""Reports each step to the store, the plugins and the progress bar, and how the run ended.

A step's numbers are read when the next step is queued, so that a GPU never waits. Knows nothing of how a step is made.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from lima.contract.runs import Run
from lima.errors import Diverged
from lima.isolation import SPENT
from lima.plugins import Plugins
from lima.record.runs import RunLog
from lima.train.budget import Budget
from lima.train.metrics import StepMetrics

OnStep = Callable[[int, int, dict[str, Any]], None]
"Called with (step from 1, number of steps, metrics)"

FLUSH_SECONDS = 1.0
"Steps are written to the store this often, and at the end, however the run ends"


class Reporter:
    """The steps of one run so far; only the main process writes rows and calls plugins"""

    def __init__(
        self, run: Run, log: RunLog, plugins: Plugins, budget: Budget, on_step: OnStep | None, main: bool
    ) -> None:
        self.run, self.log, self.plugins, self.budget, self.on_step, self.main = (
            run,
            log,
            plugins,
            budget,
            on_step,
            main,
        )
        self.step = 0
        "The number of the last step"
        self.finished = False
        self.pending: list[dict[str, Any]] = []
        self.in_flight: list[StepMetrics] = []
        self.started = self.flushed = self.clock = time.monotonic()
        self.spent = dict(SPENT)

    def begin_step(self) -> None:
        """Start the step's clock if no step is under way"""
        if not self.in_flight:
            self.clock = time.monotonic()

    def add(self, metrics: StepMetrics, steps: int) -> None:
        """Note a step that is queued on the device, and report the one before it"""
        self.in_flight.append(metrics)
        self.step = metrics.step
        if len(self.in_flight) > 1:
            self._pass_on(steps)

    def settle(self, steps: int) -> None:
        """Report every step that is under way"""
        while self.in_flight:
            self._pass_on(steps)

    def write(self) -> None:
        """Write the pending steps to the store"""
        self.log.steps(self.pending)
        self.pending, self.flushed = [], time.monotonic()

    def end(self, status: str, message: str = "") -> None:
        """Write the steps that are not written yet, and how the run ended"""
        if not self.main:
            return
        with suppress(RuntimeError):  # the device failed: these numbers cannot be read
            self.pending += [m.read() for m in self.in_flight]
        self.in_flight = []
        self.step = max([self.step, *(row["step"] for row in self.pending)])
        self.write()
        notes = " ".join([*self.budget.notes, message]).strip()
        self.log.finish(status, notes, self.step, time.monotonic() - self.started)

    def account(self) -> None:
        """Record the seconds that went into each plugin since the last time"""
        if self.main:
            self.log.spent({plugin: seconds - self.spent.get(plugin, 0.0) for plugin, seconds in SPENT.items()})
            self.spent = dict(SPENT)

    def _pass_on(self, steps: int) -> None:
        """Read the oldest step under way; Diverged if its loss or gradient is not finite"""
        metrics = self.in_flight[0]
        row = metrics.read()
        if wrong := metrics.not_finite():
            self.step, self.in_flight = row["step"] - 1, []
            raise Diverged(wrong)
        row["seconds"], self.clock = metrics.wait() - self.clock, metrics.wait()
        if self.main:
            self.pending.append(row)
        del self.in_flight[0]  # after it was recorded: Ctrl-C may come at any moment
        if not self.main:
            return
        if time.monotonic() - self.flushed > FLUSH_SECONDS:
            self.write()
        self.plugins.call("after_step", run=self.run, step=row["step"], metrics=row | {"steps": steps})
        if self.on_step:
            self.on_step(row["step"], steps, row)
