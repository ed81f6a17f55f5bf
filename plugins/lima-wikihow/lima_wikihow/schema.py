"""What a row of an export says, in either published form, or a sentence on what is wrong with it.

wikihowAll.csv has headline, title and text, a row for each part of an article; wikihowSep.csv has overview, headline, text,
sectionLabel and title, a row for each step. Other exports have a category besides. Knows nothing of other rows.
"""

import re
from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import quote

from lima import LimaError, Row, Wrong, kind_of

COLUMNS = {
    "title": "title",
    "headline": "headline",
    "text": "text",
    "overview": "overview",
    "sectionlabel": "label",
    "category": "category",
    "categories": "category",
}
"What a column means, by its name without case and underscores"
NEEDED = ("title", "text")
EXPECTED = (
    "Expected title, headline and text, as in wikihowAll.csv, or overview, headline, text, sectionLabel and title, as in "
    "wikihowSep.csv; a category besides where there is one."
)
_PART = re.compile(r"^(.*[^\W\d_][^\w\s]{0,2})(\d{1,2})$", re.S)
"A title with the number of a part glued to its end, as wikihowAll.csv has them"
_SURE = re.compile(r"[a-z][^\w\s]{0,2}$")
"What is before the number of a part for sure; MP3 and PS4 end otherwise"
_WHOLE = re.compile(
    r"(?:how|what|when|where|why|who|which|is|are|should|does|\d+|the|an?|best|easy|simple|quick|top|ways?)\b|.*[?？؟]$",
    re.I | re.S,
)
"Titles that need no `How to` before them"
_ADDRESS = re.compile(r"^(?:how to |(?:the )?(?:\d+ |best |easy |simple |quick |top )*ways to )", re.I)


class Section(NamedTuple):
    """What one row has of an article"""

    title: str
    "Of the article, without the number of a part"
    part: int
    "0: the title has no number"
    base: str
    "The title without a number that may be that of a part, or belong to a name such as MP3; '' where it has none"
    category: str
    overview: str
    label: str
    headline: str
    text: str


def columns_of(row: Row) -> dict[str, str]:
    """The keys of a file's rows by what they mean; LimaError where needed ones are missing, or one occurs twice"""
    if not isinstance(row.value, dict):
        raise LimaError(f"{row.where}: the row is {kind_of(row.value)}. {EXPECTED}")
    found = dict[str, str]()
    for key in row.value:
        meaning = COLUMNS.get(str(key).strip().lower().replace("_", "").replace(" ", ""))
        if meaning and meaning in found:
            raise LimaError(f"{row.file}, line 1: both {found[meaning]!r} and {key!r} are its {meaning}. Remove one.")
        if meaning:
            found[meaning] = key
    if missing := next((name for name in NEEDED if name not in found), None):
        names = ", ".join(repr(str(key))[:40] for key in list(row.value)[:12])
        raise LimaError(f"{row.file}, line 1: there is no column {missing!r}; its columns are {names}. {EXPECTED}")
    return found


def section_of(row: Row, columns: dict[str, str]) -> Section:
    """What a row says; Wrong where it is not to be used"""
    if not isinstance(row.value, dict):
        raise Wrong("the row is not an object by columns.")
    cells = {meaning: _text(row.value.get(key), meaning) for meaning, key in columns.items()}
    if not (cells["text"].strip() or cells.get("headline", "").strip()):
        raise Wrong("it has neither text nor headline.", fault=False)
    title = cells["title"].strip()
    if not title:
        raise Wrong("it has no title, so its article is not known.")
    found = _PART.match(title)
    base, part = (titled(found[1]), int(found[2])) if found else ("", 0)
    return Section(
        title=base if found and _SURE.search(found[1]) else titled(title),
        part=part,
        base=base,
        category=first_category(cells.get("category", "")),
        overview=cells.get("overview", ""),
        label=cells.get("label", "").strip(),
        headline=cells.get("headline", ""),
        text=cells["text"],
    )


def _text(value: Any, meaning: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Wrong(f"its {meaning} is {kind_of(value)}; expected text.")
    return value


def titled(title: str) -> str:
    """A title as wikiHow has it, with `How to` before it where it begins with a verb"""
    title = title.strip()
    return title if _WHOLE.match(title) else f"How to {title}"


def first_category(text: str) -> str:
    """The topmost category of a path such as `Arts and Entertainment > Artists`"""
    return re.split(r"[>»|]", text.strip().removeprefix("Category:"))[0].strip()


def url_of(title: str) -> str:
    """The address of the article, which wikiHow makes of its title"""
    return "https://www.wikihow.com/" + quote(_ADDRESS.sub("", title).replace(" ", "-"), safe="-_.~'(),!:@&=+$")


def categories_of(found: Iterable[Any]) -> list[str]:
    """The categories that were found, in order; LimaError where there are too many to be categories"""
    names = sorted(name for (name,) in found)
    if len(names) > MOST_CATEGORIES:
        raise LimaError(
            f"Its column of categories has more than {MOST_CATEGORIES:,} values, such as {names[0][:40]!r}; "
            "wikiHow has 19 categories. Rename the column if it means something else."
        )
    return names


MOST_CATEGORIES = 10_000
