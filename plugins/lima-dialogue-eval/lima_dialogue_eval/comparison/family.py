"""Several arms, each compared with the first, with Holm's correction over them. Knows nothing of how they are shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lima_dialogue_eval.comparison.result import Comparison
from lima_dialogue_eval.statistics import holm

METHOD = "each arm against the first, by the primary test; p adjusted by Holm over the arms"


@dataclass(frozen=True)
class Family:
    """The comparisons, in the order of the arms"""

    comparisons: tuple[Comparison, ...]
    adjusted: tuple[float, ...]
    "The p of each primary test, by Holm"

    @classmethod
    def of(cls, comparisons: Sequence[Comparison]) -> "Family":
        """With p adjusted over all of them"""
        found = holm({str(i): one.p_value for i, one in enumerate(comparisons)})
        return cls(tuple(comparisons), tuple(found.values()))

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready"""
        rows = zip(self.comparisons, self.adjusted, strict=True)
        return {
            "method": METHOD,
            "first": self.comparisons[0].before.label,
            "comparisons": [{**one.as_dict(), "holm_p_value": adjusted} for one, adjusted in rows],
        }
