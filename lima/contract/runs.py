"""A run: the frozen record of what was trained on what, with which code.

Knows nothing of torch or of the store.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lima.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Run:
    """What hooks are handed: everything that was decided before the first step"""

    id: str
    recipe: Recipe
    base: Path
    base_hash: str
    renderer: str
    eot: str
    seed: int
    folder: Path
    "Where the checkpoint goes"
    database: Path
    sources: tuple[dict[str, Any], ...] = ()
    "One row a source: name, owner, licence, hash, examples, tokens, trained_tokens"
    plugins: tuple[dict[str, str], ...] = ()
    "One row a plugin: name, version, hash"
    environment: dict[str, str] = field(default_factory=dict)
