"""The figure: for each group a track for each arm, with a mean and its interval in per cent of the track's width.

Knows nothing of HTML, nor of what the numbers mean.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lima_dialogue_eval import Summary
from lima_effect.findings import number

SURE = 5
"Intervals of groups with fewer conversations are so wide that they do not decide how far an axis reaches"


@dataclass(frozen=True)
class Mark:
    """One arm in one group: places in per cent of the track"""

    arm: str
    at: float
    low: float
    high: float
    text: str
    "The numbers"


@dataclass(frozen=True)
class Row:
    """One group"""

    name: str
    size: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class Panel:
    """Rows on one axis"""

    title: str
    rows: tuple[Row, ...]
    low: str
    high: str
    zero: float
    "Where nothing is, in per cent"


def panel(title: str, gain: str, groups: Mapping[str, tuple[str, Mapping[str, Summary]]]) -> Panel:
    """One gain in groups, each with what is said of its size and each arm's figures in it"""
    ends = [0.0]
    for _, arms in groups.values():
        for one in arms.values():
            figure = one.gains[gain]
            ends += [figure.mean, *(figure.interval or ())] if one.conversations >= SURE else [figure.mean]
    low, high = min(ends), max(ends)
    margin = 0.04 * (high - low) or 1.0
    low, high = low - margin * (low < 0), high + margin

    def place(value: float) -> float:
        return 100 * min(1.0, max(0.0, (value - low) / (high - low)))

    rows = tuple(
        Row(name, size, tuple(_mark(arm, one, gain, place) for arm, one in arms.items()))
        for name, (size, arms) in groups.items()
    )
    return Panel(title, rows, number(low), number(high), place(0.0))


def _mark(arm: str, one: Summary, gain: str, place: Callable[[float], float]) -> Mark:
    figure = one.gains[gain]
    low, high = figure.interval or (figure.mean, figure.mean)
    between = f" [{number(low)}, {number(high)}]" if figure.interval else ""
    return Mark(arm, place(figure.mean), place(low), place(high), f"{number(figure.mean)}{between}")
