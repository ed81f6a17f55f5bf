"""What a report has, whatever the study: sections with bars, tables and notes, and numbers that say what they are.

The page and its JSON twin are made of one `Document`. Knows nothing of HTML or of studies.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Number:
    """One figure: its text, and what is needed to read it"""

    name: str
    "What of, such as 'wins against Bard, judge x'"
    text: str
    "As it is printed"
    n: int
    "Of how many"
    definition: str
    "A key of the document's definitions"
    value: float | None = None
    interval: tuple[float, float] | None = None
    p_value: float | None = None


def share(name: str, count: int, n: int, definition: str, interval: tuple[float, float] | None) -> Number:
    """A share as a number: '45.2 % = 19/42 [31.2–60.1 %]'"""
    from lima_dialogue_eval import interval_text, share_text

    text = f"{share_text(count, n)}  [{interval_text(interval)}]" if n else "none"
    return Number(name, text, n, definition, count / n if n else None, interval)


@dataclass(frozen=True)
class Part:
    """A stretch of a bar"""

    name: str
    "By which it is coloured: win, tie, lose, fail, pass, excellent, safe, unsafe, value"
    share: float
    "From 0 to 1"


@dataclass(frozen=True)
class Bar:
    """One bar, of parts that make it whole or of one value"""

    name: str
    parts: tuple[Part, ...]
    text: str
    "What is read beside it"
    paper: bool = False
    "Whether it is the paper's, not ours"
    interval: tuple[float, float] | None = None
    "Of where the first part ends"


@dataclass(frozen=True)
class Bars:
    """Bars in groups, each a thing with ours and the paper's beside each other"""

    title: str
    groups: tuple[tuple[str, tuple[Bar, ...]], ...]
    legend: tuple[tuple[str, str], ...]
    "Names of parts, and what each means"
    note: str = ""


@dataclass(frozen=True)
class Table:
    """A table of texts and numbers"""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | Number, ...], ...]
    note: str = ""
    folded: bool = False
    "Whether it is long: on the page to be opened, and not on a terminal"


@dataclass(frozen=True)
class Passage:
    """A text in coloured pieces, folded until it is opened"""

    title: str
    before: str
    "What it answers"
    pieces: tuple[tuple[str, str, str], ...]
    "Of each its class, its text, and what is said of it when it is pointed at"


@dataclass(frozen=True)
class Section:
    """A part of the report"""

    title: str
    lead: str = ""
    bars: tuple[Bars, ...] = ()
    tables: tuple[Table, ...] = ()
    passages: tuple[Passage, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Document:
    """One report"""

    study: str
    kind: str
    title: str
    lead: str
    sections: tuple[Section, ...]
    definitions: Mapping[str, str]
    "What each kind of number is, and how it was computed"
    made: Mapping[str, str]
    "How it was made: systems with versions and dates, prompts, raters, versions"
    not_shown: tuple[str, ...] = ()
    "What this does not show, in sentences"
    more: Mapping[str, Any] = field(default_factory=dict)
    "For programs only"

    def numbers(self) -> list[Number]:
        """Every number of every table"""
        tables = [table for section in self.sections for table in section.tables]
        return [cell for table in tables for row in table.rows for cell in row if isinstance(cell, Number)]

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready: the same as the page, with each number's definition and method written out"""
        found = asdict(self)
        found["numbers"] = [{**asdict(n), "definition": self.definitions[n.definition]} for n in self.numbers()]
        return found
