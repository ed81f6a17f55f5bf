"""Whether history gain says of the arms what the grader of facts says: the control of a measure that needs no grader.

The village's effect is known from grades: dialogues are the positive control, more singles and fake dialogues the negative ones.
The prose is in `findings.toml`.
"""

from __future__ import annotations

from lima_village_study import words
from lima_village_study.arms import Sets
from lima_village_study.dialogue_findings import AFTER, ARMS, BEFORE, CONTROLS
from lima_village_study.finding import Finding, Table, named, side, tell
from lima_village_study.gain import source
from lima_village_study.scores import Estimate, GradedReply, Results, excellent, mean


def over_none(row: GradedReply) -> float:
    """Nats per token over no history"""
    return row["over_none"]


def over_other(row: GradedReply) -> float:
    """Nats per token over the history of another conversation"""
    return row["over_other"]


GAINS = {"over no history": over_none, "over another history": over_other}


def history_gain(results: Results, sets: Sets) -> Finding | None:
    """History gain beside the grades, for the dialogues and their controls"""
    arms = {**ARMS, **CONTROLS}
    graded, measured = results.compared(sets.conversations, arms), results.gains(source(sets.gain), arms)
    if not graded.complete or not measured.complete:
        return None
    changes = {
        name: {label: measured.gain(label, BEFORE, score) for label in arms if label != BEFORE}
        for name, score in GAINS.items()
    }
    rows = [
        (
            label,
            words.share(mean(graded[label], excellent)),
            *(words.value(mean(measured[label], score), 3) for score in GAINS.values()),
            *(words.change(of.get(label), 3)[0] for of in changes.values()),
        )
        for label in arms
    ]
    head = ("", "excellent", *GAINS, *(f"change {name}" for name in GAINS))
    ahead = {
        name: [measured.gain(AFTER, label, score) for label in (BEFORE, *CONTROLS)] for name, score in GAINS.items()
    }
    return tell(
        "gain",
        measured,
        over_none,
        agrees=_ahead([one for of in ahead.values() for one in of]),
        panels=[named(of, f"change of the gain {name}, nats per token", None) for name, of in changes.items()],
        tables=[Table(head, rows)],
        changes=changes,
        ahead=ahead,
    )


def _ahead(differences: list[Estimate]) -> bool | None:
    """Whether the dialogues are ahead of every other arm; False if they are behind one"""
    found = [side(one) for one in differences]
    return True if all(found) else False if False in found else None
