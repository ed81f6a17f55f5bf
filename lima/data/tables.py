"""The rows of CSV, TSV and Parquet, each an object by column.

Knows nothing of what the columns mean.
"""

import csv
import io
import sys
from collections.abc import Iterator
from typing import Any

from lima.data.containers import LIMIT, too_large
from lima.data.json_rows import Found
from lima.data.json_text import NotJson, decoded
from lima.errors import LimaError


def csv_rows(path: str, data: bytes, delimiter: str) -> Iterator[Found]:
    """The rows of a table with a header; every value is text"""
    try:
        text = decoded(data)
    except NotJson as e:
        raise LimaError(f"{path} {e}.") from None
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header, number = _header(path, reader), 0
    while True:
        line, before = reader.line_num + 1, csv.field_size_limit(sys.maxsize)
        try:
            cells = next(reader, None)
        except csv.Error as e:
            if "end of data" in str(e):
                raise LimaError(
                    f"{path}, line {line}: a quote that is opened there is not closed before the end of the file. Close it, or "
                    "double the quotes within a text."
                ) from None
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
            raise too_large(path)
        number = 0
        for batch in file.iter_batches(batch_size=1024):
            for value in batch.to_pylist():
                number += 1
                yield number, number, value, ""
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as e:
        what = str(e).splitlines()[0] if str(e) else type(e).__name__
        raise LimaError(f"{path} cannot be read as Parquet ({what}). Copy or make it again.") from None
