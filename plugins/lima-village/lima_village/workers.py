"""Worker processes that take jobs from one queue, and a parent that receives their events.

On any error, Ctrl-C included, no worker is left behind. This module does not know what a job is about.
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

from lima import LimaError
from lima_village.worker import Job

GRACE = 10.0
"""seconds for the workers to leave the database in order before they are killed"""

OnEvent = Callable[[str, dict[str, Any]], None]
"""Gets (arm, event); an event also has `worker` and `seed`"""
Events = Queue[tuple[int, dict[str, Any]]]


def work_off(jobs: Iterable[Job], number: int, log: Path, on_event: OnEvent) -> None:
    """Do all jobs in order with `number` workers; LimaError if one fails"""
    left = list(jobs)
    events: Events = Queue()
    busy: dict[int, Job] = {}
    workers: list[_Worker] = []

    def next_job(place: int) -> None:
        busy[place] = left.pop(0)
        workers[place].take(busy[place])

    try:
        with log.open("a", encoding="utf-8") as errors:
            for place in range(min(number, len(left))):
                workers.append(_Worker(place, errors, events))
                next_job(place)
        while busy:
            try:
                place, event = events.get(timeout=0.2)
            except Empty:
                continue
            if place not in busy:  # it ended after its last job
                continue
            job = busy[place]
            if event["event"] == "failed":
                raise LimaError(event["message"])
            if event["event"] == "ended":
                code = workers[place].process.wait()
                raise LimaError(
                    f"The worker of the {job.arm!r} arm ended with code {code}. Its last output is in {log}."
                )
            on_event(job.arm, {**event, "worker": place, "seed": job.seed})
            if event["event"] == "finished":
                del busy[place]
                if left:
                    next_job(place)
                else:
                    workers[place].dismiss()
    finally:
        deadline = time.monotonic() + GRACE
        for worker in workers:
            worker.interrupt()
        for worker in workers:
            worker.end(max(0.1, deadline - time.monotonic()))


class _Worker:
    """A process that does jobs, and a thread that passes its events on"""

    def __init__(self, place: int, errors: Any, events: Events) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lima_village.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C reaches only the parent, which then ends its workers properly
        )
        assert self.process.stdin is not None
        self.jobs = self.process.stdin
        self.reader = threading.Thread(target=self._pass_on, args=(place, events), daemon=True)
        self.reader.start()

    def take(self, job: Job) -> None:
        """Give it a job"""
        with contextlib.suppress(BrokenPipeError):  # the reader reports a process that ended
            self.jobs.write(job.as_json() + "\n")
            self.jobs.flush()

    def dismiss(self) -> None:
        """Tell it that no job is left"""
        with contextlib.suppress(BrokenPipeError):
            self.jobs.close()

    def _pass_on(self, place: int, events: Events) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                events.put((place, json.loads(line)))
        events.put((place, {"event": "ended"}))

    def interrupt(self) -> None:
        """Ask it to end if it is still working"""
        if self.process.poll() is None and not self.jobs.closed:
            self.process.send_signal(signal.SIGINT)

    def end(self, seconds: float) -> None:
        """Wait for its end, and kill it after these seconds"""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.reader.join()
        self.dismiss()
