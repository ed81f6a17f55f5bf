"""Which prompts a model was trained on: those of the sources of its run, or of sources that the user names.

Knows nothing of distances.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lima import LimaError, Store, load_plugins, open_source, sources_of
from lima_studies.prompts.distance import first_prompt


@dataclass(frozen=True)
class Trained:
    """The training prompts, with ids"""

    sources: tuple[str, ...]
    hashes: tuple[str, ...]
    prompts: tuple[tuple[str, str], ...]
    "Id and text"


def trained_on(
    store: Store, run: str, sources: Sequence[str], options: Mapping[str, dict[str, Any]] | None = None
) -> Trained | None:
    """What the named sources have, or those of the run; None where `run` is not a run of the store and no source is named

    `options` are tables of the plugins that read named sources, as a recipe has them; a run's sources are read as it read them.

    LimaError for a source that cannot be read, or that has changed since the run."""
    row = _run(store, run)
    if not sources and row is None:
        return None
    tables: dict[str, Any] = row["recipe"].get("plugins", {}) if row and not sources else dict(options or {})
    names = tuple(sources) or tuple(row["recipe"]["sources"] if row else ())
    opened = [open_source(name, load_plugins(), tables) for name in names]
    if row and not sources:
        _check_same(store, row["id"], {source.name: source.hash for source in opened})
    prompts = [(record.id, first_prompt(record)) for source in opened for record in source.records]
    return Trained(names, tuple(source.hash for source in opened), tuple(prompts))


def _run(store: Store, name: str) -> dict[str, Any] | None:
    ids = [row["id"] for row in store.runs() if name and row["id"].startswith(name)]
    return store.run(name) if ids else None


def _check_same(store: Store, run: str, hashes: dict[str, str]) -> None:
    for row in sources_of(store, run):
        if row["source"] in hashes and row["hash"] != hashes[row["source"]] and not row["dropped"]:
            raise LimaError(
                f"The source {row['source']} is no longer what run {run} was trained on. Name what it was with --trained-on."
            )
