"""What a plugin hands over one by one, such as replies: each kept once, when it is there, in the thread that waits for it.

Knows nothing of what arrives.
"""

import inspect
from collections import deque
from collections.abc import Callable, Sequence
from threading import get_ident
from typing import Any

Keep = Callable[[list[tuple[int, Any]]], None]
"Takes (place, what arrived), several where they came at once"


class Arrivals:
    """Called with (place, what arrived) from any thread; what `keep` raises is ours, and not the plugin's"""

    def __init__(self, expected: int, keep: Keep) -> None:
        self.expected, self.keep = expected, keep
        self.error: BaseException | None = None
        self._thread, self._waiting = get_ident(), deque[tuple[int, Any]]()
        self._there: set[int] = set()

    def __call__(self, place: int, thing: Any) -> None:
        """Take what arrived; ValueError, to the plugin, for a place that was not asked for"""
        if isinstance(place, bool) or not isinstance(place, int) or not 0 <= place < self.expected:
            raise ValueError(f"{place!r} is not one of the {self.expected} places, counted from 0")
        self._waiting.append((place, thing))
        if get_ident() == self._thread:
            self._take()

    def rest(self, things: Sequence[Any]) -> None:
        """Take those that have not come from the list that a plugin returned at its end, one for each place"""
        self._waiting.extend(enumerate(things))
        self._take()

    def finish(self) -> None:
        """Take what other threads brought, and raise what went wrong in `keep`, whether or not the plugin caught it"""
        self._take()
        if self.error is not None:
            raise self.error

    @property
    def missing(self) -> list[int]:
        """The places that nothing came for, in order"""
        return [place for place in range(self.expected) if place not in self._there]

    def _take(self) -> None:
        new: dict[int, Any] = {}
        while self._waiting:
            place, thing = self._waiting.popleft()
            if place not in self._there:
                new.setdefault(place, thing)
        if not new or self.error is not None:
            return
        self._there |= new.keys()
        try:
            self.keep(list(new.items()))
        except BaseException as e:
            self.error = e
            raise


def takes(method: Any, parameter: str) -> bool:
    """Whether a plugin's method has a parameter of that name"""
    try:
        return parameter in inspect.signature(method).parameters
    except (TypeError, ValueError):
        return False


def shown(thing: Any) -> str:
    """What a plugin gave, as a short text for an error"""
    try:
        text = repr(thing)
    except Exception:
        text = f"an object of {type(thing).__qualname__}"
    return text if len(text) <= 80 else f"{text[:80]} …"
