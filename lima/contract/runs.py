"""A run: the frozen record of what was trained on what, with which code.

Knows nothing of torch or of the store.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from lima.recipe import Recipe


class SourceRow(TypedDict):
    """A source that was trained on: a row of run_sources"""

    source: str
    "NAME, NAME:ARGUMENT or a file, as the recipe has it"
    owner: str
    "The plugin that registered it"
    licence: str
    hash: str
    "SHA-256 over the content hashes of its examples"
    examples: int
    "Without those that were dropped"
    cut: int
    "How many of these were cut to max_tokens"
    dropped: int
    answers: int
    "In all examples, before anything was cut or dropped"
    answers_kept: int
    tokens: int
    trained_tokens: int


class PluginRow(TypedDict):
    """A plugin whose code has run: a row of run_plugins"""

    plugin: str
    version: str
    hash: str
    "SHA-256 over its files"
    error: str
    "Why it was set aside before the run began; empty where it was not"


@dataclass(frozen=True, kw_only=True)
class Run:
    """What hooks are handed: everything that was decided before the first step"""

    id: str
    "As `lima runs` lists it"
    recipe: Recipe
    "`recipe.plugins` has the plugins' tables, by the names of their distributions"
    base: Path
    "The base model's folder"
    base_hash: str
    renderer: str
    "The name under which it is registered"
    eot: str
    "The end-of-turn token"
    seed: int
    folder: Path
    "Where the checkpoint goes"
    database: Path
    "The file of the store: `lima.Store(run.database)` opens it"
    sources: tuple[SourceRow, ...] = ()
    "What is trained on"
    plugins: tuple[PluginRow, ...] = ()
    "Whose code had run"
    environment: dict[str, str] = field(default_factory=dict)
    "Versions of Python, the platform and the libraries"
    date: str = ""
    "The date and time that templates write, ISO 8601; the same when the run is resumed"
    rows_hash: str = ""
    "SHA-256 over the ids and weights that are trained"
