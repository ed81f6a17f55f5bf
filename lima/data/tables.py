"""The rows of CSV, TSV and Parquet, each an object by column.

Knows nothing of what the columns mean.
"""

import csv
import io
from collections.abc import Iterator
from typing import Any, BinaryIO

from lima.data.containers import LIMIT, LONGEST, lines, too_large
from lima.data.json_rows import Found
from lima.data.json_text import NotJson, decoded
from lima.errors import LimaError


def csv_rows(path: str, stream: BinaryIO, delimiter: str) -> Iterator[Found]:
    """The rows of a table with a header, as they are read; every value is text"""
    reader = csv.reader(_lines(path, stream), delimiter=delimiter, strict=True)
    header, number = _header(path, reader), 0
    while True:
        line, before = reader.line_num + 1, csv.field_size_limit(LONGEST)
        try:
            cells = next(reader, None)
        except csv.Error as e:
            if "end of data" in str(e):
                raise _unclosed(path, line, "before the end of the file") from None
            if "field limit" in str(e):
                raise _unclosed(path, line, f"within {LONGEST >> 20} MiB") from None
            number += 1
            yield number, line, None, f"not CSV ({e}). Put texts with quotes in quotes, and double those in them."
            continue
        finally:
            csv.field_size_limit(before)
        if cells is None:
            return
        if not cells:  # an empty line
            continue
        number += 1
        if len(cells) != len(header):
            yield number, line, None, f"the row has {len(cells)} cells, and the header {len(header)}. Correct the row."
        else:
            yield number, line, dict(zip(header, cells, strict=True)), ""


def _unclosed(path: str, line: int, where: str) -> LimaError:
    return LimaError(
        f"{path}, line {line}: a quote that is opened there is not closed {where}. Close it, or double the quotes within a text."
    )


def _lines(path: str, stream: BinaryIO) -> Iterator[str]:
    """The lines of a text one by one; LimaError where one is too long, or not UTF-8"""
    for number, line in enumerate(lines(path, stream), 1):
        try:
            text = decoded(line) if number == 1 else line.decode()
        except NotJson as e:
            raise LimaError(f"{path}, line {number} {e}." if e.at else f"{path} {e}.") from None
        except UnicodeDecodeError as e:
            raise LimaError(
                f"{path}, line {number} is not UTF-8 text ({e.reason} at byte {e.start}): convert it to UTF-8."
            ) from None
        if "\r" in text:  # which may end lines by itself
            yield from io.StringIO(text, newline="")
        else:
            yield text


def _header(path: str, reader: Any) -> list[str]:
    try:
        header: list[str] = next(reader, [])
    except csv.Error as e:
        raise LimaError(f"{path}, line 1: not CSV ({e}).") from None
    if twice := next((name for name in header if header.count(name) > 1), None):
        raise LimaError(f"{path}, line 1: the column {twice!r} occurs twice. Rename one of them.")
    return header


def parquet_rows(path: str, data: bytes) -> Iterator[Found]:
    """The rows of a Parquet file, in which the line is the row's number"""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise LimaError(
            f"{path} is a Parquet file, which needs a library: `pip install 'lima-tune[parquet]'`."
        ) from None
    try:
        file = pyarrow.parquet.ParquetFile(pyarrow.BufferReader(data))
        names = file.schema_arrow.names
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise LimaError(f"{path}: the column {twice!r} occurs twice. Rename one of them.")
        groups = (file.metadata.row_group(i).total_byte_size for i in range(file.metadata.num_row_groups))
        if sum(groups) > LIMIT:
            raise too_large(path, LIMIT)
        number = 0
        for batch in file.iter_batches(batch_size=1024):
            for value in batch.to_pylist():
                number += 1
                yield number, number, value, ""
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as e:
        what = str(e).splitlines()[0] if str(e) else type(e).__name__
        raise LimaError(f"{path} cannot be read as Parquet ({what}). Copy or make it again.") from None
