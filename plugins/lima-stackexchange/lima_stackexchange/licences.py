"""Which licence a text has by its date, and what an example carries of the authors of its parts.

Stack Exchange licenses what people write there by its date: CC BY-SA 2.5 before 8 April 2011, 3.0 before 2 May 2018, 4.0 since
(stackoverflow.com/help/licensing). All of them ask for the authors' names, a link to each text, the licence, and a word on what
was changed. Knows nothing of how dumps are read.
"""

from collections.abc import Iterable
from datetime import date

from lima import Credit, visible

_SINCE = ((date(2018, 5, 2), "CC-BY-SA-4.0"), (date(2011, 4, 8), "CC-BY-SA-3.0"), (date.min, "CC-BY-SA-2.5"))
_LICENCES = {name for _, name in _SINCE}


def licence_on(written: date, stated: str = "") -> str:
    """The licence of a text, as SPDX names it, by the date when it was written; what the dump itself states comes first"""
    if (named := stated.replace(" ", "-")) in _LICENCES:
        return named
    return next(licence for since, licence in _SINCE if written >= since)


def licence_of(credits: Iterable[Credit]) -> str:
    """The licences of several texts, as an SPDX expression: whoever uses them together keeps to all"""
    return " AND ".join(sorted({one.licence for one in credits}))


def provenance_of(credits: Iterable[Credit]) -> str:
    """The addresses of the texts"""
    return " ".join(one.url for one in credits)


def named(author: str) -> str:
    """A display name on one line"""
    return visible(" ".join(author.split()))
