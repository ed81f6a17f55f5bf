"""The parts of a report that are about its raters: how far groups agree, beside the paper, and the orders of judges.

Knows nothing of who wins.
"""

from collections.abc import Sequence

from lima_dialogue_eval import wilson
from lima_studies import paper
from lima_studies.figures import agreement
from lima_studies.figures.choices import Chooser
from lima_studies.figures.outcomes import flips
from lima_studies.record.study import JUDGES
from lima_studies.report.document import Bar, Bars, Number, Part, Section, Table, share


def about_raters(found: Sequence[Chooser]) -> list[Section]:
    """What there is to say of who preferred what"""
    agreed, judges = agreement.agreements(found, _teams(found)), [c for c in found if not c.person]
    return [*([_agreement(agreed)] if agreed else []), *([_judges(judges)] if judges else [])]


def _teams(found: Sequence[Chooser]) -> list[str]:
    """People's groups first, as in the paper"""
    teams = list(dict.fromkeys(c.team for c in found))
    return sorted(teams, key=lambda team: (team == JUDGES, team != "crowd"))


def _agreement(agreed: Sequence[agreement.Agreement]) -> Section:
    rows, bars = [], []
    for one in agreed:
        name = " with ".join(one.groups)
        known = paper.AGREEMENT.get(one.groups) or paper.AGREEMENT.get(one.groups[::-1])
        height = one.discounted or 0.0
        drawn = [Bar("here", (Part("value", height),), _text(one.discounted), interval=one.discounted_interval)]
        if known:
            drawn.append(Bar("the paper", (Part("value", known / 100),), f"{known} %", paper=True))
        bars.append((name, tuple(drawn)))

        rows.append(
            (
                name,
                f"{one.pairs} pairs of raters, {one.prompts} prompts",
                _number(one, "tie-discounted accuracy", one.discounted, one.discounted_interval, _text(one.discounted)),
                _number(one, "agreement", one.agreement, None, _text(one.agreement)),
                _number(one, "kappa", one.kappa, one.kappa_interval, _coefficient(one.kappa)),
                _number(one, "alpha", one.alpha, one.alpha_interval, _coefficient(one.alpha)),
            )
        )
    columns = ("groups", "of", "tie-discounted accuracy", "agreement", "kappa", "alpha")
    drawn_bars = Bars("Tie-discounted accuracy", tuple(bars), (("value", "share, with its interval below the bar"),))
    return Section("Agreement", bars=(drawn_bars,), tables=(Table("Every pair of groups", columns, tuple(rows)),))


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
