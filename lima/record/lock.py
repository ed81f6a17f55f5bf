"""One process at a time: a lock file that is released when its process ends, however it ends.

Knows nothing of what is locked.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from lima.errors import LimaError

PATIENCE = 0.3
"Seconds to try for a lock: a process that only asks whether it is locked has it for a moment"


@contextmanager
def exclusive(file: Path, what: str) -> Iterator[None]:
    """Take the lock of that file, or raise LimaError that another process is doing `what`, such as 'training into out'"""
    lock = FileLock(file)
    try:
        lock.acquire(timeout=PATIENCE, poll_interval=0.01)
    except Timeout:
        raise LimaError(f"Another process is {what} right now. Wait for it, or stop it.") from None
    except OSError as e:
        raise LimaError(f"Cannot make the lock file {file}: {e.strerror}. Make its folder writable.") from None
    try:
        yield
    finally:
        # Before the release: a process that has opened this file then locks one without a name, and FileLock tries again.
        file.unlink(missing_ok=True)
        lock.release()


def held(file: Path) -> bool:
    """Whether a process has the lock of that file, or may have it because it cannot be tried. Nothing is created or written"""
    try:
        handle = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        return _is_locked(handle)
    finally:
        os.close(handle)


def _is_locked(handle: int) -> bool:
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    return False
