"""What the table [plugins.lima-natural-instructions] of a recipe may say, with its bounds.

Knows nothing of what is done with it.
"""

from dataclasses import dataclass
from typing import Annotated

from lima import Between

PLUGIN = "lima-natural-instructions"
ANY = "any"
"Takes all categories, or all languages"


@dataclass(frozen=True)
class Options:
    """The options of the source; LIMA §2 where nothing else is said"""

    categories: tuple[str, ...] = ()
    "Names of categories, or 'any'; none: those of generation (see `categories.py`)"
    language: str = "English"
    "Of inputs and outputs; 'any' takes all"
    instances: Annotated[int, Between(1, 1_000_000)] = 1
    "How many are drawn of each task"
    limit: Annotated[int, Between(0, 100_000)] = 0
    "How many tasks are drawn; 0: all"
    seed: Annotated[int, Between(0, 2**63)] = 0
