"""Who wrote what, when, and under which licence: what an example carries, and the text that is owed for it.

Stack Exchange licenses what people write there by its date: CC BY-SA 2.5 before 8 April 2011, 3.0 before 2 May 2018, 4.0 since
(stackoverflow.com/help/licensing). All of them ask for the authors' names, a link to each text, the licence, and a word on what
was changed. Knows nothing of how dumps are read.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from lima import Record, visible

LICENCES = {
    "CC BY-SA 2.5": "https://creativecommons.org/licenses/by-sa/2.5/",
    "CC BY-SA 3.0": "https://creativecommons.org/licenses/by-sa/3.0/",
    "CC BY-SA 4.0": "https://creativecommons.org/licenses/by-sa/4.0/",
}
"The licences, each with the address of its text"
_SINCE = ((date(2018, 5, 2), "CC BY-SA 4.0"), (date(2011, 4, 8), "CC BY-SA 3.0"), (date.min, "CC BY-SA 2.5"))
CHANGES = (
    "Links, pictures and HTML were taken out, in comments also the names they begin with, and texts were put together."
)
"What was done to the texts: the licences ask that changes are indicated"
_BETWEEN = " | "


@dataclass(frozen=True)
class Part:
    """One text of an example: a question, an answer or a comment"""

    kind: str
    author: str
    "The display name, or `user NUMBER` where the dump does not have it"
    author_url: str
    "The profile; empty for a person whose account is gone"
    url: str
    written: date
    licence: str

    def __str__(self) -> str:
        name = visible(" ".join(self.author.replace("|", "/").split()))
        profile = f" ({self.author_url})" if self.author_url else ""
        return f"{self.kind} by {name}{profile}, {self.written}, {self.licence}, {self.url}"


def licence_on(written: date, stated: str = "") -> str:
    """The licence of a text by the date when it was written; what the dump itself states about the text comes first"""
    if stated in LICENCES:
        return stated
    return next(licence for since, licence in _SINCE if written >= since)


def licence_of(parts: Iterable[Part]) -> str:
    """The licences of several texts, as an SPDX expression: whoever uses them together keeps to all"""
    return " AND ".join(sorted({part.licence.replace(" ", "-") for part in parts}))


def provenance_of(parts: Iterable[Part]) -> str:
    """One line with author, date, licence and address of each text: the provenance of an example"""
    return _BETWEEN.join(map(str, parts))


def attribution(records: Iterable[Record]) -> str:
    """The text to publish with anything made from these examples of this plugin: every part with author, licence and address

    It is Markdown, ordered as the examples are, each part once."""
    parts = dict.fromkeys(part for record in records for part in record.provenance.split(_BETWEEN))
    used = [licence for licence in LICENCES if any(f", {licence}, " in part for part in parts)]
    heads = [f"- {licence}: {LICENCES[licence]}" for licence in used]
    lines = [f"- {part}" for part in parts]
    return "\n".join(["Texts by the people named below, from Stack Exchange.", CHANGES, "", *heads, "", *lines])
