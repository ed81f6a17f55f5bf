"""One process at a time: a lock file that is gone again when its holder is, however that ended.

Knows nothing of what is locked.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from lima.errors import LimaError


@contextmanager
def alone(file: Path, what: str) -> Iterator[None]:
    """Hold the lock of that file, or raise LimaError that another process is doing `what`, such as 'training into out'"""
    try:
        with FileLock(file, blocking=False):
            try:
                yield
            finally:
                file.unlink(missing_ok=True)
    except Timeout:
        raise LimaError(f"Another process is {what} right now. Wait for it, or stop it.") from None


def held(file: Path) -> bool:
    """Whether a process holds the lock of that file, or might: one that cannot be asked for"""
    if not file.is_file():
        return False
    try:
        with FileLock(file, blocking=False):
            return False
    except OSError:  # which a Timeout is as well
        return True
