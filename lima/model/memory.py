"""Out of memory: how it is recognised, on a GPU or a CPU, and how unused memory is freed and given back.

Knows nothing of what was being done.
"""

import ctypes
from collections.abc import Callable
from functools import lru_cache

from accelerate.utils.memory import clear_device_cache, should_reduce_batch_size


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory, on the CPU or a device, ran out"""
    if "could not create a primitive" in str(error):  # oneDNN, to which no kernel could be given
        return True
    return isinstance(error, MemoryError) or (isinstance(error, Exception) and should_reduce_batch_size(error))


def give_back() -> None:
    """Give freed memory back to the system, where its allocator can (glibc): micro-batches of many lengths leave holes between
    what stays, as large together as the activations of one"""
    _trim()(0)


@lru_cache
def _trim() -> Callable[[int], object]:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return lambda pad: None


def free_memory() -> None:
    """Free unused memory, to make room for another attempt or another model"""
    clear_device_cache(garbage_collection=True)
