"""A mark in a file while code of a plugin runs in which lima starts: what a process leaves that did not survive it.

So a plugin that ends the process, or crashes it, is known at the next start and set aside before any of its code runs. A mark is
locked by its process as long as that lives, and gone when the code has returned. Where the user's folder cannot be written, and
on Windows, there are no marks. A process that is told to end leaves none. Knows nothing of what plugins are.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

if sys.platform != "win32":
    import fcntl


_numbers = count()


class Mark(NamedTuple):
    """What a process that ended has left"""

    plugin: str
    version: str
    place: str
    "Which of its code ran, such as 'its import'"


class Marks:
    """The marks of this process, and those that others have left, in one folder"""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def left(self) -> dict[str, Mark]:
        """What processes have left that did not survive a plugin, by its name"""
        found = {}
        for file in self._files():
            lines = [] if _is_locked(file) else _lines(file)
            if len(lines) == 3:
                found[lines[0]] = Mark(*lines)
        return found

    def forget(self, plugin: str) -> bool:
        """Remove what was left of a plugin, so that it is tried again; whether there was anything"""
        found = False
        for file in self._files():
            if _lines(file)[:1] == [plugin] and not _is_locked(file):
                file.unlink(missing_ok=True)
                found = True
        return found

    @contextmanager
    def during(self, plugin: str, version: str, place: str) -> Iterator[None]:
        """Say within this block that this code of the plugin runs"""
        file = self.folder / f"{os.getpid()}-{next(_numbers)}.mark"
        handle = self._made(file, "\n".join((plugin, version, place)))
        try:
            with _removed_when_told_to_end(file) if handle is not None else nullcontext():
                yield
        finally:
            if handle is not None:
                file.unlink(missing_ok=True)
                os.close(handle)

    def _made(self, file: Path, content: str) -> int | None:
        """The handle of a locked file with this content; None where it cannot be made, which must not stop lima"""
        if sys.platform == "win32":
            return None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            file.unlink(missing_ok=True)  # of an earlier process with this number
            handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError:
            return None
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.write(handle, content.encode())
        return handle

    def _files(self) -> list[Path]:
        try:
            return sorted(self.folder.glob("*.mark")) if self.folder.is_dir() else []
        except OSError:
            return []


@contextmanager
def _removed_when_told_to_end(file: Path) -> Iterator[None]:
    """Remove the file within this block before the process ends because somebody, such as a launcher, asked it to"""

    def end(number: int, frame: Any) -> None:
        file.unlink(missing_ok=True)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    told = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is signal.SIG_DFL]
    if threading.current_thread() is not threading.main_thread():  # where Python sets no handlers
        told = []
    for number in told:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in told:
            if signal.getsignal(number) is end:
                signal.signal(number, signal.SIG_DFL)


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _is_locked(file: Path) -> bool:
    """Whether the process that wrote it lives, or this cannot be known"""
    if sys.platform == "win32":
        return True
    try:
        handle = os.open(file, os.O_RDONLY)
    except OSError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False
