"""How the commands print: a table for people, JSON for programs, and hostile text made harmless for a terminal.

Knows nothing of what is printed.
"""

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from lima.errors import LimaError
from lima.text import visible


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


def print_json(value: Any) -> None:
    """Two-space JSON on stdout"""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


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

    names = list(columns or rows[0])
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    cells = [[visible("" if row.get(n) is None else _cell(row[n])) for n in names] for row in rows]
    for name in names:
        numeric = all(isinstance(r.get(name), int | float) for r in rows)
        # An id must stay in one piece to be copied.
        whole = name in ("id", "run", "status")
        table.add_column(name.replace("_", " "), justify="right" if numeric else "left", overflow="fold", no_wrap=whole)
    for row in cells:
        table.add_row(*map(Text, row))
    Console().print(table)


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

    if database and not Path(database).is_file():
        raise LimaError(f"The database {database} does not exist. A run creates one: `lima train … -d {database}`.")
    return Store(database)


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON")
trust_option = click.option("--trust-remote-code", is_flag=True, help="Run Python code that comes with the model")
database_option = click.option(
    "-d",
    "--database",
    type=click.Path(dir_okay=False),
    help="SQLite file (default: lima.db in LIMA_USER_PATH, else in the user's folder for application data)",
)
