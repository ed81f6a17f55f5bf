"""What the study says about LIMA's appendices: perplexity against quality (B), and six format examples (E).

Every sentence follows from the numbers, also where it contradicts the paper. Knows nothing of how they are drawn.
"""

from __future__ import annotations

from lima_village.arm import Sets
from lima_village_study.ablations import PAPER_SCALE, over_prompts
from lima_village_study.finding import (
    Finding,
    Panel,
    Point,
    Series,
    Table,
    at,
    gain,
    named,
    number,
    sample,
    side,
    value,
)
from lima_village_study.perplexity import OTHER, TRAINED
from lima_village_study.prompts import prompts
from lima_village_study.scores import Results, difference, excellent, mean
from lima_village_study.variations import structured


def perplexity(results: Results, sets: Sets) -> Finding | None:
    """App. B: perplexity and quality over the epochs"""
    trained, other = (results.values("epochs", text) for text in (TRAINED, OTHER))
    epochs = [epoch for epoch in results.epochs("epochs", sets.epochs) if epoch in trained and epoch in other]
    if len(epochs) < 2:
        return None
    found = {epoch: results.rows("epochs", sets.epochs, epoch) for epoch in epochs}
    means = {epoch: mean(rows, excellent) for epoch, rows in found.items()}
    lowest, last = min(epochs, key=lambda epoch: other[epoch]), epochs[-1]
    change = difference(found[last], found[lowest], excellent)
    told = (
        f"Perplexity is lowest after epoch {lowest}, {number(other[lowest], 2)}, and {number(other[last] / other[lowest], 2)} "
        f"times that after epoch {last}, {number(other[last], 2)}; from the one to the other excellent replies change by "
        f"{gain(change, unit=' points')}, to {number(means[last].value)} %."
        if lowest != last
        else f"Perplexity is lowest after the last epoch, {number(other[last], 2)}, where {value(means[last], unit=' %')} of "
        "the replies are excellent: the two do not come apart."
    )
    first = epochs[0]
    return Finding(
        key="perplexity",
        title="Perplexity against quality",
        where="LIMA App. B, figure 9",
        claim="From step 60 to 420 held-out perplexity doubles, 5.1 to 10.3, while judged quality rises from 3.90 to 4.15: "
        "choosing by the lowest perplexity picks the worst checkpoint.",
        panels=(
            _by_epoch("perplexity", {"other words": other, "as trained": trained}, epochs),
            Panel(
                "line",
                (Series("ours", tuple(at(e, means[e]) for e in epochs), line=True),),
                "% excellent",
                "epoch",
                (0, 100),
                tuple((float(e), str(e)) for e in epochs),
            ),
            _two("the paper: perplexity", (5.1, 10.3), (0, 12)),
            _two("the paper: 1 to 6", (3.90, 4.15), PAPER_SCALE),
        ),
        alt="By epoch: "
        + "; ".join(f"{e}: perplexity {number(other[e], 2)}, {value(means[e], unit=' % excellent')}" for e in epochs),
        tables=(
            Table(
                ("epoch", "perplexity", "as trained", "excellent"),
                tuple((str(e), number(other[e], 2), number(trained[e], 3), value(means[e], unit=" %")) for e in epochs),
            ),
        ),
        numbers=f"{told} In the very words that are trained, perplexity goes from {number(trained[first], 3)} to "
        f"{number(trained[last], 3)}.",
        agrees=False if last == lowest else side(change),
        rule="Agrees when perplexity is not lowest in the end, and from its lowest epoch to the last one quality rises.",
        method="Perplexity: of right answers in 50 held-out validation conversations, put in the other words of the corpus, as "
        "held-out texts are not in the style that is trained. Quality: share of excellent replies in all validation "
        f"conversations, greedy, with its 95 % t interval over conversations. {sample(means[last])}.",
    )


def _by_epoch(what: str, lines: dict[str, dict[int, float]], epochs: list[int]) -> Panel:
    series = tuple(
        Series(name, tuple(Point(e, values[e]) for e in epochs), line=True) for name, values in lines.items()
    )
    return Panel("line", series, what, "epoch", None, tuple((float(e), str(e)) for e in epochs))


def _two(name: str, values: tuple[float, float], limits: tuple[float, float]) -> Panel:
    points_ = (Point(60, values[0]), Point(420, values[1]))
    ticks = ((60.0, "60"), (420.0, "420"))
    return Panel("line", (Series("the paper", points_, paper=True, line=True),), name, "step", limits, ticks)


def formats(results: Results, sets: Sets) -> Finding | None:
    """App. E: six examples of structure"""
    arms = {"before": "no list or card", "six-formats": "six lists and cards"}
    if not results.has(sets.prompts, *arms):
        return None
    shown = {fact.attribute for single in structured(6) for fact in single.facts}
    requests = prompts(sets.prompts)
    others = {
        f"{sets.prompts}-{i:03d}" for i, r in enumerate(requests, 1) if not {fact.attribute for fact in r.facts} & shown
    }
    found = {arm: [r for r in results.rows(arm, sets.prompts) if r["kind"] in ("list", "card")] for arm in arms}
    new = {arm: [r for r in rows if r["conversation"] in others] for arm, rows in found.items()}
    means = {arm: mean(rows, excellent) for arm, rows in found.items()}
    change = difference(found["six-formats"], found["before"], excellent)
    unseen = difference(new["six-formats"], new["before"], excellent)
    rows = [
        (
            label,
            *(value(mean([r for r in group[arm] if kind in ("", r["kind"])], excellent), unit=" %") for arm in arms),
        )
        for label, group, kind in (
            ("lists and cards", found, ""),
            ("lists", found, "list"),
            ("cards", found, "card"),
            ("of nothing the six are about", new, ""),
        )
    ]
    return Finding(
        key="formats",
        title="Six format examples",
        where="LIMA App. E",
        claim="Six added examples with a structure were enough for structures that were never trained on. The paper shows "
        "replies and no number.",
        panels=(named("ours", [(name, means[arm]) for arm, name in arms.items()], "% excellent", (0, 100)),),
        alt="Excellent replies to requests for lists and cards: "
        + "; ".join(f"{name} {value(means[arm], unit=' %')}" for arm, name in arms.items()),
        tables=(Table(("requests", *arms.values()), tuple(rows)),),
        numbers=f"Six lists and cards beside 1,000 singles change the share of excellent lists and cards by "
        f"{gain(change, unit=' points')}, to {number(means['six-formats'].value)} %; where none of the six is about what is "
        f"asked for, by {gain(unseen, unit=' points')} ({unseen.units} requests).",
        agrees=side(unseen),
        method=over_prompts(change, "Lists and cards alone: share of excellent replies")
        + f" The six are about: {', '.join(sorted(shown))}.",
    )
