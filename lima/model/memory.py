"""When memory does not suffice: how that is recognised, on a GPU or a CPU, and how what is no longer used is given back.

Knows nothing of what was being done.
"""

from accelerate.utils.memory import clear_device_cache, should_reduce_batch_size


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory, or a device, had no room"""
    if "could not create a primitive" in str(error):  # oneDNN, to which no kernel could be given
        return True
    return isinstance(error, MemoryError) or (isinstance(error, Exception) and should_reduce_batch_size(error))


def free_memory() -> None:
    """Free what is no longer used, so that another attempt, or another model, has its room"""
    clear_device_cache(garbage_collection=True)
