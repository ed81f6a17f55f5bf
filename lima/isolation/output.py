"""Standard output, kept for what lima prints: what else is written, to its file too, goes to standard error.

So `--json` stays JSON whatever a plugin prints, a library in C, or a program that one of them starts. Knows nothing of plugins.
"""

import atexit
import io
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

_kept: list[int] = []
"The number that the file of standard output has within `own_output`"


@contextmanager
def own_output() -> Iterator[None]:
    """Within this block `sys.stdout` alone writes to standard output, and what writes to file 1 writes to standard error

    When the process ends, what code of others prints then goes to standard error, too. A terminal is left as it is: it is asked
    for input there, and nobody parses it. So is an output that somebody has put in its place."""
    before = sys.stdout
    try:
        ours = before.fileno() == 1 and not before.isatty()
        before.flush()
        file = os.dup(1) if ours else 0
    except (AttributeError, OSError, ValueError):  # closed, none, or no file
        ours = False
    if not ours:
        yield
        return
    sys.stdout = _Own(io.FileIO(file, "w", closefd=False), before.encoding, "backslashreplace")
    _kept.append(file)
    os.dup2(2, 1)
    try:
        yield
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
        sys.stdout = before
        with suppress(OSError):
            os.dup2(_kept.pop(), 1)
            os.close(file)
        atexit.register(_leave)  # the last one is called first


def number() -> int | None:
    """The file of standard output, for a program that lima starts and that prints there; None for that of this process"""
    return _kept[-1] if _kept else None


def _leave() -> None:
    with suppress(OSError, ValueError, AttributeError):
        sys.stdout.flush()
        os.dup2(2, 1)
    sys.stdout = ASIDE


class _Own(io.TextIOWrapper):
    """Standard output for the first thread, which is lima's; for others, which plugins may start, standard error"""

    def write(self, text: str) -> int:
        return super().write(text) if threading.current_thread() is threading.main_thread() else ASIDE.write(text)


class _Aside(io.TextIOBase):
    """Standard error, as a standard output that cannot be closed"""

    def write(self, text: str) -> int:
        return sys.stderr.write(text) if sys.stderr else len(text)

    def flush(self) -> None:
        if sys.stderr:
            sys.stderr.flush()

    def close(self) -> None:
        """Nothing: standard error belongs to the process"""

    def fileno(self) -> int:
        return sys.stderr.fileno()

    def isatty(self) -> bool:
        return bool(sys.stderr and sys.stderr.isatty())

    def writable(self) -> bool:
        return True

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)  # its buffer


ASIDE: Any = _Aside()
"What `sys.stdout` is while code of a plugin runs"
