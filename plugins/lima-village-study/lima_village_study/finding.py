"""A finding of the study: a claim of the paper, our numbers beside the paper's, and a sentence on whether they agree.

The prose of every finding is in `findings.toml`; its texts are Jinja templates over the numbers. This module does not
know where the numbers come from or how figures are drawn.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from lima_village_study import words
from lima_village_study.scores import Compared, Estimate, Score, excellent

PROSE = Path(__file__).with_name("findings.toml")
VERDICTS = {True: "This agrees with {}.", False: "This does not agree with {}.", None: "This decides neither way."}


@dataclass(frozen=True)
class Point:
    """One number in a figure"""

    x: float
    """its place; the index in the list if the axis has names"""
    y: float
    interval: tuple[float, float] | None = None
    name: str = ""
    """of its row; on a line, the text beside the point"""


@dataclass(frozen=True)
class Series:
    """Points of one kind"""

    name: str
    points: tuple[Point, ...]
    paper: bool = False
    line: bool = False


@dataclass(frozen=True)
class Panel:
    """One pair of axes"""

    kind: str
    """names, line, stack or histogram"""
    series: tuple[Series, ...]
    value: str
    """what the value axis shows"""
    along: str = ""
    """what the other axis shows, if it has no names"""
    limits: tuple[float, float] | None = None
    """of the value axis"""
    ticks: tuple[tuple[float, str], ...] = ()
    """of the other axis"""
    log: bool = False
    """whether the value axis is logarithmic"""
    zero: bool = False
    """whether a line marks zero"""

    @property
    def digits(self) -> int:
        """Decimals for its values"""
        return 3 if self.log else 2 if self.limits and self.limits[1] < 10 else 1

    @property
    def words(self) -> str:
        """The panel as text, for readers who cannot see it"""
        return f"{self.value}: " + "; ".join(f"{one.name} ({self._words(one)})" for one in self.series) + "."

    def _words(self, series: Series) -> str:
        if self.kind == "histogram":
            values = [point.x for point in series.points]
            return " to ".join(dict.fromkeys(words.signed(value, 1) for value in (min(values), max(values))))
        names = dict(self.ticks)
        return ", ".join(
            f"{names.get(point.x, point.name)}: {words.number(point.y, self.digits)} "
            f"{words.between(point.interval, self.digits)}".strip()
            for point in series.points
        )


@dataclass(frozen=True)
class Table:
    """Numbers to read"""

    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    caption: str = ""


@dataclass(frozen=True)
class Finding:
    """One section of the report"""

    key: str
    title: str
    where: str
    """the section or figure of the paper, or another paper's number"""
    claim: str
    """what the paper found, in a sentence"""
    numbers: str
    """what we found, in sentences computed from the numbers"""
    method: str
    """definition, n, method, seeds"""
    panels: tuple[Panel, ...]
    tables: tuple[Table, ...]
    agrees: bool | None
    rule: str = ""
    """when this finding agrees, if `RULE` does not apply"""
    judged: bool = True
    """whether the paper makes a claim to agree with"""
    whose: str = "the paper"
    """whose claim it is"""

    @property
    def sentence(self) -> str:
        """What we found, and whether it agrees"""
        return f"{self.numbers} {VERDICTS[self.agrees].format(self.whose)}" if self.judged else self.numbers

    @property
    def verdict(self) -> str:
        """agree, undecided or disagree; none if there is no claim"""
        return {True: "agree", False: "disagree", None: "undecided"}[self.agrees] if self.judged else "none"

    @property
    def alt(self) -> str:
        """The figure in words"""
        return " ".join(panel.words for panel in self.panels)


def tell(
    key: str,
    held: Compared,
    score: Score = excellent,
    *,
    agrees: bool | None,
    panels: Sequence[Panel],
    tables: Sequence[Table],
    **numbers: Any,
) -> Finding:
    """The finding of this name: its prose from `findings.toml`, filled with the numbers and the arms' means of the score"""
    numbers = {"means": held.means(score), "left_out": held.left_out, **numbers}
    prose: dict[str, Any] = {
        name: fill(text, **numbers) if isinstance(text, str) else text for name, text in _prose()[key].items()
    }
    return Finding(key=key, agrees=agrees, panels=tuple(panels), tables=tuple(tables), **prose)


def fill(text: str, **numbers: Any) -> str:
    """A text of `findings.toml` with the numbers in it; line breaks count as spaces"""
    return re.sub(r"[ \n]+", " ", _templates().from_string(text).render(numbers)).strip()


def common(key: str, **numbers: Any) -> str:
    """A text that several findings, or the page, share"""
    return fill(_prose()["common"][key], **numbers)


@cache
def _prose() -> dict[str, dict[str, Any]]:
    return tomllib.loads(PROSE.read_text(encoding="utf-8"))


@cache
def _templates() -> Environment:
    templates = Environment(undefined=StrictUndefined, autoescape=False)  # the page escapes
    templates.filters |= {name: getattr(words, name) for name in words.FILTERS}
    templates.globals["common"] = common
    return templates


def side(estimate: Estimate) -> bool | None:
    """Whether the deciding interval of a difference lies above zero; None if zero is inside"""
    if estimate.deciding is None:
        return None
    low, high = estimate.deciding
    return True if low > 0 else False if high < 0 else None


def named(found: Mapping[str, Estimate], what: str, limits: tuple[float, float] | None, *paper: Point) -> Panel:
    """A row of ours for each name with its estimate, and rows of the paper"""
    ours = Series("ours", tuple(Point(i, e.value, e.interval, label) for i, (label, e) in enumerate(found.items())))
    series = (ours, Series("the paper", paper, paper=True)) if paper else (ours,)
    return Panel("names", series, what, limits=limits, zero=limits is None)


def line(name: str, found: Mapping[Any, Estimate], **more: Any) -> Series:
    """Estimates along a scale, one step apart"""
    return Series(name, tuple(Point(i, e.value, e.interval) for i, e in enumerate(found.values())), line=True, **more)


def ticks(names: Sequence[Any]) -> tuple[tuple[float, str], ...]:
    """Names along a scale, one step apart"""
    return tuple((float(i), f"{name:,}" if isinstance(name, int) else name) for i, name in enumerate(names))
