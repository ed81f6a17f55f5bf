"""What a source does not use: the first places of each reason, and how many there are, in memory that does not grow.

Knows nothing of why.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from lima.contract.examples import Refused
from lima.errors import LimaError

REASONS = 1000
"Reasons that are told apart"


class Wrong(LimaError):
    """Why a row cannot be used

    `reason` is what is counted; the error's text is the same with what is particular to this row. Without `fault` it is refused
    and ends nothing."""

    def __init__(self, reason: str, detail: str = "", fault: bool = True) -> None:
        super().__init__(detail or reason)
        self.reason, self.fault = reason, fault


@dataclass
class _Reason:
    fault: bool
    count: int = 0
    places: list[tuple[str, str]] = field(default_factory=list)


class Tally:
    """Refused rows by reason"""

    PLACES = 100
    "Places of a reason that are kept; the others are counted"
    NOT_DRAWN = "it was not drawn: `limit` takes fewer than there are."

    def __init__(self) -> None:
        self._reasons = dict[str, _Reason]()

    def add(self, reason: str, where: str, detail: str = "", fault: bool = False) -> None:
        """One more row; the `detail` is the reason with what is particular to this one"""
        self.add_many(reason, 1, [(where, detail)], fault)

    def add_wrong(self, wrong: Wrong, where: str) -> None:
        """One more row, which cannot be used"""
        self.add(wrong.reason, where, str(wrong), wrong.fault)

    def add_many(self, reason: str, count: int, places: Sequence[tuple[str, str]], fault: bool = False) -> None:
        """More rows with a reason, and the first of their places with details"""
        if not count:
            return
        if reason not in self._reasons and len(self._reasons) >= REASONS:
            reason = "it has a fault of another kind than those named."
        known = self._reasons.setdefault(reason, _Reason(fault))
        known.count += count
        known.places += places[: self.PLACES - len(known.places)]

    def refused(self) -> Iterator[Refused]:
        """All of it for lima"""
        for reason, known in self._reasons.items():
            for where, detail in known.places:
                yield Refused(where, detail or reason, known.fault)
            if more := known.count - len(known.places):
                yield Refused(f"{more:,} further places", reason, known.fault, more)
