"""What `lima study` prints: what is left, and a report's tables as text. Everything that others wrote is made harmless."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lima import visible
from lima.cli import print_json

if TYPE_CHECKING:
    from lima_studies.kind import StudyKind
    from lima_studies.record.study import Study
    from lima_studies.report.document import Document, Number, Table


def rows_of_estimates(rows: Sequence[dict[str, Any]], as_json: bool) -> list[dict[str, Any]]:
    """What is not known in words, for people"""
    if as_json:
        return list(rows)
    words = {"hours": "not known yet", "usd": "price not known"}
    return [{key: words.get(key, "") if value is None else value for key, value in row.items()} for row in rows]


def finish(study: "Study", kind: "StudyKind", report: Path | None, as_json: bool) -> None:
    """Write the report beside the database or where it was asked for, and print it"""
    from lima_studies.report.page import write_document

    document = kind.document(study)
    page = write_document(document, report or study.store.path.resolve().parent / f"{study.id}.html")
    if as_json:
        print_json({**document.as_dict(), "report": str(page), "database": str(study.store.path)})
        return
    print_document(document)
    click.echo(visible(f"\nReport:   {page}\nDatabase: {study.store.path}"))


def print_document(document: "Document") -> None:
    """The tables and notes"""
    from rich.console import Console
    from rich.text import Text

    console = Console()
    console.print(Text(visible(f"{document.title}\n{document.lead}"), style="bold"))
    for section in document.sections:
        for text in (section.lead, *section.notes):
            if text:
                console.print(Text(visible(text)))
        for table in section.tables:
            if not table.folded:
                _print_table(table, console)


def _print_table(table: "Table", console: Any) -> None:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    from lima.cli import print_table
    from lima_studies.report.document import Number

    console.print(Text(visible(f"\n{table.title}"), style="bold"))
    drawn = RichTable(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in table.columns:
        drawn.add_column(name)
    for row in table.rows:
        cells = [_cell(cell) if isinstance(cell, Number) else cell for cell in row]
        drawn.add_row(*(Text(visible(cell)) for cell in cells))
    print_table(drawn, console)
    if table.note:
        console.print(Text(visible(table.note), style="dim"))


def _cell(number: "Number") -> str:
    """A number with its n, unless its text has it"""
    return number.text if f"/{number.n}" in number.text else f"{number.text} (n {number.n})"
