"""Rows on the disk as JSON lines, in a folder that is gone afterwards, so that sources of files can read them; with their places.

A column may be given the name that a source looks for. Knows nothing of formats.
"""

import json
import logging
import re
import shlex
import shutil
import tempfile
import weakref
from array import array
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from lima import LimaError, Row, Tally, did_you_mean, kind_of, number_of, visible
from lima.cli.progress import Bar

KEPT = ("id", "conversation_id", "licence", "license", "source")
"Columns that stay beside those that are mapped"
DECIDING = frozenset(("weight", "loss_weight", "label", "kto_tag", "train", "loss"))
"Columns whose values are numbers, or true and false, also where a table has texts"
BROKEN = "the row cannot be read."
EVERY = 1000
"Rows from one move of the bar to the next"


class Spool:
    """Rows in a file; what could not be written is in `tally`"""

    def __init__(self, named: str) -> None:
        """`named` stands for the file in what is said, as a shell takes it; the file's name is made of it, too"""
        self.named, self.tally = shlex.quote(named), Tally()
        self._folder = tempfile.mkdtemp(prefix="lima-hub-")
        self.remove = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        "Removes the folder; called at the latest when this object goes, or the process ends"
        self.path = Path(self._folder) / f"{re.sub(r'[^A-Za-z0-9]+', '-', named)[-80:].strip('-')}.jsonl"
        self._files, self._starts, self._lines = list[tuple[str, str]](), array("q"), array("q")

    def fill(self, rows: Iterable[Row], limit: int, columns: Mapping[str, str]) -> None:
        """Write the rows, up to a limit, with their columns mapped; LimaError where the first has not these columns"""
        with open(self.path, "w", encoding="ascii") as out, Bar(f"reading {visible(self.named)}") as bar:
            for count, row in enumerate(islice(rows, limit or None), 1):
                if count % EVERY == 0:
                    bar.move(count, limit or None)
                if row.problem:
                    self.tally.add(BROKEN, visible(row.where), row.problem, fault=True)
                    continue
                try:
                    line = json.dumps(mapped(row, columns), default=_plain)
                except LimaError as e:
                    if count == 1:
                        raise LimaError(f"{visible(row.where)}: {e}") from None
                    self.tally.add(str(e), visible(row.where), fault=True)
                    continue
                except (RecursionError, ValueError, TypeError) as e:
                    self.tally.add(
                        BROKEN, visible(row.where), f"it cannot be written as JSON ({type(e).__name__}).", fault=True
                    )
                    continue
                self._note(row)
                out.write(line + "\n")

    def _note(self, row: Row) -> None:
        if not self._files or self._files[-1] != (row.file, row.unit):
            self._files.append((row.file, row.unit))
            self._starts.append(len(self._lines))
        self._lines.append(row.line)

    def __len__(self) -> int:
        return len(self._lines)

    def where(self, line: int) -> str:
        """The place of a line of the file in the data set"""
        at = max(place for place, start in enumerate(self._starts) if start < line)
        file, unit = self._files[at]
        return f"{file}, {unit} {self._lines[line - 1]}"

    @contextmanager
    def told_as_data_set(self) -> Iterator[None]:
        """What is noted and raised meanwhile names the data set, and not the file"""

        def renamed(record: logging.LogRecord) -> bool:
            text = record.getMessage()
            if text.startswith(str(self.path)):  # of its own file a source names lines alone
                text = re.sub(r"\bline (\d+)", lambda place: visible(self.where(int(place[1]))), text)
            record.msg, record.args = self.told(text), ()
            return True

        logger = logging.getLogger("lima")
        logger.addFilter(renamed)
        try:
            yield
        except LimaError as e:
            raise LimaError(self.told(str(e))) from None
        finally:
            logger.removeFilter(renamed)

    def told(self, text: str) -> str:
        """What a source says of its file, said of the data set"""
        found = re.sub(
            rf"{re.escape(str(self.path))}, line (\d+)", lambda place: visible(self.where(int(place[1]))), text
        )
        return found.replace(str(self.path), self.named)


def mapped(row: Row, columns: Mapping[str, str]) -> Any:
    """The row with its columns under the names that a source looks for; as it is where none are mapped"""
    value = row.value
    if row.texts and isinstance(value, dict):
        value = {key: _decided(row, one) if key in DECIDING else one for key, one in value.items()}
    if not columns:
        return value
    if not isinstance(value, dict):
        raise LimaError(f"expected a row with columns, found {kind_of(value)}.")
    found = {key: value[key] for key in KEPT if value.get(key) is not None and key not in columns}
    for key, column in columns.items():
        if column not in value:
            known = visible(did_you_mean(column, [str(one) for one in islice(value, 50)]))
            raise LimaError(f"it has no column {visible(column)!r}.{known}")
        if key != "messages" and not isinstance(value[column], str):
            raise LimaError(f"its column {visible(column)!r} is {kind_of(value[column])}; expected text.")
        found[key] = value[column]
    return found


def _decided(row: Row, value: Any) -> Any:
    text = value.strip().lower() if isinstance(value, str) else ""
    return {"true": True, "false": False}.get(text, number_of(row, value))


def _plain(value: Any) -> Any:
    """What JSON has no kind for: a date as text, anything else by its kind, so that it is seen to be there"""
    return value.isoformat() if hasattr(value, "isoformat") else f"({type(value).__name__})"
