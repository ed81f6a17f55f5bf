"""What a finding of the study is: a claim of the paper, our numbers beside the paper's, and a sentence on whether they agree.

Also how numbers are worded. Knows nothing of where they come from or how they are drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lima_village_study.scores import Estimate

RULE = (
    "A claim is taken to agree when the whole 95 % interval of the difference lies on the paper's side of zero, to disagree when "
    "it lies on the other side, and to be undecided in between; by the interval with the fine-tunes redrawn where there is one. "
    "Arms and rules were chosen on the sets for tuning, some of them after looking at what came out there, as the model card "
    "says; all of them before the test."
)
INTERVALS = (
    "Brackets hold 95 % intervals over conversations or prompts (t, one value each), with the fine-tunes as they are; where all "
    "of them are alike, a share of 0 or 100 % has the exact one-sided bound (Clopper and Pearson) and anything else none. "
    "“Fine-tunes redrawn”: the middle 95 % of 2,000 draws, with a fixed seed, in which both arms' fine-tunes are drawn again as "
    "well as the conversations or prompts (crossed bootstrap); two or three fine-tunes an arm still tell little of their spread. "
    "The training data are one draw."
)
VERDICTS = {True: "This agrees with {}.", False: "This does not agree with {}.", None: "This decides neither way."}


@dataclass(frozen=True)
class Point:
    """One number in a figure"""

    x: float
    """where it stands; the place in the list where the axis has names"""
    y: float
    interval: tuple[float, float] | None = None
    name: str = ""
    """of its row; beside a line, what is written next to the point"""


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
    """what the other axis shows, where it has no names"""
    limits: tuple[float, float] | None = None
    """of the value axis"""
    ticks: tuple[tuple[float, str], ...] = ()
    """of the other axis"""
    log: bool = False
    """of the value axis"""
    zero: bool = False
    """a line at no difference"""


@dataclass(frozen=True)
class Table:
    """Numbers to read"""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
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
    panels: tuple[Panel, ...]
    alt: str
    """the figure in words"""
    tables: tuple[Table, ...]
    numbers: str
    """what we found, in sentences computed from the numbers"""
    agrees: bool | None
    method: str
    """definition, n, method, seeds"""
    rule: str = ""
    """when this one agrees, where that is not `RULE`"""
    judged: bool = True
    """whether there is a claim to agree with"""
    whose: str = "the paper"
    """claim it is"""

    @property
    def sentence(self) -> str:
        """What we found, and whether it agrees"""
        return f"{self.numbers} {VERDICTS[self.agrees].format(self.whose)}" if self.judged else self.numbers


def side(estimate: Estimate, towards: int = 1) -> bool | None:
    """Whether a difference lies on the side that is claimed, by its interval; None where zero is inside it"""
    if estimate.deciding is None:
        return None
    low, high = sorted(towards * bound for bound in estimate.deciding)
    return True if low > 0 else False if high < 0 else None


def number(value: float, digits: int = 1) -> str:
    """'97.5'; a minus sign is a minus sign"""
    return signed(value, digits).removeprefix("+")


def signed(value: float, digits: int = 1) -> str:
    """'+36.8', '−0.10', '0.0'"""
    text = f"{abs(value):.{digits}f}"
    return text if float(text) == 0 else f"{'+' if value > 0 else '−'}{text}"


def between(interval: tuple[float, float] | None, digits: int = 1, sign: bool = False) -> str:
    """'[95.1, 98.3]'; nothing where there is no interval"""
    word = signed if sign else number
    return f"[{word(interval[0], digits)},\N{NO-BREAK SPACE}{word(interval[1], digits)}]" if interval else ""


def value(estimate: Estimate, digits: int = 1, unit: str = "") -> str:
    """'97.5 % [95.1, 98.3]'"""
    unit = unit.replace(" ", "\N{NO-BREAK SPACE}")
    return f"{number(estimate.value, digits)}{unit} {between(estimate.interval, digits)}{_alike(estimate)}".strip()


def gain(estimate: Estimate, digits: int = 1, unit: str = "") -> str:
    """'+36.8 points [+33.0, +40.1]'"""
    inside = between(estimate.interval, digits, sign=True)
    return f"{signed(estimate.value, digits)}{unit} {inside}{_alike(estimate)}".strip()


def redrawn(estimate: Estimate, digits: int = 1) -> str:
    """'[+32.6, +40.9]': with the fine-tunes drawn again"""
    return between(estimate.redrawn, digits, sign=True)


def judged(estimate: Estimate, digits: int = 1, unit: str = "") -> str:
    """'+36.8 points [+33.0, +40.1], fine-tunes redrawn [+32.6, +40.9]'"""
    again = redrawn(estimate, digits)
    return gain(estimate, digits, unit) + (f", fine-tunes redrawn {again}" if again else "")


def _alike(estimate: Estimate) -> str:
    return f"(all {estimate.units} alike)" if estimate.alike else ""


def samples(found: Mapping[str, Estimate], unit: str = "conversations", left_out: int = 0) -> str:
    """'n = 150 conversations; 2,205 replies, 3 seeds (0, 30); 1,470 replies, 2 seeds (3)': of which arm how much there is

    `left_out` is how many units more there would be if every reply had a grade."""
    groups: dict[str, list[str]] = {}
    for name, one in found.items():
        what = f"{one.replies:,} replies, {one.seeds} seed{'s' * (one.seeds != 1)}"
        groups.setdefault(what, []).append(name)
    told = [what + (f" ({', '.join(names)})" if len(groups) > 1 else "") for what, names in groups.items()]
    units = " and ".join(dict.fromkeys(str(one.units) for one in found.values()))
    return f"n = {units} {unit}{without(left_out)}; {'; '.join(told)}" + " an arm" * (len(groups) == 1 < len(found))


def without(left_out: int) -> str:
    """' (2 left out of every arm: a reply has no grade)'; nothing where none was"""
    return f" ({left_out} left out of every arm: a reply has no grade)" if left_out else ""


def named(name: str, found: Sequence[tuple[str, Estimate]], what: str, limits: tuple[float, float]) -> Panel:
    """A row for each name with its estimate"""
    points = tuple(Point(i, e.value, e.interval, label) for i, (label, e) in enumerate(found))
    return Panel("names", (Series(name, points),), what, limits=limits)


def at(x: float, estimate: Estimate) -> Point:
    """An estimate somewhere along a scale"""
    return Point(x, estimate.value, estimate.interval)
