"""The rows of a dump's XML, one by one, in constant memory: expat, without entities, external files or unbounded tokens.

A dump is one element with a `row` for each record, whose attributes are its columns. Knows nothing of which columns there are.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO
from xml.parsers import expat

from lima import LimaError, visible

CHUNK = 1 << 18
"Bytes that are parsed at once"
LONGEST = 1 << 24
"Bytes of a row, beyond which the file is not a dump: the longest post of Stack Exchange has about 100,000"


@dataclass(slots=True)
class DumpRow:
    """One row of a dump"""

    file: str
    number: int
    "From 1"
    byte: int
    "Where it begins, from 0"
    columns: dict[str, str]
    element: str = "row"
    "Its name; any other than `row` is a row of something else"

    @property
    def where(self) -> str:
        """File, row and byte, for messages"""
        return f"{self.file}, row {self.number:,} (byte {self.byte:,})"


def rows(stream: BinaryIO, file: str, root: str) -> Iterator[DumpRow]:
    """The rows of a dump whose root element is `root`; LimaError with the place for what is not well-formed, or another dump

    A document type that declares anything is refused, so no entity is ever expanded."""
    reading = _Reading(file, root)
    fed = 0
    while chunk := stream.read(CHUNK):
        fed += len(chunk)
        reading.feed(chunk)
        yield from reading.taken()
        if fed - reading.begun > LONGEST:
            raise LimaError(
                f"{reading.place()}: it is longer than {LONGEST:,} bytes, so this is not a dump of Stack Exchange."
            )
    reading.feed(b"", last=True)
    yield from reading.taken()


class _Reading:
    """expat, with the rows that it found since they were taken"""

    def __init__(self, file: str, root: str) -> None:
        self.file, self.root, self.depth, self.count, self.begun = file, root, 0, 0, 0
        self.found = list[DumpRow]()
        self.parser: Any = expat.ParserCreate()
        self.parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.EntityDeclHandler = self._entity

    def feed(self, data: bytes, last: bool = False) -> None:
        try:
            self.parser.Parse(data, last)
        except expat.ExpatError as e:
            raise LimaError(self._sentence(e, last)) from None
        except (LookupError, ValueError, UnicodeError) as e:  # the codec of an encoding that the file names
            raise LimaError(
                f"{self.place()}: its encoding cannot be read ({visible(str(e))}). Save it as UTF-8."
            ) from None

    def taken(self) -> list[DumpRow]:
        found, self.found = self.found, []
        return found

    def place(self) -> str:
        """Where the parser is"""
        return f"{self.file}, row {self.count + 1:,} (byte {max(self.parser.CurrentByteIndex, 0):,})"

    def _sentence(self, error: expat.ExpatError, last: bool) -> str:
        where = f"{self.file}, after row {self.count:,}, line {error.lineno:,} (byte {max(self.parser.ErrorByteIndex, 0):,})"
        if last:
            what = "has no XML in it" if not self.depth and not self.count else "ends before its last row does"
            return f"{where}: the file {what}, as one that was cut short. Download or unpack it again."
        return (
            f"{where}: it is not XML ({expat.ErrorString(error.code)}). Download or unpack it again; if its encoding is not "
            "the one that its first line names, save it as UTF-8."
        )

    def _start(self, name: str, columns: dict[str, str]) -> None:
        self.depth += 1
        self.begun = self.parser.CurrentByteIndex
        if self.depth == 2:
            self.count += 1
            self.found.append(DumpRow(self.file, self.count, self.begun, columns, name))
        elif self.depth == 1 and name != self.root:
            raise LimaError(
                f"{self.file}: its first element is <{visible(name[:80])}>; expected <{self.root}>, as in a dump of Stack "
                f"Exchange. Name the dump's {self.root.capitalize()}.xml."
            )
        elif self.depth > 2:
            raise LimaError(
                f"{self.place()}: it has elements within, <{visible(name[:80])}>; the rows of a dump have attributes only."
            )

    def _end(self, name: str) -> None:
        self.depth -= 1
        self.begun = self.parser.CurrentByteIndex

    def _doctype(self, name: str, system: str | None, public: str | None, internal: int) -> None:
        if internal:
            raise LimaError(
                f"{self.file}: its document type declares something of its own, such as entities, which dumps do not. Nothing of "
                "it was expanded or read. Remove the declaration if you trust the file."
            )

    def _entity(self, *_: Any) -> None:
        self._doctype("", None, None, 1)
