"""The result of a comparison: two arms, what changed in each conversation, the tests, and what each number means.

Knows nothing of where the grades come from or how they are shown.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from lima_dialogue_eval.statistics import PRIMARY, Tally, Test

DEFINITIONS = {
    "turn": "One reply of the model in one conversation with one seed. The user's turns are scripted; the history holds the "
    "model's own replies.",
    "excellent": "Replies that the grader labelled Excellent, of all replies that count.",
    "pass": "Replies labelled Pass: what must be met is met, something else is not.",
    "fail": "Replies labelled Fail: something that must be met is not.",
    "interval": "95 % Wilson interval of a share of turns, with the turns treated as independent. They are not: it describes "
    "and decides nothing.",
    "early_fails": "Conversations, counted once a seed, with at least one Fail among the first three replies.",
    "conversations": "For each conversation the mean grade (Fail 0, Pass 1, Excellent 2) over turns and seeds; better, tied or "
    "worse after than before.",
    "sign_test_p_value": "Two-sided exact sign test on better against worse conversations; ties are left out of it.",
    "difference": "Mean over conversations of the mean grade after minus before, from −2 to 2 grade points, with the paired t "
    "interval (n − 1 degrees of freedom).",
    "p_value": "Primary test, fixed before the run: two-sided sign-flip test of the difference being 0, conversations as the "
    "unit. Exact up to 20 conversations, above that 99,999 flips drawn with a fixed seed.",
    "secondary": "The same sign-flip test on each conversation's share of Excellent and of Fail; p adjusted by Holm over "
    "the two.",
    "by_turn": "Replies by their place in the conversation (1 is the opening); descriptive.",
    "by_kind": "Replies by what the user's turn tries; descriptive.",
    "left_out": "Conversations that ended early on one side (infrastructure error, context full) leave both sides.",
    "waiting": "Turns that lack a grade on one side, such as those left to a person, count on neither.",
}
"Each number of a comparison, in a sentence"


@dataclass(frozen=True)
class Arm:
    """One side of a comparison"""

    label: str
    runs: tuple[dict[str, Any], ...]
    "Rows of dialogue_runs"
    seeds: tuple[int, ...]
    "One a replicate, in the order of the runs"
    tally: Tally
    "Over the turns that count on both sides"
    early_fails: int
    "Conversations, once a seed, with a Fail within the first three interactions"
    dialogues: int
    "Conversations times seeds that count"

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
        }


@dataclass(frozen=True)
class Change:
    """One conversation's mean grade on both sides"""

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
class Comparison:
    """Everything that a report of before and after shows"""

    evaluation: str
    grader: str
    before: Arm
    after: Arm
    changes: tuple[Change, ...]
    "One a conversation that counts, in the order of the evaluation"
    primary: Test
    difference: float
    "Mean over conversations, in grade points"
    interval: tuple[float, float] | None
    "95 % paired t"
    sign_p: float
    secondary: dict[str, Secondary]
    "excellent and fail"
    by_turn: tuple[tuple[Any, Tally, Tally], ...]
    by_kind: tuple[tuple[Any, Tally, Tally], ...]
    left_out: tuple[dict[str, str], ...]
    "Conversations that left both arms: conversation, arm, reason"
    waiting: int
    "Turns left out on both sides because one of them has no grade"
    notes: tuple[str, ...]
    "What differs between the arms besides the model"

    @property
    def p_value(self) -> float:
        return self.primary.p_value

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

        return {
            "evaluation": self.evaluation,
            "grader": self.grader,
            "before": self.before.as_dict(),
            "after": self.after.as_dict(),
            "conversations": {"better": self.better, "tied": self.tied, "worse": self.worse},
            "p_value": self.p_value,
            "test": {"name": PRIMARY, "n": self.primary.n, "method": self.primary.method, "seed": self.primary.seed},
            "sign_test_p_value": self.sign_p,
            "difference": self.difference,
            "interval": list(self.interval) if self.interval else None,
            "secondary": {name: vars(s) for name, s in self.secondary.items()},
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
