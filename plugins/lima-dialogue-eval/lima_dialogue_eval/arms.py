"""What changed between two arms: counts, conversations better or worse, and the tests that were fixed before the runs.

An arm is one dialogue run or several, whose seeds are pooled. Turns pair, since the user's turns are scripted; conversations
are the unit. Knows nothing of how the result is shown.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from lima import GRADER_FAILED, SCORES, LimaError, Store
from lima_dialogue_eval.comparison import Arm, Change, Comparison, Secondary
from lima_dialogue_eval.converse import COMPLETE
from lima_dialogue_eval.log import conversations, find_run, replies
from lima_dialogue_eval.statistics import Tally, holm, sign_flip, sign_test, t_interval, tally, tally_by

EARLY = 3
"A conversation fails early when a reply within this many interactions is a Fail (LIMA §6)"


def compare(store: Store, before_ids: str | Sequence[str], after_ids: str | Sequence[str]) -> Comparison:
    """Compare two arms of one evaluation, each one or several dialogue runs (ids or the starts of them)

    LimaError if the runs cannot be compared: another evaluation, another grader, not finished, or on both sides."""
    arms = [_runs(store, before_ids), _runs(store, after_ids)]
    _comparable(arms)
    grader = arms[0][0]["grader"]
    sides = [_Side(store, runs, grader) for runs in arms]
    left_out = [
        {"conversation": conversation, "arm": name, "reason": reason}
        for name, side in zip(("before", "after"), sides, strict=True)
        for conversation, reason in side.unusable.items()
    ]
    gone = {row["conversation"] for row in left_out}
    pairs = [key for key in sides[0].turns if key[0] not in gone]
    counted = [key for key in pairs if all(r["grade"] for side in sides for r in side.turns[key])]
    kept = {conversation for conversation, _ in counted}
    left_out += [
        {"conversation": c, "arm": "both", "reason": "no turn of it has a grade on both sides"}
        for c in sides[0].topics
        if c not in gone | kept
    ]
    if not kept:
        reasons = "; ".join(dict.fromkeys(f"{row['conversation']}: {row['reason']}" for row in left_out[:3]))
        raise LimaError(f"No conversation can be compared. {reasons}")
    rows = [[r for key in counted for r in side.turns[key]] for side in sides]
    names = [c for c in sides[0].topics if c in kept]
    changes = tuple(
        Change(
            c,
            sides[0].topics[c],
            *(_mean(SCORES[r["grade"]] for r in of_arm if r["conversation"] == c) for of_arm in rows),
        )
        for c in names
    )
    differences = [c.difference for c in changes]
    labels = _labels(arms)
    return Comparison(
        evaluation=arms[0][0]["evaluation"],
        grader=grader,
        before=_arm(labels[0], arms[0], sides[0], rows[0], len(names)),
        after=_arm(labels[1], arms[1], sides[1], rows[1], len(names)),
        changes=changes,
        primary=sign_flip(differences),
        difference=_mean(differences),
        interval=t_interval(differences),
        sign_p=sign_test(sum(c.verdict == "better" for c in changes), sum(c.verdict == "worse" for c in changes)),
        secondary=_secondary(rows, names),
        by_turn=_grouped(rows, "turn"),
        by_kind=_grouped(rows, "kind"),
        left_out=tuple(left_out),
        waiting=sum(c in kept for c, _ in pairs) - len(counted),
        notes=tuple(_notes(arms, sides)),
    )


class _Side:
    """The turns of one arm's runs, by (conversation, turn), a row for each replicate"""

    def __init__(self, store: Store, runs: list[dict[str, Any]], grader: str) -> None:
        self.topics: dict[str, str] = {}
        self.unusable: dict[str, str] = {}
        "Conversations with an infrastructure error, and the first of them"
        self.turns: dict[tuple[str, int], list[dict[str, Any]]] = {}
        self.seeds: list[int] = []
        for run in runs:
            self.seeds += run["seeds"]
            for row in conversations(store, run["id"]):
                self.topics[row["conversation"]] = row["topic"]
                if row["status"] != COMPLETE:
                    reason = f"{row['status']} (seed {row['seed']}): {row['message'] or 'no message'}"
                    self.unusable.setdefault(row["conversation"], reason)
            for row in replies(store, run["id"], grader):
                self.turns.setdefault((row["conversation"], row["turn"]), []).append(row)
                if row["grade_status"] == GRADER_FAILED:
                    reason = f"the grader gave no grade for turn {row['turn']} (seed {row['seed']}): {row['reason']}"
                    self.unusable.setdefault(row["conversation"], reason)
        place = {c: i for i, c in enumerate(self.topics)}
        self.turns = dict(sorted(self.turns.items(), key=lambda item: (place[item[0][0]], item[0][1])))


def _runs(store: Store, names: str | Sequence[str]) -> list[dict[str, Any]]:
    runs = [find_run(store, name) for name in ([names] if isinstance(names, str) else names)]
    if not runs:
        raise LimaError("An arm has no dialogue run; name at least one. `lima dialogues` lists them.")
    return runs


def _comparable(arms: list[list[dict[str, Any]]]) -> None:
    """LimaError unless all runs are finished runs of one evaluation with one grader, each there once"""
    runs = [run for arm in arms for run in arm]
    first = runs[0]
    ids = [run["id"] for run in runs]
    for run in runs:
        if ids.count(run["id"]) > 1:
            raise LimaError(f"Dialogue run {run['id']} is named twice; each run may be on one side, once.")
        for key, what in (("evaluation", "the evaluation"), ("grader", "the grader")):
            if run[key] != first[key]:
                raise LimaError(
                    f"Dialogue run {first['id']} is of {what} {first[key]!r} and {run['id']} of {run[key]!r}: "
                    "only runs of the same can be compared. `lima dialogues` lists them."
                )
        if run["evaluation_hash"] != first["evaluation_hash"]:
            raise LimaError(
                f"The evaluation {run['evaluation']!r} changed between dialogue runs {first['id']} and {run['id']} "
                "(their hashes differ): run both arms again."
            )
        if run["status"] != "done":
            raise LimaError(
                f"Dialogue run {run['id']} is {run['status']!r}, not done. Finish it with: "
                f"lima dialogues run --resume {run['id']}"
            )


def _labels(arms: list[list[dict[str, Any]]]) -> list[str]:
    """The names of the arms; 'before' and 'after' if they would have the same"""
    labels = [", ".join(dict.fromkeys(run["arm"] for run in runs if run["arm"])) for runs in arms]
    names = ("before", "after")
    if labels[0] == labels[1]:
        return [f"{name} ({label})" if label else name for name, label in zip(names, labels, strict=True)]
    return [label or name for name, label in zip(names, labels, strict=True)]


def _arm(label: str, runs: list[dict[str, Any]], side: _Side, rows: list[dict[str, Any]], kept: int) -> Arm:
    early = {
        (r["dialogue_run"], r["seed"], r["conversation"]) for r in rows if r["turn"] <= EARLY and r["grade"] == "fail"
    }
    counts = tally(r["grade"] for r in rows)
    return Arm(label, tuple(runs), tuple(side.seeds), counts, len(early), kept * len(side.seeds))


def _secondary(rows: list[list[dict[str, Any]]], names: list[str]) -> dict[str, Secondary]:
    """Share of Excellent and of Fail, per conversation, by the same test, Holm over the two"""
    means, p_values = {}, {}
    for grade in ("excellent", "fail"):
        shares = [
            [_mean(r["grade"] == grade for r in of_arm if r["conversation"] == c) for c in names] for of_arm in rows
        ]
        differences = [after - before for before, after in zip(*shares, strict=True)]
        means[grade], p_values[grade] = _mean(differences), sign_flip(differences).p_value
    adjusted = holm(p_values)
    return {grade: Secondary(means[grade], p_values[grade], adjusted[grade]) for grade in means}


def _grouped(rows: list[list[dict[str, Any]]], key: str) -> tuple[tuple[Any, Tally, Tally], ...]:
    before, after = (tally_by(of_arm, key) for of_arm in rows)
    return tuple((value, before[value], after[value]) for value in before)


def _notes(arms: list[list[dict[str, Any]]], sides: list[_Side]) -> list[str]:
    """Sentences on what else differs between the arms, or weakens them"""
    notes = []
    for key in ("sampling", "environment"):
        values = [{name: {str(run[key].get(name)) for run in runs} for name in sorted(runs[0][key])} for runs in arms]
        for name in values[0]:
            here, there = (" and ".join(sorted(v.get(name, {"?"}))) for v in values)
            if here != there:
                notes.append(f"The arms differ in {name.replace('_', ' ')}: {here} before, {there} after.")
    if len(sides[0].seeds) != len(sides[1].seeds):
        notes.append(f"Before has {len(sides[0].seeds)} seeds, after {len(sides[1].seeds)}.")
    elif len(sides[0].seeds) < 3 and any(run["sampling"].get("temperature") for runs in arms for run in runs):
        notes.append(
            "Fewer than three seeds: on ten conversations with sampled replies, power to find +0.3 grade points is about .40 "
            "with one and .74 with three."
        )
    return notes


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found) if found else 0.0
