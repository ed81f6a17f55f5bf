"""The paper's dialogue experiment on the village: two arms side by side, graded, compared and written down.

Each arm is a worker process; the parent shows progress and reads the database in the end. Nothing is printed that the models
did not do. Knows nothing of how to fine-tune, converse, grade or compare: it calls what does.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from lima.errors import LimaError
from lima_village.worker import Job, as_json

RECIPE = Path(__file__).with_name("recipe.toml")
SINGLES, DIALOGUES = "village-singles", "village-dialogues"
ARMS = {"before": [SINGLES], "after": [SINGLES, DIALOGUES]}
LABELS = {"before": "1,000 singles", "after": "1,000 singles + 30 dialogues"}
GRACE = 10.0
"""seconds that a worker has to leave the database in order, before it is killed"""

OnEvent = Callable[[str, dict[str, Any]], None]
"""Hears (arm, event)"""


@dataclass
class Demo:
    """One demonstration: what it shall do and what came of it."""

    database: Path
    seeds: Sequence[int]
    evaluations: Sequence[str]
    folder: Path
    held: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    """dialogue runs by (arm, evaluation)"""
    trained: list[str] = field(default_factory=list)
    """runs that are complete"""

    def jobs(self) -> list[Job]:
        """One for each arm; the same recipe but for the dialogues"""
        import tomllib

        recipe = tomllib.loads(RECIPE.read_text(encoding="utf-8"))
        return [
            Job(
                arm,
                str(self.database),
                str(self.folder),
                {**recipe, "sources": sources},
                list(self.seeds),
                list(self.evaluations),
            )
            for arm, sources in ARMS.items()
        ]

    def run(self, on_event: OnEvent) -> None:
        """Do it all; on any error, Ctrl-C among them, no worker is left behind"""
        from lima.store import Store

        Store(self.database).close()  # made and migrated before two workers want it
        self.folder.mkdir(parents=True, exist_ok=True)
        events: Queue[tuple[str, dict[str, Any]]] = Queue()
        workers: dict[str, _Worker] = {}
        log = self.folder / "workers.log"
        try:
            with log.open("a", encoding="utf-8") as errors:
                for job in self.jobs():
                    workers[job.arm] = _Worker(job, errors, events)
            self._listen(workers, events, log, on_event)
        finally:
            _stop(list(workers.values()))
            while not events.empty():  # what was done before the end counts
                self._note(*events.get())

    def _listen(
        self,
        workers: dict[str, _Worker],
        events: Queue[tuple[str, dict[str, Any]]],
        log: Path,
        on_event: OnEvent,
    ) -> None:
        finished: set[str] = set()
        while len(finished) < len(workers):
            try:
                arm, event = events.get(timeout=0.2)
            except Empty:
                continue
            self._note(arm, event)
            on_event(arm, event)
            if event["event"] == "finished":
                finished.add(arm)
            elif event["event"] == "failed":
                raise LimaError(event["message"])
            elif event["event"] == "ended" and arm not in finished:
                raise LimaError(
                    f"The worker of the {arm!r} arm ended with code {workers[arm].process.wait()}. "
                    f"What it said last is in {log}; {self.left()}"
                )

    def _note(self, arm: str, event: dict[str, Any]) -> None:
        if event["event"] == "trained":
            self.trained.append(event["run"])
        elif event["event"] == "held":
            self.held.setdefault((arm, event["evaluation"]), []).append(event["dialogue_run"])

    def left(self) -> str:
        """What an unfinished demonstration leaves, as a sentence with the next step"""
        held = sum(map(len, self.held.values()))
        runs = len(ARMS) * len(self.seeds)
        return (
            f"{self.database} holds {len(self.trained)} of {runs} fine-tunes and {held} of "
            f"{runs * len(self.evaluations)} evaluations. See them with `lima runs -d {self.database}` and "
            f"`lima dialogues -d {self.database}`; begin again with `lima demo`."
        )

    def compared(self, store: Any, evaluation: str) -> Any:
        """The comparison of both arms, seeds pooled"""
        from lima_dialogue_eval import compare

        return compare(store, self.held["before", evaluation], self.held["after", evaluation])


class _Worker:
    """A process that does one job, and a thread that passes its events on"""

    def __init__(self, job: Job, errors: Any, events: Queue[tuple[str, dict[str, Any]]]) -> None:
        # A session of its own: Ctrl-C goes to the parent alone, which then ends its workers in good order.
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lima_village.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )
        self.reader = threading.Thread(target=self._pass_on, args=(job.arm, events), daemon=True)
        self.reader.start()
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError), self.process.stdin as job_file:  # the reader reports one that ended
            job_file.write(as_json(job))

    def _pass_on(self, arm: str, events: Queue[tuple[str, dict[str, Any]]]) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                events.put((arm, json.loads(line)))
        events.put((arm, {"event": "ended"}))

    def interrupt(self) -> None:
        """Ask it to end, if it still works"""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)

    def end(self, seconds: float) -> None:
        """Wait a little, then kill"""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.reader.join()


def _stop(workers: Sequence[_Worker]) -> None:
    deadline = time.monotonic() + GRACE
    for worker in workers:
        worker.interrupt()
    for worker in workers:
        worker.end(max(0.1, deadline - time.monotonic()))


def result(comparison: Any) -> dict[str, Any]:
    """The counts of a comparison, as `lima demo --json` prints them"""

    def counts(arm: Any) -> dict[str, int]:
        return {"excellent": arm.excellent, "pass": arm.passed, "fail": arm.fail, "turns": arm.turns}

    return {
        "before": counts(comparison.before),
        "after": counts(comparison.after),
        "conversations": {"better": comparison.better, "tied": comparison.tied, "worse": comparison.worse},
        "p_value": comparison.p_value,
    }
