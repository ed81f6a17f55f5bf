"""How patient a client is: how many requests at once, how long each may take, and how often one that failed is sent again.

Knows nothing of who answers.
"""

import math
import os
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TypeVar

from lima import LimaError

T = TypeVar("T")

LONGEST_ASKED = 300.0
"Seconds: a server that asks to wait longer than this is not waited for"


class Passing(Exception):
    """A failure that may pass, such as a server with too much to do; `after` is how long it asks to wait, in seconds"""

    def __init__(self, message: str, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


class GaveUp(LimaError):
    """A failure that could have passed, and did not"""


class Stopped(Exception):
    """Somebody ended the whole batch: what is under way counts for nothing"""


@dataclass(frozen=True)
class Policy:
    """What decides how long something takes, and never what is answered"""

    at_once: int = 8
    "Requests at once"
    attempts: int = 6
    "How often one request is sent before it counts as failed"
    timeout: float = 120.0
    "Seconds for one answer, from the request to its last byte"
    first_wait: float = 1.0
    "Seconds before the second attempt; doubled before each further one, with jitter"
    longest_wait: float = 60.0

    @classmethod
    def from_environment(cls) -> "Policy":
        """As LIMA_JUDGES_AT_ONCE, _ATTEMPTS, _TIMEOUT and _FIRST_WAIT (seconds) say; LimaError for other values"""
        return cls(
            at_once=int(_number("LIMA_JUDGES_AT_ONCE", cls.at_once, whole=True, most=256)),
            attempts=int(_number("LIMA_JUDGES_ATTEMPTS", cls.attempts, whole=True, most=100)),
            timeout=_number("LIMA_JUDGES_TIMEOUT", cls.timeout, whole=False, most=86_400),
            first_wait=_number("LIMA_JUDGES_FIRST_WAIT", cls.first_wait, whole=False, most=cls.longest_wait),
        )

    def wait_before(self, attempt: int, draw: random.Random) -> float:
        """Seconds before an attempt, counted from 2: exponential, and between half and all of it, so that not all come at once"""
        return float(min(self.longest_wait, self.first_wait * 2 ** (attempt - 2)) * draw.uniform(0.5, 1.0))


def _number(variable: str, default: float, *, whole: bool, most: float) -> float:
    text = os.environ.get(variable, "").strip()
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= most or (whole and value != int(value)):
        kind = "a whole number" if whole else "a number"
        raise LimaError(f"{variable} is {text!r}; expected {kind} above 0, and at most {most:,.0f}.")
    return value


class Patience:
    """Sends a request again while it fails with what may pass; one for each batch, shared by its threads"""

    def __init__(self, policy: Policy, stop: threading.Event) -> None:
        self.policy, self.stop = policy, stop
        self._draw = random.Random()
        self._lock = threading.Lock()
        self._not_before = 0.0
        self._in_a_row = 0
        self._last = ""

    def ask(self, once: Callable[[], T]) -> T:
        """What `once` returns in the end; GaveUp when its last attempt failed, too

        When as many requests in a row have been given up as are sent at once, the server counts as down: the rest of the batch
        is not sent."""
        for attempt in range(1, self.policy.attempts + 1):
            self._wait_for_turn()
            try:
                found = once()
            except Passing as e:
                last = attempt == self.policy.attempts or (e.after or 0.0) > LONGEST_ASKED
                if last:
                    raise self._given_up(str(e), attempt, e.after) from e
                self._pause(e.after, attempt + 1)
            else:
                with self._lock:
                    self._in_a_row = 0
                return found
        raise AssertionError("at least one attempt")

    def _wait_for_turn(self) -> None:
        with self._lock:
            if self._in_a_row >= self.policy.at_once:
                raise GaveUp(f"Not asked: the {self._in_a_row} requests before it failed for good. {self._last}")
            wait = self._not_before - time.monotonic()
        if self.stop.is_set() or (wait > 0 and self.stop.wait(wait)):
            raise Stopped

    def _pause(self, after: float | None, attempt: int) -> None:
        wait = self.policy.wait_before(attempt, self._draw)
        if after is not None:
            wait = after + self._draw.uniform(0.0, min(wait, 1.0))
            with self._lock:  # the others need not ask before that either
                self._not_before = max(self._not_before, time.monotonic() + after)
        if self.stop.wait(wait):
            raise Stopped

    def _given_up(self, message: str, attempt: int, after: float | None) -> GaveUp:
        if after and after > LONGEST_ASKED:
            why = f"{message} It asks to wait {after:,.0f} seconds; try again then."
        else:
            why = f"{message} Tried {attempt} times." if attempt > 1 else message
        with self._lock:
            self._in_a_row += 1
            self._last = why
        return GaveUp(why)


def seconds_of(header: str | None) -> float | None:
    """A Retry-After header in seconds, which is a number or a date; None where it is neither"""
    if header is None:
        return None
    try:
        found = float(header)
    except ValueError:
        try:
            found = parsedate_to_datetime(header).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return None
    return max(0.0, found) if math.isfinite(found) else None
