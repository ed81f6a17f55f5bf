"""Some worker processes side by side that take jobs from one queue, and a parent that hears what they tell.

On any error, Ctrl-C among them, no worker is left behind. Knows nothing of what a job is about.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from lima.errors import LimaError
from lima_village.worker import Job

GRACE = 10.0
"""seconds that the workers have to leave the database in order, before they are killed"""

OnEvent = Callable[[str, dict[str, Any]], None]
"""Hears (arm, event); an event tells `worker` and `seed`, too"""


def work_off(jobs: Iterable[Job], number: int, log: Path, on_event: OnEvent) -> None:
    """Do all jobs, the first ones first, with so many workers; LimaError when one cannot be done"""
    left = list(jobs)
    events: Queue[tuple[int, dict[str, Any]]] = Queue()
    busy: dict[int, Job] = {}
    workers: list[_Worker] = []

    def hear(worker: int, event: dict[str, Any]) -> None:
        job = busy[worker]
        on_event(job.arm, {**event, "worker": worker, "seed": job.seed})

    try:
        with log.open("a", encoding="utf-8") as errors:
            for place in range(min(number, len(left))):
                workers.append(_Worker(place, errors, events))
                busy[place] = left.pop(0)
                workers[place].take(busy[place])
        while busy:
            try:
                worker, event = events.get(timeout=0.2)
            except Empty:
                continue
            if worker not in busy:  # it ended after its last job
                continue
            if event["event"] == "failed":
                raise LimaError(event["message"])
            if event["event"] == "ended":
                raise LimaError(
                    f"The worker of the {busy[worker].arm!r} arm ended with code {workers[worker].process.wait()}. "
                    f"What it said last is in {log}."
                )
            hear(worker, event)
            if event["event"] == "finished":
                del busy[worker]
                if left:
                    busy[worker] = left.pop(0)
                    workers[worker].take(busy[worker])
                else:
                    workers[worker].dismiss()
    finally:
        _stop(workers)


class _Worker:
    """A process that does jobs, and a thread that passes its events on"""

    def __init__(self, place: int, errors: Any, events: Queue[tuple[int, dict[str, Any]]]) -> None:
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
        self.reader = threading.Thread(target=self._pass_on, args=(place, events), daemon=True)
        self.reader.start()

    def take(self, job: Job) -> None:
        """Give it a job"""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # the reader reports one that ended
            self.process.stdin.write(job.as_json() + "\n")
            self.process.stdin.flush()

    def dismiss(self) -> None:
        """There is no job left"""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()

    def _pass_on(self, place: int, events: Queue[tuple[int, dict[str, Any]]]) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                events.put((place, json.loads(line)))
        events.put((place, {"event": "ended"}))

    def interrupt(self) -> None:
        """Ask it to end, if it still works"""
        if self.process.poll() is None and self.process.stdin is not None and not self.process.stdin.closed:
            self.process.send_signal(signal.SIGINT)

    def end(self, seconds: float) -> None:
        """Wait a little, then kill"""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.reader.join()
        self.dismiss()


def _stop(workers: Iterable[_Worker]) -> None:
    deadline = time.monotonic() + GRACE
    for worker in workers:
        worker.interrupt()
    for worker in workers:
        worker.end(max(0.1, deadline - time.monotonic()))
