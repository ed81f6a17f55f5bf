"""What the table [plugins.lima-wikihow] of a recipe may say, with its bounds.

Knows nothing of what is done with it.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from lima import Between, LimaError

PLUGIN = "lima-wikihow"


@dataclass(frozen=True)
class Options:
    """The options of the source; LIMA §2 where nothing else is said"""

    prompt: Literal["title", "question"] = "title"
    "The title as it is, or with a question mark behind it"
    shortest: Annotated[int, Between(1, 1_000_000)] = 200
    "Characters of an answer (ours: a shorter article is a stub)"
    longest: Annotated[int, Between(1, 1_000_000)] = 100_000
    limit: Annotated[int, Between(0, 10_000_000)] = 0
    "How many articles are drawn: a category, each as likely as any, then an article of it; 0: all that pass, in order"
    seed: Annotated[int, Between(0, 2**63)] = 0

    NAMES = ("prompt", "shortest", "longest", "limit", "seed")

    def __post_init__(self) -> None:
        if self.shortest > self.longest:
            raise LimaError(
                f"{PLUGIN}.shortest is {self.shortest}, more than {PLUGIN}.longest, {self.longest}: no answer fits both."
            )
