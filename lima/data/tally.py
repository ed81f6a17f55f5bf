"""What a source does not use: the first places of each reason, and how many there are, in memory that does not grow.

Knows nothing of why.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from lima.contract.examples import Refused

REASONS = 1000
"Reasons that are told apart"


@dataclass
class _Reason:
    fault: bool
    count: int = 0
    places: list[tuple[str, str]] = field(default_factory=list)


class Tally:
    """Refused rows by reason"""

    PLACES = 100
    "Places of a reason that are kept; the others are counted"

    def __init__(self) -> None:
        self._reasons = dict[str, _Reason]()

    def add(self, reason: str, where: str, detail: str = "", fault: bool = False) -> None:
        """One more row; the `detail` is the reason with what is particular to this one"""
        self.add_many(reason, 1, [(where, detail)], fault)

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
