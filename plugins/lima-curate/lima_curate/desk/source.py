"""The source `curated`: what counts of a curation, read from the database as it stands.

The database is data: it is named by the recipe or is the default one, and nothing in it names a path. Knows nothing of pages.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lima import LimaError, Record, Refused, default_path, is_there, options_of

PLUGIN = "lima-curate"
NAMED = f"--set {PLUGIN}.database=FILE"


@dataclass(frozen=True)
class Curated:
    """Reads the accepted and edited examples of a curation"""

    database: str = ""
    "A file; empty: the default one"

    name = "curated"
    description = "what `lima curate` accepted and edited, as it stands: curated:NAME; `database` names another file"
    licence = "not stated"
    "Of an example that names none"
    options = ("database",)

    def with_options(self, values: dict[str, Any]) -> "Curated":
        """The same with what the recipe says"""
        return options_of(Curated, PLUGIN, values)

    def examples(self, argument: str | None) -> Iterator[Record | Refused]:
        """The examples that count, in order, and then why the others do not"""
        from lima import Store
        from lima_curate.desk.record.curations import find
        from lima_curate.desk.record.decided import records

        if not argument:
            raise LimaError(
                "The source 'curated' reads a curation: write it as curated:NAME. `lima curate list` names all."
            )
        path = self.database or str(default_path())
        if not is_there(path):
            raise LimaError(
                f"The database {path} does not exist. `lima curate` makes one; another file is named by {NAMED}."
            )
        try:
            opened = Store(path)
        except LimaError as e:  # who reads a source has no -d
            raise LimaError(str(e).replace("-d FILE", NAMED)) from None
        with opened as store:
            yield from records(store, find(store, argument))
