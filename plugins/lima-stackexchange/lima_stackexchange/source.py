"""What both sources share: exchanges are read into an index, candidates are drawn of it, and authors get their names.

Knows nothing of what a candidate is.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Self

from lima import LimaError, Record, Refused, Tally, Wrong, drawn, options_of
from lima_stackexchange.columns import MOST_ID, Kind, Text, number, post_head
from lima_stackexchange.dump import DumpRow
from lima_stackexchange.exchanges import Exchange, exchanges_in
from lima_stackexchange.index import ALL, Index, index
from lima_stackexchange.options import PLUGIN, Options

CANDIDATES = "CREATE TABLE candidate (key INTEGER PRIMARY KEY, score INTEGER)"
TWICE = "a post before it has the same Id."
NEITHER = "it is neither a question nor an answer."
NO_AUTHOR = "the author of its question or answer is not named, as the licence asks for."


class DumpSource(ABC):
    """A source that reads dumps of Stack Exchange"""

    name: ClassVar[str]
    description: ClassVar[str]
    options: ClassVar[tuple[str, ...]]
    tables: ClassVar[tuple[str, ...]]
    "Of its index, as SQL creates them; a candidate's key is an exchange's number and an id"
    licence = "CC BY-SA 2.5, 3.0 or 4.0 by date; each example names its own"

    def __init__(self, settings: Options | None = None) -> None:
        self.settings = settings or Options()

    def with_options(self, values: dict[str, Any]) -> Self:
        """The same with what the recipe says"""
        return type(self)(options_of(Options, PLUGIN, values))

    def examples(self, argument: str | None) -> Iterator[Record | Refused]:
        """The best of each exchange first; behind them the reasons why others are not among them"""
        if not argument:
            raise LimaError(
                f"The source {self.name!r} reads a dump: write it as {self.name}:PATH, a folder with Posts.xml, an archive, or a "
                "folder of these."
            )
        tally, found = Tally(), exchanges_in(argument, self.settings)
        with index(CANDIDATES, *self.tables) as indexed:
            for place, exchange in enumerate(found):
                people = exchange.part("Users")
                indexed.next_exchange(named=people is not None)
                self.read(indexed, place, exchange, tally)
                if people:
                    _name_people(indexed, place, exchange, people, tally)
                self.join(indexed, place, exchange, tally)
            sizes = [self._size(indexed, place) for place in range(len(found))]
            taken = drawn(sizes, self.settings.limit, self.settings.tau, self.settings.seed)
            for place, exchange in enumerate(found):
                left, looked_at = taken[place], 0
                best = "SELECT key FROM candidate WHERE key BETWEEN ? AND ? ORDER BY score DESC, key"
                for (key,) in indexed.execute(best, *keys(place)) if left else ():
                    one = self.record(indexed, exchange, key)
                    looked_at += 1
                    if isinstance(one, Record):
                        yield one
                        left -= 1
                    else:
                        tally.add(one, f"{exchange.site}/{key % ALL}")
                    if not left:
                        break
                tally.add_many(tally.NOT_DRAWN, sizes[place] - looked_at, [])
        yield from tally.refused()

    @staticmethod
    def _size(indexed: Index, place: int) -> int:
        return int(indexed.one("SELECT COUNT(*) FROM candidate WHERE key BETWEEN ? AND ?", *keys(place)))

    @abstractmethod
    def read(self, indexed: Index, place: int, exchange: Exchange, tally: Tally) -> None:
        """Fill the index with an exchange, and with whose names are needed"""

    @abstractmethod
    def join(self, indexed: Index, place: int, exchange: Exchange, tally: Tally) -> None:
        """Find the candidates of an exchange that was read"""

    @abstractmethod
    def record(self, indexed: Index, exchange: Exchange, key: int) -> Record | str:
        """The example of a candidate, or why it is none after all"""


def keys(place: int) -> tuple[int, int]:
    """The first and the last key of an exchange"""
    return place * ALL, place * ALL + ALL - 1


def posts(indexed: Index, exchange: Exchange, tally: Tally) -> Iterator[tuple[DumpRow, int, int, int]]:
    """The questions and answers of an exchange, each with id, kind and score; other rows are refused"""
    with exchange.rows("Posts", exchange.posts) as found:
        for row in found:
            try:
                id, kind, score = post_head(row)
                if not indexed.is_new(id):
                    raise Wrong(TWICE, f"its Id {id} is that of a post before it. Leave one of them out.")
            except Wrong as e:
                tally.add_wrong(e, row.where)
                continue
            if kind in (Kind.QUESTION, Kind.ANSWER):
                yield row, id, kind, score
            else:
                tally.add(NEITHER, row.where, f"it is neither a question nor an answer, but of PostTypeId {kind}.")


def to_name(indexed: Index, place: int, text: Text) -> None:
    """Look for the name of the text's author, where the dump has a file of them"""
    if indexed.named and text.author.id > 0:
        indexed.add("INSERT OR IGNORE INTO person (key) VALUES (?)", place * ALL + text.author.id)


def name_of(indexed: Index, key: int, text: Text) -> str:
    """The name of a text's author, as the file of users has it; the key is of any post of the exchange"""
    return indexed.one("SELECT name FROM person WHERE key = ?", key // ALL * ALL + text.author.id) or ""


def _name_people(indexed: Index, place: int, exchange: Exchange, file: Path, tally: Tally) -> None:
    with exchange.rows("Users", file) as found:
        for row in found:
            try:
                id, name = number(row, "Id", -(10**9), MOST_ID), row.columns.get("DisplayName", "").strip()[:100]
                if not name:
                    raise Wrong("it has no DisplayName.")
            except Wrong as e:
                tally.add_wrong(e, row.where)
                continue
            indexed.add("UPDATE person SET name = ? WHERE key = ? AND name IS NULL", name, place * ALL + max(id, 0))
