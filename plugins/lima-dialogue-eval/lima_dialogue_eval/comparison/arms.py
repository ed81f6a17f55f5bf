"""What changed between two arms: counts, conversations better or worse, and the tests that were fixed before the runs.

An arm is one dialogue run or several, whose seeds are pooled. Turns pair, since the user's turns are scripted; conversations
are the unit. Knows nothing of how the result is shown.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lima import Store
from lima_dialogue_eval.audit.log import audit_line, floor_line
from lima_dialogue_eval.comparison import outcomes
from lima_dialogue_eval.comparison.comparable import differences, modes
from lima_dialogue_eval.comparison.pairs import Names, Pair, Side, pair, read_sides
from lima_dialogue_eval.comparison.result import Arm, Change, Comparison, Reached, Secondary
from lima_dialogue_eval.evaluation.provenance import regrade_command
from lima_dialogue_eval.statistics import LEVEL, Test, holm, sign_flip, sign_flips, sign_test, t_interval


def compare(
    store: Store, before_ids: Names, after_ids: Names, *, grader: str | None = None, pool_anyway: bool = False
) -> Comparison:
    """Compare two arms of one evaluation, each one or several dialogue runs (ids or the starts of them)

    `grader` chooses whose latest verdicts count, if not those of the grader that the runs were made with. Several runs of one
    arm must be of one model and sampling, and share no seed, unless `pool_anyway`: several fine-tunes of one recipe, for
    example. LimaError if the runs cannot be compared: another evaluation, another grader, not finished, or on both sides."""
    return compare_each(store, [before_ids, after_ids], grader=grader, pool_anyway=pool_anyway)[0]


def compare_each(
    store: Store, arms: Sequence[Names], *, grader: str | None = None, pool_anyway: bool = False
) -> list[Comparison]:
    """Compare each further arm with the first one, as `compare` does"""
    first, *others = read_sides(store, arms, grader, pool_anyway)
    run = first.runs[0]
    audit = audit_line(store, first.grader, first.version, run["evaluation"])
    floor = floor_line(store, run["evaluation_hash"], first.version, first.grader, run["evaluation"])
    labels = labels_of([first, *others])
    found = [_compared(pair(first, other), (labels[0], label)) for other, label in zip(others, labels[1:], strict=True)]
    return [replace(one, audit=audit, floor=floor) for one in found]


def _compared(pair: Pair, labels: tuple[str, str]) -> Comparison:
    """The figures of a pair"""
    first, second = pair.sides
    names = [name for name, tested in zip(pair.names, pair.tested, strict=True) if tested]
    means = zip(names, *pair.means(pair.outcome), strict=True)
    changes = tuple(Change(name, first.grid.topics[name], float(b), float(a)) for name, b, a in means)
    d = [c.difference for c in changes]
    graded = ("excellent", "fail") if pair.outcome == outcomes.GRADE else ()
    shares = {grade: after - before for grade in graded for before, after in (pair.means(grade),)}
    primary, *tests = sign_flips([d, *shares.values()])
    undecided = any((codes == outcomes.UNDECIDED).any() for codes in pair.paired)
    comparison = Comparison(
        evaluation=first.runs[0]["evaluation"],
        grader=first.grader,
        grader_hash=first.version,
        outcome=pair.outcome,
        before=arm_of(labels[0], pair, 0),
        after=arm_of(labels[1], pair, 1),
        changes=changes,
        primary=primary,
        difference=float(np.mean(d)),
        interval=t_interval(d),
        sign_p=sign_test(sum(c.verdict == "better" for c in changes), sum(c.verdict == "worse" for c in changes)),
        secondary=_secondary(shares, tests),
        bounds=outcomes.bounds(*pair.paired) if undecided else {},
        reached=_reached(pair),
        by_turn=outcomes.by_turn(*pair.codes),
        by_kind=outcomes.by_kind(*pair.codes, pair.kinds),
        left_out=pair.left_out,
        waiting=pair.waiting,
        notes=(*modes(first.runs, second.runs), *differences(first.runs, second.runs)),
    )
    return replace(comparison, notes=(*comparison.notes, *_weaknesses(comparison, pair)))


def labels_of(sides: Sequence[Side]) -> list[str]:
    """The names of the arms; 'before' and 'after', or the runs, if two would have the same"""
    labels = [", ".join(dict.fromkeys(run["arm"] for run in side.runs if run["arm"])) for side in sides]
    if len(sides) != 2:
        alone = [label if label and labels.count(label) == 1 else "" for label in labels]
        return [label or side.runs[0]["id"] for label, side in zip(alone, sides, strict=True)]
    names = ("before", "after")
    if labels[0] == labels[1]:
        return [f"{name} ({label})" if label else name for name, label in zip(names, labels, strict=True)]
    return [label or name for name, label in zip(names, labels, strict=True)]


def arm_of(label: str, pair: Pair, which: int) -> Arm:
    """One side of a pair with its counts"""
    side, codes = pair.sides[which], pair.codes[which]
    return Arm(
        label=label,
        runs=side.runs,
        seeds=side.grid.seeds,
        tally=outcomes.tally_of(codes),
        early_fails=outcomes.early_fails(codes),
        dialogues=outcomes.dialogues(codes),
        counts=side.grid.counts,
        reliability=outcomes.reliability(codes, pair.outcome),
    )


def _secondary(shares: dict[str, np.ndarray], tests: Sequence[Test]) -> dict[str, Secondary]:
    """The differences of the shares of Excellent and of Fail with their tests, Holm over the two; none without grades"""
    p_values = {grade: test.p_value for grade, test in zip(shares, tests, strict=True)}
    adjusted = holm(p_values)
    return {grade: Secondary(float(d.mean()), p_values[grade], adjusted[grade]) for grade, d in shares.items()}


def _reached(pair: Pair) -> Reached | None:
    """The figures without the turns that a full context left out"""
    if not any((codes == outcomes.UNREACHED).any() for codes in pair.paired):
        return None
    sides = [(codes, good) for codes, good in zip(pair.paired, pair.reached, strict=True)]
    kept = sides[0][1].any(axis=(1, 2)) & sides[1][1].any(axis=(1, 2))
    if not kept.any():
        return None
    before, after = (outcomes.means(codes, good, pair.outcome)[kept] for codes, good in sides)
    tallies = [outcomes.tally_of(codes[codes != outcomes.UNREACHED]) for codes in pair.codes]
    d = after - before
    return Reached(tallies[0], tallies[1], float(d.mean()), t_interval(d), sign_flip(d))


def _weaknesses(comparison: Comparison, pair: Pair) -> list[str]:
    """Sentences on what weakens the figures"""
    notes, sides = [], (comparison.before, comparison.after)
    n = len(comparison.changes)
    if comparison.primary.least > LEVEL:
        notes.append(
            f"With {n} conversation{'s' * (n > 1)} no result can be significant: the least possible p is above .05. Six are the "
            "fewest that can."
        )
    if n > 1 and comparison.interval and comparison.interval[1] - comparison.interval[0] < 1e-9:
        notes.append(
            f"All {n} differences are equal, so the interval has no width. It says nothing of conversations that were not held."
        )
    if unseen := [arm for arm in sides if arm.counts.unseen]:
        again = regrade_command([run for arm in unseen for run in arm.runs], comparison.grader)
        number = sum(arm.counts.unseen for arm in unseen)
        count = "1 reply has" if number == 1 else f"{number:,} replies have"
        notes.append(f"{count} no verdict of {comparison.grader}: undecided so far. Let it grade: {again}")
    return [*notes, *_seed_notes(comparison, pair)]


def _seed_notes(comparison: Comparison, pair: Pair) -> list[str]:
    before, after = comparison.before, comparison.after
    if len(before.seeds) != len(after.seeds):
        used = [
            ", ".join(str(arm.seeds[i]) for i in picks) for arm, picks in zip((before, after), pair.picks, strict=True)
        ]
        return [
            f"Before has {len(before.seeds)} seeds, after {len(after.seeds)}. The figures per conversation and the tests use as "
            f"many of both: {used[0]} before, {used[1]} after."
        ]
    sampled = any(run["sampling"].get("temperature") for arm in (before, after) for run in arm.runs)
    if len(before.seeds) < 3 and sampled:
        named = " ".join(",".join(run["id"] for run in arm.runs) for arm in (before, after))
        found = f"`lima dialogues power {named}` says what they can find."
        if comparison.outcome == outcomes.GRADE:
            found = (
                "on ten conversations with sampled replies, power to find +0.3 grade points is about .40 with one and .74 with "
                "three."
            )
        return [f"Fewer than three seeds: {found}"]
    return []
