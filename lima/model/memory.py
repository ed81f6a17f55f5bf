"""Out of memory: how it is recognised, on a GPU or a CPU; how unused memory is freed, and how it is kept for what comes next.

Knows nothing of what was being done.
"""

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache

from accelerate.utils.memory import clear_device_cache, should_reduce_batch_size

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -2, -3, -4
"From glibc's malloc.h"

KEEP = {_TRIM_THRESHOLD: 2**31 - 1, _TOP_PAD: 2**26, _MMAP_MAX: 0}
USUAL = {_TRIM_THRESHOLD: 2**26, _TOP_PAD: 2**17, _MMAP_THRESHOLD: 2**25, _MMAP_MAX: 2**16}
"What glibc's settings come to in a process that frees large pieces; it stops moving them by itself once one was set"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory, on the CPU or a device, ran out"""
    if "could not create a primitive" in str(error):  # oneDNN, to which no kernel could be given
        return True
    return isinstance(error, MemoryError) or (isinstance(error, Exception) and should_reduce_batch_size(error))


@contextmanager
def freed_memory_kept(wanted: bool = True) -> Iterator[None]:
    """Within this block glibc keeps what is freed for what is asked for next, large pieces, too; then it goes back to the system

    Otherwise each large tensor is new memory, which the system clears page by page: of a training step on a CPU a sixth to a
    quarter. Where the allocator is another one, nothing changes."""
    settings = _settings() if wanted else None
    if settings is None:
        yield
        return
    set_, trim = settings
    for option, value in KEEP.items():
        set_(option, value)
    try:
        yield
    finally:
        for option, value in USUAL.items():
            set_(option, value)
        trim(0)


@lru_cache
def _settings() -> tuple[Callable[[int, int], object], Callable[[int], object]] | None:
    """glibc's mallopt and malloc_trim"""
    try:
        allocator = ctypes.CDLL(None)
        return allocator.mallopt, allocator.malloc_trim
    except (OSError, AttributeError, TypeError):  # TypeError: Windows
        return None


def free_memory() -> None:
    """Free unused memory, to make room for another attempt or another model"""
    clear_device_cache(garbage_collection=True)
