"""What the study says about the baselines that later papers ask for: the longest, random ones, and an untuned base in context.

Every sentence follows from the numbers, also where it contradicts a paper. Knows nothing of how they are drawn.
"""

from __future__ import annotations

from lima_village.arm import Sets
from lima_village_study.ablations import GRADE, SCALE, by_form, over_prompts
from lima_village_study.finding import Finding, Panel, Series, Table, at, judged, named, samples, side, value
from lima_village_study.scores import Results, difference, excellent, mean, points

NO_NUMBER = "Of these papers we have no number that could be drawn beside ours."


def longest_and_random(results: Results, sets: Sets) -> Finding | None:
    """The longest, random ones, and the untuned base"""
    names = {
        "random": "1,000 random",
        "longest": "1,000 longest",
        "before": "1,000 in sentences only",
        "in-context": "untuned, in context",
    }
    there = {arm: name for arm, name in names.items() if results.has(sets.prompts, arm)}
    found = results.together(sets.prompts, *there)
    if not {"random", "longest"} <= set(there) or not all(found.values()):
        return None
    means = {arm: mean(rows, points) for arm, rows in found.items()}
    change = difference(found["longest"], found["random"], points)
    return Finding(
        key="baselines",
        title="Baselines: the longest, and random ones",
        where="2402.04833, 2410.09335",
        claim="The 1,000 longest responses of a pool beat LIMA's choice (2402.04833); at scale a random choice is nearly as good "
        "(2410.09335).",
        panels=(named("ours", [(name, means[arm]) for arm, name in there.items()], GRADE, SCALE),),
        alt=f"Mean grade: {'; '.join(f'{name} {value(means[arm], 2)}' for arm, name in there.items())}.",
        tables=(
            Table(
                ("", "mean grade", "excellent"),
                tuple(
                    (name, value(means[a], 2), value(mean(found[a], excellent), unit=" %")) for a, name in there.items()
                ),
            ),
            by_form({name: found[arm] for arm, name in there.items()}),
        ),
        numbers=f"The 1,000 longest against 1,000 random ones of the same pool: {judged(change, 2, ' of 2 grade points')}.",
        agrees=side(change),
        whose="2402.04833",
        method=f"{over_prompts({name: means[arm] for arm, name in there.items()}, found.left_out)} "
        "The longest are chosen within each form, and among the questions about each one, so that as many of each are there as "
        "among the random ones. What comes with length stays: more trained tokens, and other things that are told, such as why "
        f"somebody left home. The untuned base sees three worked exchanges. {NO_NUMBER}",
    )


def in_context(results: Results, sets: Sets) -> Finding | None:
    """The untuned base in a conversation"""
    name = sets.conversations
    found = results.together(name, "in-context", "before", "after")
    if not all(found.values()):
        return None
    labels = {"in-context": "untuned, in context", "before": "1,000 singles", "after": "+ 30 dialogues"}
    turns = sorted({row["turn"] for row in found["after"]})
    first, later = (
        difference(
            [r for r in found["after"] if (r["turn"] == 1) == start],
            [r for r in found["in-context"] if (r["turn"] == 1) == start],
            excellent,
            untuned=True,
        )
        for start in (True, False)
    )
    series = tuple(
        Series(
            labels[arm],
            tuple(at(turn, mean([r for r in rows if r["turn"] == turn], excellent)) for turn in turns),
            line=True,
        )
        for arm, rows in found.items()
    )
    return Finding(
        key="in-context",
        title="In context instead of tuned",
        where="2405.19874",
        claim="In-context examples make an untuned base as good as a tuned model in the first turn, but not in the second.",
        panels=(Panel("line", series, "% excellent", "turn", (0, 100), tuple((float(n), str(n)) for n in turns)),),
        alt="Excellent replies by turn: "
        + "; ".join(f"{s.name} " + ", ".join(f"{p.y:.0f}" for p in s.points) for s in series),
        tables=(
            Table(
                ("", "first turns", "later turns"),
                tuple(
                    (
                        labels[arm],
                        *(
                            value(mean([r for r in rows if (r["turn"] == 1) == start], excellent), unit=" %")
                            for start in (True, False)
                        ),
                    )
                    for arm, rows in found.items()
                ),
            ),
        ),
        numbers="The model tuned with 30 dialogues against the untuned base: "
        f"{judged(first, unit=' points of excellent')} in the first turns, {judged(later, unit=' points')} in the later ones.",
        agrees=side(later),
        whose="2405.19874",
        rule="Agrees when the tuned model is ahead in the later turns.",
        method="Share of excellent replies, mean over conversations. The base goes on with a text of questions and "
        "answers, three worked ones first; its corpus prints such texts, talks with follow-ups among them. "
        f"{samples({labels[a]: mean(r, excellent) for a, r in found.items()}, left_out=found.left_out)}. {NO_NUMBER}",
    )
