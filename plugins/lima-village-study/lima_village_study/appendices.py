"""What the study finds about LIMA's appendices: perplexity against quality (B), and six format examples (E).

Every verdict follows from the numbers, also where it contradicts the paper. The prose is in `findings.toml`.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from math import log

from lima_village_study import words
from lima_village_study.ablations import PAPER_SCALE
from lima_village_study.arms import Sets
from lima_village_study.finding import Finding, Panel, Point, Series, Table, line, named, side, tell, ticks
from lima_village_study.perplexity import OTHER, TRAINED
from lima_village_study.scores import Results, excellent

UNMOVED = 20.0
"""per cent of excellent: a structure that stays below, interval included, was not learned from the other one"""


def perplexity(results: Results, sets: Sets) -> Finding | None:
    """App. B: perplexity and quality over the epochs, in the trained wording and in others"""
    by_wording = {
        "in the wording that is trained": results.values("epochs", TRAINED),
        "in other words": results.values("epochs", OTHER),
    }
    trained, other = by_wording.values()
    epochs = [epoch for epoch in results.epochs("epochs", sets.epochs) if epoch in trained and epoch in other]
    held = results.by_epoch("epochs", sets.epochs, epochs)
    if len(epochs) < 2 or not held.complete:
        return None
    means, last = held.means(excellent), epochs[-1]
    told, verdicts = [], []
    for name, values in by_wording.items():
        lowest = min(epochs, key=lambda epoch: values[epoch])
        change = held.gain(last, lowest, excellent)
        verdicts.append(False if lowest == last else side(change))
        told.append({"name": name, "lowest": lowest, "least": values[lowest], "last": values[last], "change": change})
    rows = [(str(e), words.number(trained[e], 3), words.number(other[e], 2), words.share(means[e])) for e in epochs]
    return tell(
        "perplexity",
        held,
        agrees=verdicts[0] if verdicts[0] == verdicts[1] else None,
        panels=[
            Panel("line", (line("ours", means),), "% excellent", "epoch", ticks=ticks(epochs)),
            _by_epoch("loss as trained (log)", {e: log(trained[e]) for e in epochs}, log=True),
            _by_epoch("perplexity, other words", {e: other[e] for e in epochs}),
            _paper("the paper: perplexity", (5.1, 10.3), (0, 12)),
            _paper("the paper: 1 to 6", (3.90, 4.15), PAPER_SCALE),
        ],
        tables=[Table(("epoch", "perplexity as trained", "in other words", "excellent"), rows)],
        wordings=told,
        epoch=last,
        swing=max((abs(means[b].value - means[a].value), a, b) for a, b in pairwise(epochs)),
        means={"": means[last]},
    )


def _by_epoch(what: str, values: Mapping[int, float], log: bool = False) -> Panel:
    series = Series("ours", tuple(Point(i, y) for i, y in enumerate(values.values())), line=True)
    return Panel("line", (series,), what, "epoch", None, ticks(list(values)), log)


def _paper(name: str, values: tuple[float, float], limits: tuple[float, float]) -> Panel:
    """The paper's two printed numbers, at steps 60 and 420"""
    series = Series("the paper", tuple(Point(i, y) for i, y in enumerate(values)), paper=True, line=True)
    return Panel("line", (series,), name, "step", limits, ticks(["60", "420"]))


def formats(results: Results, sets: Sets) -> Finding | None:
    """App. E: six examples of one structure, and another structure"""
    held = results.compared(sets.prompts, {"none": "before", "list": "six-lists", "card": "six-cards"})
    if not held.complete:
        return None
    by_form = {form: held.where("kind", form) for form in ("list", "card")}
    means = {form: found.means(excellent) for form, found in by_form.items()}
    gains = {(form, shown): by_form[form].gain(shown, "none", excellent) for form in by_form for shown in by_form}
    unseen = [("card", "list"), ("list", "card")]
    """(form asked for, form of the six examples)"""
    pairs = [pair for form, shown in unseen for pair in ((form, shown), (shown, shown))]

    def label(form: str, shown: str) -> str:
        return f"{form}s after six {shown}s"

    after = {label(form, shown): means[form][shown] for form, shown in unseen}
    verdicts = [side(gains[pair]) for pair in unseen]
    rows = [
        (
            label(form, shown),
            words.number(means[form]["none"].value) + words.PER_CENT,
            words.share(means[form][shown]),
            *words.change(gains[form, shown]),
        )
        for form, shown in pairs
    ]
    bars = {
        **{f"{form}s after none": means[form]["none"] for form in ("card", "list")},
        **after,
        **{label(form, form): means[form][form] for form in ("list", "card")},
    }
    unmoved = all(one.span[1] < UNMOVED for one in after.values())
    return tell(
        "formats",
        held,
        agrees=True if all(verdict is True for verdict in verdicts) else False if unmoved else None,
        panels=[named(bars, "% excellent", (0, 100))],
        tables=[Table(("excellent", "without", "with", "change, points", "fine-tunes redrawn"), rows)],
        unseen=unseen,
        gains=gains,
        after={shown: means[form][shown] for form, shown in unseen},
        unmoved=UNMOVED,
        means=after,
    )
