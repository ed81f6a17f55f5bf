"""How the commands print: a table for people, JSON for programs, and hostile text made harmless for a terminal.

Knows nothing of what is printed.
"""

import io
import json
import logging
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import click

from lima.errors import LimaError
from lima.paths import is_there, shown
from lima.text import visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


class _Notes(logging.Handler):
    """Prints what lima says on the way, on stderr"""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(visible(record.getMessage()), err=True)


@contextmanager
def notes_printed() -> Iterator[None]:
    """Print lima's notes inside this block, not only its warnings"""
    logger, notes = logging.getLogger("lima"), _Notes()
    before = logger.level
    logger.addHandler(notes)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(notes)
        logger.setLevel(before)


def any_text_printed() -> None:
    """From now on print any text on any terminal: what its encoding lacks is written out, as \\u2192"""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def drop_output() -> None:
    """Print nothing more on stdout, whose file failed: Python would try once more at the end, and report that"""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_json(value: Any) -> None:
    """Two-space JSON on stdout, in ASCII where that has not all characters"""
    ascii_only = (sys.stdout.encoding or "utf-8").lower().replace("-", "") != "utf8"
    click.echo(json.dumps(value, indent=2, ensure_ascii=ascii_only, default=str))


def print_rows(rows: Sequence[dict[str, Any]], as_json: bool, empty: str, columns: Sequence[str] = ()) -> None:
    """Rows as a table or as JSON; `empty` is printed if there are no rows"""
    if as_json:
        print_json(list(rows))
        return
    if not rows:
        click.echo(empty)
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    names, table = list(columns or rows[0]), Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in names:
        numeric = all(isinstance(r.get(name), int | float) for r in rows)
        # An id must stay in one piece to be copied, and a number to be read.
        whole = numeric or name in ("id", "run", "status")
        table.add_column(name.replace("_", " "), justify="right" if numeric else "left", no_wrap=whole)
    for row in rows:
        table.add_row(*(Text(visible("" if row.get(n) is None else _cell(row[n]))) for n in names))
    print_table(table, Console())


NARROW = 12
"Columns of a terminal that a text needs at least in a table"


def print_table(table: "Table", console: "Console") -> None:
    """Any table of rich; where the terminal is too narrow, a line a value: rich leaves out columns and digits without a word

    Columns that are not `no_wrap` may fold, to 12 characters."""
    from rich.cells import cell_len
    from rich.text import Text

    named = [(_text(column.header), column) for column in table.columns]
    cells = [[_text(cell) for cell in column.cells] for _, column in named]
    room = 1 + len(named) + (len(named) - 1) * (table.padding[1] + table.padding[3])
    for (name, column), values in zip(named, cells, strict=True):
        column.overflow = "fold"
        natural = max(cell_len(line) for value in (name, *values) for line in value.split("\n"))
        room += max(natural if column.no_wrap else min(natural, NARROW), column.min_width or 0)
    if room <= console.width:
        console.print(table)
        return
    heads = [name.replace("\n", " ") for name, _ in named]
    width = max(map(cell_len, heads))
    for number, row in enumerate(zip(*cells, strict=True)):
        if number:
            console.print()
        for head, value in zip(heads, row, strict=True):
            below = value.replace("\n", f"\n{' ' * (width + 2)}")
            console.print(Text(f"{head}{' ' * (width - cell_len(head))}  {below}".rstrip()), soft_wrap=True)


def _text(cell: Any) -> str:
    from rich.text import Text

    return cell.plain if isinstance(cell, Text) else str(cell)


def print_fields(row: dict[str, Any], as_json: bool) -> None:
    """One thing, a line a field"""
    if as_json:
        print_json(row)
        return
    width = max(map(len, row))
    for name, value in row.items():
        click.echo(f"{name.replace('_', ' '):<{width}}  {visible(_cell(value))}")


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def store_to_read(database: str | None) -> Any:
    """The store, for a command that only reads: a named file must exist, so that a typo does not create one"""
    from lima.record.store import Store

    if database and not is_there(database):
        raise LimaError(
            f"The database {shown(database)} does not exist. A run creates one: `lima train … -d {shlex.quote(str(database))}`."
        )
    return Store(database)


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON")
trust_option = click.option("--trust-remote-code", is_flag=True, help="Run Python code that comes with the model")
database_option = click.option(
    "-d",
    "--database",
    type=click.Path(dir_okay=False),
    help="SQLite file (default: lima.db in LIMA_USER_PATH, else in the user's folder for application data)",
)
