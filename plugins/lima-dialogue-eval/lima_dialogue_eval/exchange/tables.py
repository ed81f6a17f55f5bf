"""Rows as the text of CSV, JSON lines, or a JSON list with a row a line. Knows nothing of what they mean.

A spreadsheet takes a cell that begins with = + - @ (or their wide forms, a tab or a line break) for a formula: such a text has an
apostrophe before it, and so has one that begins with an apostrophe. Whoever reads the file as data strips one.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

Row = dict[str, Any]
STARTS = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n", "'")
"What a text begins with that gets an apostrophe before it"


def as_csv(rows: Iterable[Row], columns: Sequence[str]) -> Iterator[str]:
    """CSV (RFC 4180) with a header; every text is quoted, so that no separator of another country splits it"""
    buffer = io.StringIO()
    writer = csv.writer(buffer, quoting=csv.QUOTE_NONNUMERIC)
    for cells in ([*columns], *([row[name] for name in columns] for row in rows)):
        writer.writerow([harmless(cell) if isinstance(cell, str) else cell for cell in cells])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()


def harmless(text: str) -> str:
    """A cell that no spreadsheet computes; without its first apostrophe it is the text"""
    return f"'{text}" if text.startswith(STARTS) else text


def as_jsonl(rows: Iterable[Row]) -> Iterator[str]:
    """A JSON object a line, in ASCII, so that a terminal shows no control character"""
    for row in rows:
        yield json.dumps(row) + "\n"


def as_json_list(rows: Sequence[Row]) -> Iterator[str]:
    """A JSON list with an object a line, in ASCII"""
    yield "[\n"
    for number, row in enumerate(rows, 1):
        yield json.dumps(row) + (",\n" if number < len(rows) else "\n")
    yield "]\n"
