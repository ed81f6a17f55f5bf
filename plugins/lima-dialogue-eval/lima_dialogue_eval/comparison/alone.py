"""One arm by itself: its counts and grades, by turn and by kind of turn, without a test. Knows nothing of how it is shown."""

from dataclasses import dataclass
from typing import Any

from lima import Store
from lima_dialogue_eval.audit.log import audit_line, floor_line
from lima_dialogue_eval.comparison import outcomes
from lima_dialogue_eval.comparison.arms import arm_of, labels_of
from lima_dialogue_eval.comparison.comparable import mode_text
from lima_dialogue_eval.comparison.definitions import DEFINITIONS
from lima_dialogue_eval.comparison.pairs import Names, pair, read_sides
from lima_dialogue_eval.comparison.result import Arm
from lima_dialogue_eval.statistics import Tally

_OF_ONE = "turn excellent pass fail undecided early_fails reliability by_turn by_kind counts audit"
DEFINITIONS_OF_ONE = {name: DEFINITIONS[name] for name in _OF_ONE.split()}
"The numbers that one arm has"


@dataclass(frozen=True)
class Alone:
    """Everything that a report of one arm shows"""

    evaluation: str
    grader: str
    grader_hash: str | None
    outcome: str
    "outcomes.GRADE, or outcomes.NOT_FAILED where the grader can only fail a reply"
    arm: Arm
    by_turn: tuple[tuple[int, Tally], ...]
    by_kind: tuple[tuple[str, Tally], ...]
    left_out: tuple[dict[str, str], ...]
    "Conversations with an error: conversation, arm, reason"
    notes: tuple[str, ...]
    "How the conversations were held, where it was not by `lima dialogues run`"
    audit: str = ""
    floor: str = ""

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready, with the definition of every number"""
        return {
            "evaluation": self.evaluation,
            "grader": self.grader,
            "grader_hash": self.grader_hash,
            "audit": self.audit,
            "floor": self.floor,
            "arm": self.arm.as_dict(),
            "by_turn": [{"turn": value, **tally.as_dict()} for value, tally in self.by_turn],
            "by_kind": [{"kind": value, **tally.as_dict()} for value, tally in self.by_kind],
            "left_out": list(self.left_out),
            "notes": list(self.notes),
            "definitions": DEFINITIONS_OF_ONE,
        }


def describe(store: Store, names: Names, *, grader: str | None = None, pool_anyway: bool = False) -> Alone:
    """The figures of one arm, one or several dialogue runs; the arguments and the errors are those of `compare`"""
    (side,) = read_sides(store, [names], grader, pool_anyway)
    both = pair(side, side)  # what counts of an arm alone is what counts of it beside itself
    label, run = labels_of([side])[0], side.runs[0]
    codes = both.codes[0]
    modes, held = [run.get("mode") for run in side.runs], [mode_text(run) for run in side.runs]
    return Alone(
        evaluation=run["evaluation"],
        grader=side.grader,
        grader_hash=side.version,
        outcome=both.outcome,
        arm=arm_of(label, both, 0),
        by_turn=tuple((turn, tally) for turn, tally, _ in outcomes.by_turn(codes, codes)),
        by_kind=tuple((kind, tally) for kind, tally, _ in outcomes.by_kind(codes, codes, both.kinds)),
        left_out=tuple(_alone(row, label) for row in both.left_out if row["arm"] != "after"),
        notes=(f"How the conversations were held: {', '.join(dict.fromkeys(held))}.",) if any(modes) else (),
        audit=audit_line(store, side.grader, side.version, run["evaluation"]),
        floor=floor_line(store, run["evaluation_hash"], side.version, side.grader, run["evaluation"]),
    )


def _alone(row: dict[str, str], label: str) -> dict[str, str]:
    """A conversation that was left out, without a word of another side"""
    reason = "no turn of it has a grade" if row["arm"] == "both" else row["reason"]
    return {**row, "arm": label, "reason": reason}
