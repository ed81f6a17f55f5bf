"""The one progress bar, on standard error, so that standard output stays the answer. Knows nothing of what progresses."""

from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn


def progress(*columns: ProgressColumn | str, transient: bool = True, expand: bool = False) -> Progress:
    """Bars of these columns, for those who need several or their own"""
    return Progress(*columns, console=Console(stderr=True), transient=transient, expand=expand)


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
