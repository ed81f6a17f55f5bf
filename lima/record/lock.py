"""One process at a time: a lock file that is gone again when its holder is, however that ended.

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
"Seconds that a lock is tried for: whoever only asks whether it is held has it for a moment"


@contextmanager
def exclusive(file: Path, what: str) -> Iterator[None]:
    """Hold the lock of that file, or raise LimaError that another process is doing `what`, such as 'training into out'"""
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
        # While it is held: a process that opened this file before locks a file without a name then, and FileLock tries again.
        file.unlink(missing_ok=True)
        lock.release()


def held(file: Path) -> bool:
    """Whether a process holds the lock of that file, or might: one that cannot be asked for. Nothing is made or written"""
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
