"""What the study says about LIMA's ablations (§5): diversity, quality and quantity, each over held-out prompts.

Every sentence follows from the numbers, also where it contradicts the paper. Knows nothing of how they are drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from lima_village.arm import Sets
from lima_village_study.arms import PLATEAU, SIZES
from lima_village_study.finding import (
    Finding,
    Panel,
    Point,
    Series,
    Table,
    at,
    gain,
    judged,
    named,
    number,
    redrawn,
    samples,
    side,
    value,
)
from lima_village_study.scores import Estimate, Results, difference, excellent, mean, points
from lima_village_study.scores import Row as Reply

MARGIN = 0.1
"""grade points, a twentieth of the scale: less is no difference to speak of"""
SCALE, PAPER_SCALE = (0.0, 2.0), (1.0, 6.0)
GRADE = "mean grade, Fail 0 to Excellent 2"
LIKERT = "the paper: helpfulness, 1 to 6"
FORMS = ("question", "two", "brief", "list", "card", "portrait")


def diversity(results: Results, sets: Sets) -> Finding | None:
    """§5: one kind of prompt against all kinds"""
    return _ablation(
        results,
        sets,
        key="diversity",
        title="Diversity",
        claim="Diverse prompts beat prompts of one kind: filtered Stack Exchange 3.83, wikiHow 3.49 of 6.",
        arms={"random": ("all kinds", 3.83), "one-kind": ("one kind", 3.49)},
    )


def quality(results: Results, sets: Sets) -> Finding | None:
    """§5: clean answers against unfiltered ones"""
    return _ablation(
        results,
        sets,
        key="quality",
        title="Quality",
        claim="Filtered answers beat unfiltered ones: 3.83 against 3.33 of 6.",
        arms={"random": ("clean", 3.83), "spoiled": ("half spoiled", 3.33)},
    )


def _ablation(
    results: Results, sets: Sets, *, key: str, title: str, claim: str, arms: dict[str, tuple[str, float]]
) -> Finding | None:
    """Two arms of 1,000 examples beside two numbers of the paper"""
    found = results.together(sets.prompts, *arms)
    if not all(found.values()):
        return None
    (good, (good_name, _)), (poor, (poor_name, _)) = arms.items()
    means = {arm: mean(found[arm], points) for arm in arms}
    change = difference(found[good], found[poor], points)
    names = [name for name, _ in arms.values()]
    return Finding(
        key=key,
        title=title,
        where="LIMA §5, figure 5",
        claim=claim,
        panels=(
            named("ours", [(n, means[a]) for a, n in zip(arms, names, strict=True)], GRADE, SCALE),
            _papers([(name, paper) for name, paper in arms.values()]),
        ),
        alt=f"Mean grade: {'; '.join(f'{n} {value(means[a], 2)}' for a, n in zip(arms, names, strict=True))}. "
        + f"The paper: {'; '.join(f'{n} {y}' for n, y in arms.values())}.",
        tables=(
            Table(
                ("1,000 examples", "mean grade", "excellent", "the paper, of 6"),
                tuple(
                    (name, value(means[arm], 2), value(mean(found[arm], excellent), unit=" %"), f"{paper}")
                    for arm, (name, paper) in arms.items()
                ),
            ),
            by_form({name: found[arm] for arm, (name, _) in arms.items()}),
        ),
        numbers=f"The mean grade after 1,000 examples is {number(means[good].value, 2)} of 2 ({good_name}) and "
        f"{number(means[poor].value, 2)} ({poor_name}): a difference of {judged(change, 2)}.",
        agrees=side(change),
        method=over_prompts(dict(zip(names, means.values(), strict=True)), found.left_out),
    )


PAPER_QUANTITY = Panel(
    "line",
    (
        Series(
            "the paper",
            (Point(0, 3.83, None, "3.83; up to 32k a plateau,\nof which no number is printed"),),
            paper=True,
        ),
    ),
    LIKERT,
    "examples",
    PAPER_SCALE,
    tuple((float(i), f"{2 * 2**i}k") for i in range(5)),
)


def quantity(results: Results, sets: Sets) -> Finding | None:
    """§5: up to sixteen times the examples at equal steps"""
    sizes = [n for n in SIZES if results.has(sets.prompts, f"forms-{n}")]
    held = results.together(sets.prompts, *(f"forms-{n}" for n in sizes))
    if len([n for n in sizes if n >= PLATEAU]) < 2 or not all(held.values()):
        return None
    found = {n: held[f"forms-{n}"] for n in sizes}
    means = {n: mean(rows, points) for n, rows in found.items()}
    few, first, last = sizes[0], min(n for n in sizes if n >= PLATEAU), sizes[-1]
    whole, before = difference(found[last], found[first], points), difference(found[first], found[few], points)
    low, high = whole.span
    flat = low > -MARGIN and high < MARGIN
    steps_up = {b: difference(found[b], found[a], points) for a, b in pairwise(sizes)}
    steps = sorted({run["steps"] for n in sizes for run in results.runs(f"forms-{n}")})
    ticks = tuple((float(i), f"{n:,}") for i, n in enumerate(sizes))
    return Finding(
        key="quantity",
        title="Quantity",
        where="LIMA §5, figure 6",
        claim="From 2,000 to 32,000 examples quality stays where it is. Of the paper's figure only the first value is printed: "
        "3.83.",
        panels=(
            Panel(
                "line",
                (
                    Series(
                        "ours",
                        tuple(at(i, means[n]) for i, n in enumerate(sizes)),
                        line=True,
                    ),
                ),
                GRADE,
                "examples, the same number of steps each",
                SCALE,
                ticks,
            ),
            PAPER_QUANTITY,
        ),
        alt=f"Mean grade: {'; '.join(f'{n:,} examples {value(e, 2)}' for n, e in means.items())}.",
        tables=(
            Table(
                ("examples", "mean grade", "excellent", "against the size before", "fine-tunes redrawn"),
                tuple(
                    (
                        f"{n:,}",
                        value(means[n], 2),
                        value(mean(found[n], excellent), unit=" %"),
                        *((gain(steps_up[n], 2), redrawn(steps_up[n], 2)) if n in steps_up else ("", "")),
                    )
                    for n in sizes
                ),
            ),
        ),
        numbers=f"From {first:,} to {last:,} examples, {last // first} times as many, the mean grade changes by "
        + judged(whole, 2)
        + (f"; all sizes took {steps[0]} steps." if len(steps) == 1 else f"; steps: {', '.join(map(str, steps))}.")
        + (f" From {few:,} to {first:,} it changes by {judged(before, 2)}." if few < first else "")
        + _at_ceiling(means[first], means[last]),
        agrees=True if flat else False if low > 0 and whole.value > MARGIN else None,
        rule=f"Agrees when the whole interval of the change, fine-tunes redrawn, lies within ±{MARGIN} grade points; disagrees "
        f"when it lies above zero and the change is larger than {MARGIN}.",
        method=over_prompts({f"{n:,}": e for n, e in means.items()}, held.left_out)
        + " From which size on a plateau is claimed was chosen on the prompts for tuning.",
    )


def _at_ceiling(*estimates: Estimate) -> str:
    """A warning where nothing could have risen any more"""
    if min(e.value for e in estimates) < 0.98 * SCALE[1]:
        return ""
    return " Both are near the top of the scale, where little room is left to rise."


# Small things, for the baselines as well


def _papers(found: Sequence[tuple[str, float]]) -> Panel:
    series = Series("the paper", tuple(Point(i, y, None, name) for i, (name, y) in enumerate(found)), paper=True)
    return Panel("names", (series,), LIKERT, limits=PAPER_SCALE)


def by_form(found: dict[str, list[Reply]]) -> Table:
    """Excellent replies of each arm to each form of request"""
    rows = []
    for form in FORMS:
        groups = [[row for row in rows_ if row["kind"] == form] for rows_ in found.values()]
        cells = (number(mean(group, excellent).value, 0) for group in groups)
        rows.append((form, *cells))
    return Table(("form asked for", *found), tuple(rows), "By form: % excellent")


def over_prompts(found: Mapping[str, Estimate], left_out: int, what: str = "Mean grade") -> str:
    """How means over prompts, by what their arms are called, came about"""
    return (
        f"{what} over prompts; the samples and seeds of a prompt are averaged first. {samples(found, 'prompts', left_out)}; "
        "five samples a prompt and seed at temperature 0.7, top-p 0.9, without a repetition penalty, which would punish a list "
        "for its own marks."
    )
