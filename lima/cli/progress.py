"""The one progress bar, on standard error, so that standard output stays the answer. Without a terminal, lines now and then.

Knows nothing of what progresses.
"""

import time
from typing import Any, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from lima.text import visible

LINE_SECONDS = 10.0
"Without a terminal the first line comes after this time, and none sooner after another: what is done before says nothing"
LINES = 60
"Of a long task about so many lines while its time doubles, so that a log stays short"


def progress(*columns: ProgressColumn | str, transient: bool = True, expand: bool = False) -> Progress:
    """Bars of these columns, for those who need several or their own"""
    console = Console(stderr=True)
    return (Progress if console.is_terminal else _Lines)(*columns, console=console, transient=transient, expand=expand)


class _Lines(Progress):
    """What stands in for bars in a pipe or a log: the columns of what moved as a line, every few seconds"""

    def __init__(self, *columns: ProgressColumn | str, **settings: Any) -> None:
        super().__init__(*columns, disable=True, **settings)
        self.begun: float | None = None
        self.due = 0.0

    def update(self, task_id: TaskID, **changes: Any) -> None:
        """Change a task, and say how far it is if it is time"""
        super().update(task_id, **changes)
        now = time.monotonic()
        if self.begun is None:
            self.begun, self.due = now, now + LINE_SECONDS
        if now >= self.due:
            self.due = now + max(LINE_SECONDS, (now - self.begun) / LINES)
            print(self._line(task_id), file=self.console.file, flush=True)

    def _line(self, task_id: TaskID) -> str:
        task = next(task for task in self.tasks if task.id == task_id)
        parts = []
        for column in self.columns:
            if isinstance(column, str | BarColumn):
                continue
            text = visible(str(column(task))).strip()
            parts.append(f"{text} left" if isinstance(column, TimeRemainingColumn) else text)
        return "  ".join(part for part in parts if part)


class Bar:
    """One bar: a description, how much of how much is done, a note where there is one, and the time that is left

    It is shown from its first move on, so that an error before that stands alone."""

    def __init__(self, description: str, note: str = "", transient: bool = True) -> None:
        notes = (TextColumn("{task.fields[note]}"),) if note else ()
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), *notes)
        self.progress = progress(*columns, TimeRemainingColumn(), transient=transient)
        self.task = self.progress.add_task(description, total=None, note=note)

    def move(self, done: int, total: int | None, **note: Any) -> None:
        """Say that so much of `total` is done, None where that is not known yet; with a new `note`"""
        self.progress.start()
        self.progress.update(self.task, completed=done, total=total, **note)

    def describe(self, description: str) -> None:
        """Another description"""
        self.progress.update(self.task, description=description)

    def stop(self) -> None:
        """No longer show it"""
        if self.progress.live.is_started:  # stopping one that never started prints an empty line
            self.progress.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
