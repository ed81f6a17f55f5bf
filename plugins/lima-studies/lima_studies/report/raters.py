"""The parts of a report that are about its raters: how far groups agree, beside the paper, and the orders of judges.

Knows nothing of who wins.
"""

from collections.abc import Sequence

from lima_dialogue_eval import count_of, wilson
from lima_studies import paper
from lima_studies.figures import agreement
from lima_studies.figures.choices import Chooser
from lima_studies.figures.outcomes import flips
from lima_studies.figures.panels import Rated
from lima_studies.record.study import JUDGES, Study
from lima_studies.report.document import Bar, Bars, Number, Part, Section, Table, share


def about_agreement(
    found: Sequence[Rated],
    labels: Sequence[str],
    tie: str | None = None,
    ordinal: bool = False,
    title: str = "Agreement",
) -> list[Section]:
    """How far the groups agree, under a title; nothing where no two raters looked at the same"""
    agreed = agreement.agreements(found, labels, tie, ordinal)
    return [_agreement(agreed, tie, title)] if agreed else []


def about_orders(found: Sequence[Chooser]) -> list[Section]:
    """How judges took the two orders; nothing without a judge"""
    judges = [c for c in found if not c.person]
    return [_judges(judges)] if judges else []


def about_answers(study: Study) -> list[Section]:
    """How many answers of each judge are left out because they could not be read or had; nothing where none is"""
    latest: dict[tuple[str, ...], str] = {}
    for row in study.verdicts():
        key = (row["rater"], row["question"], row["prompt"], row["first"], row["second"], str(row["sample"]))
        if latest.get(key) != "parsed":
            latest[key] = row["status"]
    rows = []
    for judge in (r["rater"] for r in study.raters() if r["team"] == JUDGES):
        found = [status for (rater, *_), status in latest.items() if rater == judge]
        counts = [found.count(status) for status in ("parsed", "unparsed", "error")]
        rows.append((judge, *(f"{count:,}" for count in counts)))
    if not {*latest.values()} & {"unparsed", "error"}:
        return []
    columns = ("judge", "read", "could not be read", "failed")
    note = "What could not be read, after all attempts, and what failed is in no figure above."
    return [Section("The judges", tables=(Table("Answers of the judges", columns, tuple(rows), note),))]


def _agreement(agreed: Sequence[agreement.Agreement], tie: str | None, title: str) -> Section:
    rows: list[tuple[str | Number, ...]] = []
    bars: list[tuple[str, tuple[Bar, ...]]] = []
    for one in agreed:
        name = " with ".join(one.groups)
        if one.discounted is not None:
            bars.append((name, _bars(one, one.discounted)))
        figures = [
            ("agreement", one.agreement, None, _text(one.agreement)),
            ("kappa", one.kappa, one.kappa_interval, _coefficient(one.kappa)),
            ("alpha", one.alpha, one.alpha_interval, _coefficient(one.alpha)),
        ]
        if tie:
            first = ("tie-discounted accuracy", one.discounted, one.discounted_interval, _text(one.discounted))
            figures.insert(0, first)
        numbers = (_number(one, *figure) for figure in figures)
        of = f"{count_of(one.pairs, 'pair')} of raters, {count_of(one.prompts, 'prompt')}"
        rows.append((name, of, *numbers))
    columns = ("groups", "of", *(["tie-discounted accuracy"] if tie else []), "agreement", "kappa", "alpha")
    drawn = Bars("Tie-discounted accuracy", tuple(bars), (("value", "share, with its interval below the bar"),))
    table = Table(f"{title}: every pair of groups", columns, tuple(rows))
    return Section(title, bars=(drawn,) if bars else (), tables=(table,))


def _bars(one: agreement.Agreement, share: float) -> tuple[Bar, ...]:
    """Ours, and the paper's where it has these groups"""
    found = [Bar("here", (Part("value", share),), _text(share), interval=one.discounted_interval)]
    known = paper.AGREEMENT.get(one.groups) or paper.AGREEMENT.get((one.groups[1], one.groups[0]))
    if known:
        found.append(Bar("the paper", (Part("value", known / 100),), f"{known} %", paper=True))
    return tuple(found)


def _number(
    one: agreement.Agreement, kind: str, value: float | None, interval: agreement.Interval, text: str
) -> Number:
    between = f"  [{interval[0]:.2f} to {interval[1]:.2f}]" if interval else ""
    return Number(" with ".join(one.groups), f"{text}{between}", one.items, kind, value, interval)


def _judges(judges: Sequence[Chooser]) -> Section:
    """Flips, and whether a judge prefers a place"""
    rows = []
    for judge in judges:
        count, n, interval = flips(judge)
        first, chosen = judge.first
        row = (
            judge.name,
            share(judge.name, count, n, "flips", interval),
            share(judge.name, first, chosen, "first preferred", wilson(first, chosen)),
            f"{judge.unread} unread, {judge.errors} failed",
        )
        rows.append(row)
    columns = ("judge", "flips", "shown first preferred", "answers left out")
    return Section("The judges", tables=(Table("Orders", columns, tuple(rows)),))


def _text(value: float | None) -> str:
    return "undefined" if value is None else f"{100 * value:.0f} %"


def _coefficient(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.2f}"
