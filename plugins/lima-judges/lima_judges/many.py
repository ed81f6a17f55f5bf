"""Many requests at once: threads that ask, and the caller's thread, in which every result is handed over as it comes.

A thread asks again only when its last result has been handed over, so that a process that is killed loses at most what was under
way. Ctrl-C reaches the caller at once: the threads are not waited for, nor is a call that takes longer than it may. Knows nothing
of what is asked.
"""

import queue
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def ask_all(
    count: int,
    ask: Callable[[int], T],
    at_once: int,
    stop: threading.Event,
    on_done: Callable[[int, T | Exception], bool],
) -> list[T | Exception]:
    """`ask(0)` to `ask(count - 1)`, at most `at_once` at a time: what each returned or raised, in order

    `on_done` is called with each in this thread, and says whether one more is to be asked, under the next number. What it raises,
    and Ctrl-C, sets `stop` and ends the call without waiting."""
    waiting: queue.SimpleQueue[int | None] = queue.SimpleQueue()
    ready: queue.SimpleQueue[tuple[int, T | BaseException]] = queue.SimpleQueue()
    room = threading.Semaphore(at_once)
    for index in range(count):
        waiting.put(index)

    def work() -> None:
        while room.acquire() and (index := waiting.get()) is not None and not stop.is_set():
            try:
                ready.put((index, ask(index)))
            except BaseException as e:  # passed on to the caller's thread, whatever it is
                ready.put((index, e))

    found: dict[int, T | Exception] = {}
    threads = min(at_once, count)
    try:
        for _ in range(threads):
            threading.Thread(target=work, daemon=True, name="lima-judges").start()
        while len(found) < count:
            index, result = ready.get()
            if isinstance(result, BaseException) and not isinstance(result, Exception):
                raise result  # a library that wants to end the process
            found[index] = result
            if on_done(index, result):
                waiting.put(count)
                count += 1
            room.release()
    finally:
        stop.set()
        room.release(at_once)  # so that every thread sees that it should stop
        for _ in range(threads):
            waiting.put(None)
    return [found[index] for index in range(count)]


def within(seconds: float, call: Callable[[], T], late: Exception) -> T:
    """What a call returns or raises, or `late` raised when it has not returned in time

    A library's own timeouts are for each read: a server that sends a header now and then is never late by them. What is not
    waited for ends with its connection, or with the process."""
    done: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

    def work() -> None:
        try:
            done.put((call(), None))
        except BaseException as e:  # raised in the thread that waits, whatever it is
            done.put((None, e))

    threading.Thread(target=work, daemon=True, name="lima-judges-call").start()
    try:
        found, error = done.get(timeout=seconds)
    except queue.Empty:
        raise late from None
    if error is not None:
        raise error
    return found  # type: ignore[return-value]  # without an error it is what the call returned
