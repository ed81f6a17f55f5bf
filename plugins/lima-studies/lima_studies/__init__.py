"""lima-studies: the single-turn experiments of LIMA (§4, §5), one command each, each a named record that can be resumed.

The public names, found on first use, and what the plugin registers. Importing this module is cheap.
"""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from lima import hookimpl

if TYPE_CHECKING:
    import click

_HOME = {
    "Arm": "jobs.grid",
    "Bar": "report.document",
    "Bars": "report.document",
    "Case": "record.cases",
    "Document": "report.document",
    "Event": "jobs.training",
    "Grid": "jobs.grid",
    "GridRun": "jobs.running",
    "Holding": "jobs.grid",
    "Job": "jobs.grid",
    "LabelJudge": "asking.judge",
    "Ledger": "jobs.record",
    "Number": "report.document",
    "Question": "questions",
    "Section": "report.document",
    "Study": "record.study",
    "StudyPrompt": "prompts.prompt",
    "System": "record.systems",
    "Table": "report.document",
    "read_prompts": "prompts.files",
    "redrawn": "scores.comparing",
    "write_document": "report.page",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'lima_studies' has no attribute {name!r}")
    return getattr(import_module(f"lima_studies.{_HOME[name]}"), name)


@hookimpl
def register_commands(cli: "click.Group") -> None:
    from lima_studies.cli.group import study

    cli.add_command(study)


@hookimpl
def register_models(register: Callable[[str, Any], None]) -> None:
    from lima_studies.models.alpaca import AlpacaFolders
    from lima_studies.models.in_context import InContext
    from lima_studies.models.replies import ReplyFiles

    register("alpaca", AlpacaFolders())
    register("replies", ReplyFiles())
    register("in-context", InContext())


@hookimpl
def register_sources(register: Callable[[str, Any], None]) -> None:
    from lima_studies.sources.sources import ResponsesOnly, Sample

    register("sample", Sample())
    register("responses-only", ResponsesOnly())


@hookimpl
def register_migrations(register: Callable[[str, Any], None]) -> None:
    from lima_studies.shift.tables import migrations  # those of studies and grids, and its own

    register("lima-studies", migrations)
