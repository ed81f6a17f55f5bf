"""The result of a comparison: two arms, what changed in each conversation, and the tests.

Knows nothing of where the grades come from or how they are shown.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from lima_dialogue_eval.comparison.definitions import DEFINITIONS
from lima_dialogue_eval.comparison.grid import Counts
from lima_dialogue_eval.comparison.outcomes import GRADE, Bounds, Reliability
from lima_dialogue_eval.statistics import PRIMARY, Tally, Test


@dataclass(frozen=True)
class Arm:
    """One side of a comparison"""

    label: str
    runs: tuple[dict[str, Any], ...]
    "Rows of dialogue_runs"
    seeds: tuple[int, ...]
    "One a replicate, in the order of the runs"
    tally: Tally
    "Over all turns of the conversations that did not leave"
    early_fails: int
    "Conversations, once a seed, with a Fail within the first three interactions"
    dialogues: int
    "Those conversations times seeds"
    counts: Counts
    "Of all conversations, also those that left"
    reliability: Reliability | None = None
    "None with a single replicate"

    @property
    def excellent(self) -> int:
        return self.tally.excellent

    @property
    def passed(self) -> int:
        return self.tally.passed

    @property
    def fail(self) -> int:
        return self.tally.fail

    @property
    def undecided(self) -> int:
        return self.tally.undecided

    @property
    def turns(self) -> int:
        return self.tally.turns

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready"""
        return {
            "label": self.label,
            **self.tally.as_dict(),
            "early_fails": self.early_fails,
            "dialogues": self.dialogues,
            "runs": [r["id"] for r in self.runs],
            "models": [r["model"] for r in self.runs],
            "seeds": list(self.seeds),
            "sampling": self.runs[0]["sampling"],
            "counts": asdict(self.counts),
            "reliability": asdict(self.reliability) if self.reliability else None,
        }


@dataclass(frozen=True)
class Change:
    """One conversation's mean outcome on both sides"""

    conversation: str
    topic: str
    before: float
    after: float

    @property
    def difference(self) -> float:
        return self.after - self.before

    @property
    def verdict(self) -> str:
        """better, tied or worse; means of the same grades may differ in the last bits"""
        return "tied" if abs(self.difference) < 1e-9 else "better" if self.difference > 0 else "worse"


@dataclass(frozen=True)
class Secondary:
    """A secondary outcome: a share, per conversation"""

    difference: float
    "After − before, as a share"
    p_value: float
    adjusted: float
    "Holm, over the two"


@dataclass(frozen=True)
class Reached:
    """The figures over the turns that every replicate reached on both sides"""

    before: Tally
    after: Tally
    difference: float
    interval: tuple[float, float] | None
    test: Test

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready"""
        return {
            "before": self.before.as_dict(),
            "after": self.after.as_dict(),
            "difference": self.difference,
            "interval": list(self.interval) if self.interval else None,
            "p_value": self.test.p_value,
            "n": self.test.n,
        }


@dataclass(frozen=True)
class Comparison:
    """Everything that a report of before and after shows"""

    evaluation: str
    grader: str
    grader_hash: str | None
    "None: graded by a version of lima before graders had hashes"
    outcome: str
    "What the primary test is on: outcomes.GRADE or outcomes.NOT_FAILED"
    before: Arm
    after: Arm
    changes: tuple[Change, ...]
    "One a conversation that is tested, in the order of the evaluation"
    primary: Test
    difference: float
    "Mean over conversations, in grade points or as a share of replies"
    interval: tuple[float, float] | None
    "95 % paired t"
    sign_p: float
    secondary: dict[str, Secondary]
    "excellent and fail; empty where the grader can only fail"
    bounds: dict[str, Bounds]
    "grade and fail; empty where no reply is undecided"
    reached: Reached | None
    "None where every turn was reached, or no turn was reached by all"
    by_turn: tuple[tuple[Any, Tally, Tally], ...]
    by_kind: tuple[tuple[Any, Tally, Tally], ...]
    left_out: tuple[dict[str, str], ...]
    "Conversations that left both arms: conversation, arm, reason"
    waiting: int
    "Turns left out on both sides because a reply to them is undecided on one"
    notes: tuple[str, ...]
    "What differs between the arms besides the model, and what weakens the figures"
    audit: str = ""
    "What is known of the grader"
    floor: str = ""
    "What null models score with it"

    @property
    def p_value(self) -> float:
        return self.primary.p_value

    @property
    def top(self) -> float:
        """The best that a conversation can be: 2 grade points, or a share of 1"""
        return 2.0 if self.outcome == GRADE else 1.0

    def verdicts(self, verdict: str) -> int:
        """How many conversations are 'better', 'tied' or 'worse'"""
        return sum(c.verdict == verdict for c in self.changes)

    @property
    def better(self) -> int:
        return self.verdicts("better")

    @property
    def tied(self) -> int:
        return self.verdicts("tied")

    @property
    def worse(self) -> int:
        return self.verdicts("worse")

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready, with the definition of every number"""

        def grouped(rows: Iterable[tuple[Any, Tally, Tally]], name: str) -> list[dict[str, Any]]:
            return [{name: value, "before": b.as_dict(), "after": a.as_dict()} for value, b, a in rows]

        primary = self.primary
        return {
            "evaluation": self.evaluation,
            "grader": self.grader,
            "grader_hash": self.grader_hash,
            "audit": self.audit,
            "floor": self.floor,
            "before": self.before.as_dict(),
            "after": self.after.as_dict(),
            "conversations": {"better": self.better, "tied": self.tied, "worse": self.worse},
            "p_value": self.p_value,
            "least_p_value": primary.least,
            "test": {
                "name": PRIMARY,
                "on": self.outcome,
                "n": primary.n,
                "method": primary.method,
                "seed": primary.seed,
            },
            "sign_test_p_value": self.sign_p,
            "difference": self.difference,
            "interval": list(self.interval) if self.interval else None,
            "secondary": {name: vars(s) for name, s in self.secondary.items()},
            "bounds": {name: asdict(b) for name, b in self.bounds.items()},
            "without_unreached": self.reached.as_dict() if self.reached else None,
            "by_turn": grouped(self.by_turn, "turn"),
            "by_kind": grouped(self.by_kind, "kind"),
            "by_conversation": [{**vars(c), "difference": c.difference, "verdict": c.verdict} for c in self.changes],
            "left_out": list(self.left_out),
            "waiting": self.waiting,
            "notes": list(self.notes),
            "seeds": sorted({*self.before.seeds, *self.after.seeds}),
            "versions": self.before.runs[0]["environment"],
            "definitions": DEFINITIONS,
        }
