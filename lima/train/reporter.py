"""What comes of each step, on its way to the store, the plugins and the progress bar; and the run's row, true however it ends.

A step's numbers are read when the next step is queued, so that no GPU waits. Knows nothing of how a step is made.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from lima.contract.runs import Run
from lima.errors import LimaError
from lima.plugins import Plugins
from lima.record.runs import RunLog
from lima.train.budget import Budget
from lima.train.metrics import StepMetrics

OnStep = Callable[[int, int, dict[str, Any]], None]
"Called with (step from 1, number of steps, metrics)"

FLUSH_SECONDS = 1.0
"Steps are written to the store this often, and at the end whatever the end is"


class Reporter:
    """The steps of one run so far; on any process but the main one nothing is written or called"""

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
        "The last step that was made"
        self.finished = False
        self.pending: list[dict[str, Any]] = []
        self.in_flight: list[StepMetrics] = []
        self.started = self.flushed = self.clock = time.monotonic()

    def begin_step(self) -> None:
        """The clock starts here where nothing is under way"""
        if not self.in_flight:
            self.clock = time.monotonic()

    def add(self, metrics: StepMetrics, steps: int) -> None:
        """A step is queued on the device; the one before it is passed on"""
        self.in_flight.append(metrics)
        self.step = metrics.step
        if len(self.in_flight) > 1:
            self._pass_on(steps)

    def settle(self, steps: int) -> None:
        """Pass on everything; nothing is under way after this"""
        while self.in_flight:
            self._pass_on(steps)

    def write(self) -> None:
        """Write the pending steps to the store"""
        self.log.steps(self.pending)
        self.pending, self.flushed = [], time.monotonic()

    def end(self, status: str, message: str = "") -> None:
        """Write what is there of the steps, and how the run ended"""
        if not self.main:
            return
        with suppress(RuntimeError):  # of a device that failed: its numbers never come
            self.pending += [m.read() for m in self.in_flight]
        self.in_flight = []
        self.step = max([self.step, *(row["step"] for row in self.pending)])
        self.write()
        notes = " ".join([*self.budget.notes, message]).strip()
        self.log.finish(status, notes, self.step, time.monotonic() - self.started)

    def _pass_on(self, steps: int) -> None:
        """Read the oldest step under way; LimaError where its loss or gradient is not a finite number"""
        metrics = self.in_flight[0]
        row = metrics.read()
        if wrong := metrics.not_finite():
            self.step, self.in_flight = row["step"] - 1, []
            raise LimaError(wrong)
        row["seconds"], self.clock = metrics.wait() - self.clock, metrics.wait()
        if self.main:
            self.pending.append(row)
        del self.in_flight[0]  # after it is noted: Ctrl-C may come at any moment
        if not self.main:
            return
        if time.monotonic() - self.flushed > FLUSH_SECONDS:
            self.write()
        self.plugins.call("after_step", run=self.run, step=row["step"], metrics=row | {"steps": steps})
        if self.on_step:
            self.on_step(row["step"], steps, row)
