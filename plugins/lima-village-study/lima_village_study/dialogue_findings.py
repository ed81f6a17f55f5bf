"""What the study says about LIMA's dialogues (§6): the effect, its controls, kinds and turns, and how many it takes.

Every sentence follows from the numbers, also where it contradicts the paper. Knows nothing of how they are drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from lima_village.arm import Sets
from lima_village_study.finding import (
    Finding,
    Panel,
    Point,
    Series,
    Table,
    at,
    gain,
    judged,
    number,
    redrawn,
    samples,
    side,
    signed,
    value,
    without,
)
from lima_village_study.scores import Results, Together, by_seed, difference, excellent, fail, mean, passed, points
from lima_village_study.scores import Row as Reply

NUMBERS = {0: "before", 3: "dialogues-3", 10: "dialogues-10", 30: "after", 100: "dialogues-100"}
CONTROLS = {"more-singles": "more singles", "unrelated": "fake dialogues"}
NAMES = {"before": "1,000 singles", "after": "+ 30 dialogues", **CONTROLS}
PAPER_GAIN = 100 * (35 / 46 - 19 / 42)
"""points of excellent"""
SHARE = "Share of replies that the facts grader calls excellent, averaged over turns and seeds, then over conversations"
ONE_DRAW = (
    "There is one draw of the dialogues, and fewer are the first ones of more: no interval says how much depends on which they "
    "are."
)


def thirty_dialogues(results: Results, sets: Sets) -> Finding | None:
    """§6: before and after 30 dialogues"""
    from lima_dialogue_eval.figures import PAPER_AFTER, PAPER_BEFORE, equals

    names = [name for name in (sets.ten, sets.conversations) if name and results.has(name, "before", "after")]
    if not names:
        return None
    bars, rows, changes, said, verdicts = [], [], [], [], []
    for name in names:
        held = results.together(name, "before", "after")
        before, after = held.values()
        change, grade = difference(after, before, excellent), difference(after, before, points)
        failing = difference(after, before, fail)
        for label, found in (("1,000", before), ("+ 30", after)):
            shares = _shares(found)
            bars.append((f"{label}, n = {change.units}", shares))
            rows.append((bars[-1][0], *(f"{number(share)}\N{NO-BREAK SPACE}%" for share in shares), f"{len(found):,}"))
        for grade_name, score in (("excellent", excellent), ("pass", passed), ("fail", fail)):
            moved = difference(after, before, score)
            changes.append(
                (
                    f"{grade_name}, {change.units}",
                    *(value(mean(found, score), unit=" %") for found in (before, after)),
                    gain(moved),
                    redrawn(moved),
                )
            )
        verdicts.append(_both(side(grade) if grade.p_value < 0.05 else None, failing.value < 0))
        said.append(
            f"On {change.units} held-out conversations{without(held.left_out)} 30 dialogues change the share of excellent "
            f"replies by {judged(change, unit=' points')}, that of failed ones by {judged(failing, unit=' points')}, and the "
            f"mean grade by {judged(grade, 2)} (sign-flip p {equals(grade.p_value)})."
        )
    for label, tally in (("paper: 1,000, n = 10", PAPER_BEFORE), ("paper: + 30, n = 10", PAPER_AFTER)):
        known = [100 * tally.count(grade) / tally.turns for grade in ("excellent", "pass", "fail")]
        bars.append((label, known))
        rows.append((label, *(f"{share:.1f}\N{NO-BREAK SPACE}%" for share in known), f"{tally.turns}"))
    agrees = True if all(verdicts) else False if False in verdicts else None
    return Finding(
        key="dialogues",
        title="Thirty dialogues",
        where="LIMA §6, figure 7",
        claim="With 30 dialogues beside 1,000 singles excellent replies rise from 45.2 to 76.1 %, and fails fall from 35.7 to "
        "2.2 %.",
        panels=(_stack(bars),),
        alt="Stacked bars of excellent, pass and fail before and after 30 dialogues, ours above the paper's: "
        + "; ".join(f"{name} {shares[0]:.0f} % excellent, {shares[2]:.0f} % fail" for name, shares in bars),
        tables=(
            Table(("arm, conversations", "excellent", "pass", "fail", "replies"), tuple(rows), "Shares of all replies"),
            Table(
                ("grade, n", "1,000", "+ 30", "change, points", "fine-tunes redrawn"),
                tuple(changes),
                "Means over conversations, each counted once however long",
            ),
        ),
        numbers=" ".join(said)
        + f" The paper's change is {signed(PAPER_GAIN)} points of excellent in ten live conversations.",
        agrees=agrees,
        rule="Agrees when, on every set of conversations, the mean grade rises and fails fall; disagrees when, on one of them, "
        "the mean grade falls, or rises while fails do not fall. For it to rise or fall the sign-flip p must be below .05, and "
        "the 95 % interval of its change, the one with the fine-tunes redrawn where there is one, wholly above or below zero.",
        method="The figure and the first table count replies, as the paper and lima demo do; the changes are of means over "
        f"conversations. {_method(held, {a: NAMES[a] for a in held})} {ONE_DRAW} Test: two-sided "
        "sign-flip over conversations on the mean grade (Fail 0, Pass 1, Excellent 2), exact for ten, else 99,999 flips with a "
        "fixed seed.",
    )


def controls(results: Results, sets: Sets) -> Finding | None:
    """§6: neither more tokens nor the form of a dialogue alone is what helps"""
    name, arms = sets.conversations, ("after", *CONTROLS)
    held = results.together(name, "before", *arms)
    if not all(held.values()):
        return None
    gains = {arm: difference(held[arm], held["before"], excellent) for arm in arms}
    floor = gains["after"].span[0]
    small = [gains[arm].span[1] < floor for arm in CONTROLS]
    worst = max(CONTROLS, key=lambda arm: gains[arm].value)
    rows = [
        (
            NAMES[arm],
            _tokens(results, arm),
            value(mean(held[arm], excellent), unit=" %"),
            by_seed(held[arm], excellent),
            *((gain(gains[arm]), redrawn(gains[arm])) if arm in gains else ("", "")),
        )
        for arm in ("before", *arms)
    ]
    return Finding(
        key="controls",
        title="Controls: more tokens, and dialogues that are none",
        where="controls of LIMA §6; the paper has none",
        claim=f"Thirty dialogues raise excellent replies by {number(PAPER_GAIN)} points. If dialogues are what does it, then "
        "neither as many trained tokens of further singles nor 30 fake dialogues of unrelated questions does.",
        panels=(
            Panel(
                "names",
                (
                    Series(
                        "ours", tuple(Point(i, gains[a].value, gains[a].interval, NAMES[a]) for i, a in enumerate(arms))
                    ),
                    Series("the paper", (Point(len(arms), PAPER_GAIN, None, "paper: + 30 dialogues"),), paper=True),
                ),
                value="gain, points of excellent",
                zero=True,
            ),
        ),
        alt="Gain over 1,000 singles: " + "; ".join(f"{NAMES[arm]} {gain(gains[arm])}" for arm in arms),
        tables=(
            Table(("", "trained tokens", "excellent", "by seed", "gain, points", "fine-tunes redrawn"), tuple(rows)),
        ),
        numbers=f"The 30 dialogues gain {judged(gains['after'], unit=' points of excellent')}; {NAMES['more-singles']} "
        f"{judged(gains['more-singles'])}; {NAMES['unrelated']} {judged(gains['unrelated'])}: "
        + (
            "neither control shows the gain"
            + (f", though {NAMES[worst]} gain something." if side(gains[worst]) else ".")
            if all(small)
            else f"{NAMES[worst]} show a part of the gain that chance does not explain away."
        ),
        agrees=all(small) or (False if gains[worst].value > floor else None),
        judged=False,  # the paper has no controls to agree with
        rule="Agrees when the interval of both controls ends below the one of the dialogues, by the intervals with the "
        "fine-tunes redrawn where there are any.",
        method=_method(held, {arm: NAMES[arm] for arm in held}),
    )


def turns(results: Results, sets: Sets) -> Finding | None:
    """By turn and by kind"""
    name = sets.conversations
    arms = [arm for arm in ("before", "after", *CONTROLS) if results.has(name, arm)]
    held = results.together(name, *arms)
    if "before" not in arms or "after" not in arms or not all(held.values()):
        return None
    first, later = (
        difference(_kept(held["after"], keep), _kept(held["before"], keep), excellent)
        for keep in (_is_first, _is_later)
    )
    kinds = sorted({row["kind"] for row in held["after"]}, key=lambda k: (k != "opening", k))
    weak = [k for k in kinds if mean(_kept(held["after"], _of("kind", k)), excellent).value < 80]
    numbers = sorted({row["turn"] for row in held["after"]})
    series = tuple(
        Series(
            NAMES[arm],
            tuple(at(n, mean(_kept(held[arm], _of("turn", n)), excellent)) for n in numbers),
            line=True,
        )
        for arm in arms
    )
    return Finding(
        key="turns",
        title="By turn and by kind of question",
        where="asked of LIMA §6; the paper does not report it",
        claim="Where the gain is: in the first answers, or in those that lean on what was said.",
        panels=(Panel("line", series, "% excellent", "turn", (0, 100), tuple((float(n), str(n)) for n in numbers)),),
        alt="Excellent replies by turn: "
        + "; ".join(f"{s.name} " + ", ".join(f"{p.y:.0f}" for p in s.points) for s in series),
        tables=tuple(
            _grouped(held, key, groups, caption)
            for key, groups, caption in (
                ("turn", numbers, "By turn: % excellent / % fail"),
                ("kind", kinds, "By kind: % excellent / % fail"),
            )
        ),
        numbers=f"The first answers change by {judged(first, unit=' points of excellent')}, the later ones by "
        f"{judged(later, unit=' points')}. After the dialogues "
        + (
            f"these kinds stay below 80 % excellent: {', '.join(weak)}." if weak else "no kind is below 80 % excellent."
        ),
        agrees=None,
        judged=False,
        method=_method(held, {arm: NAMES[arm] for arm in arms}) + " Kinds and turns are descriptive.",
    )


def number_of_dialogues(results: Results, sets: Sets) -> Finding | None:
    """0, 3, 10, 30 and 100 dialogues"""
    name = sets.conversations
    there = {n: arm for n, arm in NUMBERS.items() if results.has(name, arm)}
    held = results.together(name, *there.values())
    if not {0, 30} < set(there) or not all(held.values()):
        return None
    found = {n: mean(held[arm], excellent) for n, arm in there.items()}
    thirty = difference(held["after"], held["before"], excellent)
    steps = list(there)
    more = {b: difference(held[there[b]], held[there[a]], excellent) for a, b in pairwise(steps)}
    said = [f"from {a} to {b} {judged(more[b])}" for a, b in pairwise(steps)]
    place = {n: i for i, n in enumerate(steps)}
    paper = ((0, 100 * 19 / 42), (30, 100 * 35 / 46))
    return Finding(
        key="number",
        title="How many dialogues it takes",
        where="LIMA §6, for 0 and 30 dialogues",
        claim="Thirty dialogues suffice: 45.2 % excellent without them, 76.1 % with them. Other numbers were not tried.",
        panels=(
            Panel(
                "line",
                (
                    Series("ours", tuple(at(place[n], e) for n, e in found.items()), line=True),
                    Series("the paper", tuple(Point(place[n], y) for n, y in paper), paper=True, line=True),
                ),
                "% excellent (ours: mean over conversations)",
                "dialogues beside 1,000 singles",
                (0, 100),
                tuple((float(i), str(n)) for n, i in place.items()),
            ),
        ),
        alt="Excellent replies: " + "; ".join(f"{n} dialogues {value(e, unit=' %')}" for n, e in found.items()),
        tables=(
            Table(
                ("dialogues", "excellent", "by seed", "against the number before", "fine-tunes redrawn", "the paper"),
                tuple(
                    (
                        str(n),
                        value(e, unit=" %"),
                        by_seed(held[there[n]], excellent),
                        *((gain(more[n]), redrawn(more[n])) if n in more else ("", "")),
                        dict(_texts(paper)).get(n, ""),
                    )
                    for n, e in found.items()
                ),
            ),
        ),
        numbers=f"Points of excellent gained: {'; '.join(said)}. Thirty against none: {judged(thirty, unit=' points')}.",
        agrees=side(thirty),
        method=f"{_method(held, {arm: str(n) for n, arm in there.items()})} {ONE_DRAW}",
    )


# Small things


def _method(held: Together, arms: Mapping[str, str]) -> str:
    """How the means of these arms, with what they are called, came about"""
    found = {label: mean(held[arm], excellent) for arm, label in arms.items()}
    return (
        f"{SHARE}. {samples(found, left_out=held.left_out)}; greedy replies, each arm's own replies are in its history."
    )


def _shares(rows: Sequence[Reply]) -> tuple[float, ...]:
    return tuple(
        100 * sum(row["grade"] == grade for row in rows) / len(rows) for grade in ("excellent", "pass", "fail")
    )


def _both(first: bool | None, second: bool) -> bool | None:
    return None if first is None else first and second


def _stack(bars: Sequence[tuple[str, Sequence[float]]]) -> Panel:
    return Panel(
        "stack",
        tuple(
            Series(grade, tuple(Point(i, shares[g], None, name) for i, (name, shares) in enumerate(bars)))
            for g, grade in enumerate(("excellent", "pass", "fail"))
        ),
        "% of replies",
        limits=(0, 100),
    )


def _tokens(results: Results, arm: str) -> str:
    runs = results.runs(arm)
    return f"{runs[0]['trained_tokens']:,}" if runs else ""


def _texts(paper: Sequence[tuple[int, float]]) -> list[tuple[int, str]]:
    return [(n, f"{y:.1f}\N{NO-BREAK SPACE}%") for n, y in paper]


def _is_first(row: Reply) -> bool:
    return bool(row["turn"] == 1)


def _is_later(row: Reply) -> bool:
    return bool(row["turn"] > 1)


def _of(key: str, wanted: Any) -> Callable[[Reply], bool]:
    return lambda row: bool(row[key] == wanted)


def _kept(rows: Sequence[Reply], keep: Callable[[Reply], bool]) -> list[Reply]:
    return [row for row in rows if keep(row)]


def _grouped(held: Mapping[str, Sequence[Reply]], key: str, groups: Sequence[Any], caption: str) -> Table:
    def cell(rows: Sequence[Reply]) -> str:
        shares = _shares(rows) if rows else (0.0, 0.0, 0.0)
        return f"{shares[0]:.0f} / {shares[2]:.0f}" if rows else ""

    rows = [
        (
            str(group),
            f"{len(_kept(held['after'], _of(key, group))):,}",
            *(cell(_kept(held[arm], _of(key, group))) for arm in held),
        )
        for group in groups
    ]
    return Table((key, "replies", *(NAMES[arm] for arm in held)), tuple(rows), caption)
