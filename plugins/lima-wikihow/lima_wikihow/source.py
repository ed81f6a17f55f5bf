"""The source `wikihow`: one example an article, its title asked and its sections the answer (LIMA §2).

What is read is the articles: each is an example, or refused with the reason; so are rows that no article can be made of. Rows
of one title belong together wherever they are in the file, in its order. Knows nothing of how files are stored.
"""

import logging
import random
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

from lima import Credit, Example, LimaError, Refused, Row, Scratch, Tally, Wrong, blank, options_of, read_rows, visible
from lima.cli.progress import Bar
from lima_wikihow.body import UNMATCHED, Unmatched, body
from lima_wikihow.options import PLUGIN, Options
from lima_wikihow.schema import Section, categories_of, columns_of, section_of, url_of

LICENCE = "CC-BY-NC-SA-3.0"
BROKEN = "a row of it cannot be read, so a step is missing."
MOST_ROWS, MOST_TEXT = 2_000, 4_000_000
"Rows of an article, and characters of all of them before they are cleaned: more is not an article"
_COLUMNS = "title, part, base, category, overview, label, headline, text"
_TABLES = (
    "CREATE TABLE section (seq INTEGER PRIMARY KEY, place TEXT, draw INTEGER, title TEXT, part INTEGER, base TEXT, "
    "category TEXT, overview TEXT, label TEXT, headline TEXT, text TEXT)",
    "CREATE TABLE broken (title TEXT)",
    "CREATE TABLE article (seq INTEGER PRIMARY KEY, place TEXT, draw INTEGER, title TEXT, category TEXT, "
    "rows INTEGER, size INTEGER)",
)
_JOIN = (
    "CREATE INDEX by_base ON section (base, part) WHERE base != ''",
    # A number is that of a part, and not of a name such as MP3, where parts 1 and 2 are there.
    "UPDATE section SET title = base WHERE base != '' AND title != base AND base IN (SELECT base FROM section WHERE base != '' "
    "AND part IN (1, 2) GROUP BY base HAVING COUNT(DISTINCT part) = 2)",
    "UPDATE section SET part = 0 WHERE title != base",
    "CREATE INDEX by_title ON section (title, part, seq)",
    "INSERT INTO article SELECT MIN(seq), place, draw, title, category, COUNT(*), SUM(LENGTH(text)) FROM section GROUP BY title",
    "CREATE INDEX by_draw ON article (category, draw, seq)",
)


class Articles:
    """Articles of wikiHow"""

    name = "wikihow"
    description = "articles of wikiHow, from CSV exports with title, headline and text (wikihowAll.csv, wikihowSep.csv)"
    licence = LICENCE
    options = Options.NAMES

    def __init__(self, settings: Options | None = None) -> None:
        self.settings = settings or Options()

    def with_options(self, values: dict[str, Any]) -> "Articles":
        """The same with what the recipe says"""
        return type(self)(options_of(Options, PLUGIN, values))

    def examples(self, argument: str | None) -> Iterator[Example | Refused]:
        """All articles in the order of the file, or those drawn; behind them the reasons why others are not among them"""
        if not argument:
            raise LimaError(f"The source {self.name!r} reads a CSV file: write it as {self.name}:FILE.csv.")
        tally = Tally()
        with Scratch.opened(*_TABLES) as scratch:
            categorised = self._read(scratch, argument, tally)
            for sql in _JOIN:
                scratch.execute(sql)
            if self.settings.limit:
                if not categorised:
                    _say_uncategorised(argument)
                yield from self._drawn(scratch, tally)
            else:
                for seq in _column(scratch, "SELECT seq FROM article ORDER BY seq"):
                    if found := self._one(scratch, seq, tally):
                        yield found
        yield from tally.refused()

    def _read(self, scratch: Scratch, argument: str, tally: Tally) -> bool:
        """Fill the tables; whether any row has a category"""
        file, columns, categorised, before, broken = "", dict[str, str](), False, "", False
        with Bar(f"reading {visible(argument)} (rows)") as bar:
            for seq, row in enumerate(read_rows(argument), 1):
                if row.file != file and not row.problem:
                    file, columns = row.file, columns_of(row)
                try:
                    section = _section(row, columns)
                except Wrong as e:
                    tally.add_wrong(e, row.where)
                    broken = broken or e.fault
                    continue
                if broken and section.title == before:
                    scratch.add("INSERT INTO broken VALUES (?)", before)
                broken, before, categorised = False, section.title, categorised or bool(section.category)
                self._add(scratch, seq, row, section)
                if not seq & 0xFFFF:
                    bar.move(seq, None)
        return categorised

    def _add(self, scratch: Scratch, seq: int, row: Row, section: Section) -> None:
        digest = blake2b(f"{self.settings.seed} {section.title}".encode(), digest_size=8).digest()
        scratch.add(
            "INSERT INTO section VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            seq, row.where, int.from_bytes(digest) >> 1, *section,
        )  # fmt: skip

    def _drawn(self, scratch: Scratch, tally: Tally) -> Iterator[Example]:
        """A category by the seed, then an article of it, until there are enough; those of a category in an order by the seed"""
        chance, left = random.Random(self.settings.seed), self.settings.limit
        names = categories_of(scratch.execute("SELECT DISTINCT category FROM article"))
        last, looked_at = dict.fromkeys(names, (-1, 0)), 0
        after = "SELECT draw, seq FROM article WHERE category = ? AND (draw, seq) > (?, ?) ORDER BY draw, seq LIMIT 1"
        while names and left:
            at = chance.randrange(len(names))
            found = None
            while not found and (place := scratch.execute(after, names[at], *last[names[at]]).fetchone()):
                last[names[at]] = place
                looked_at += 1
                found = self._one(scratch, place[1], tally)
            if found:
                left -= 1
                yield found
            else:
                del names[at]
        tally.add_many(tally.NOT_DRAWN, scratch.one("SELECT COUNT(*) FROM article") - looked_at, [])

    def _one(self, scratch: Scratch, seq: int, tally: Tally) -> Example | None:
        """The example of an article; None where it is refused"""
        place, title, rows, size = scratch.execute(
            "SELECT place, title, rows, size FROM article WHERE seq = ?", seq
        ).fetchone()
        why, text = "", ""
        if scratch.one("SELECT 1 FROM broken WHERE title = ?", title):
            why = BROKEN
        elif rows > MOST_ROWS or size > MOST_TEXT:
            why = f"it has more than {MOST_ROWS:,} rows, or {MOST_TEXT:,} characters."
        else:
            asked = f"SELECT {_COLUMNS} FROM section WHERE title = ? ORDER BY part, seq"
            try:
                text = body([Section(*values) for values in scratch.execute(asked, title)])
                why = self._why_not(text)
            except Unmatched:
                why = UNMATCHED
        if why:
            tally.add(why, place)
            return None
        return self._example(title, text, place)

    def _why_not(self, text: str) -> str:
        """Why an answer is not learnt from; '' if it is"""
        if blank(text) or len(text) < self.settings.shortest:
            shortest = self.settings.shortest
            return f"its answer is shorter than {shortest:,} character{'s' * (shortest != 1)}."
        longest = self.settings.longest
        return f"its answer is longer than {longest:,} character{'s' * (longest != 1)}." if len(text) > longest else ""

    def _example(self, title: str, text: str, place: str) -> Example:
        url = url_of(title)
        question = self.settings.prompt == "question" and title[-1] not in "?？؟"
        return Example(
            id=url.removeprefix("https://www."),
            source=self.name,
            licence=LICENCE,
            provenance=f"{url} ({place})",
            credits=(Credit(author="wikiHow contributors", url=url, licence=LICENCE, part="article"),),
            prompt=f"{title}?" if question else title,
            response=text,
        )


def _section(row: Row, columns: dict[str, str]) -> Section:
    if row.problem:
        raise Wrong(row.problem)
    return section_of(row, columns)


def _column(scratch: Scratch, sql: str) -> Iterator[Any]:
    for (value,) in scratch.execute(sql):
        yield value


def _say_uncategorised(argument: str) -> None:
    logging.getLogger("lima").warning(
        "%s has no categories (a column category): articles are drawn with equal chances from the whole file, not category by "
        "category as for LIMA.",
        visible(argument),
    )
