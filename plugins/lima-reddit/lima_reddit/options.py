"""What the table [plugins.lima-reddit] of a recipe may say, with its bounds.

Knows nothing of what is done with it.
"""

from dataclasses import dataclass, fields
from typing import Annotated, Literal

from lima import Between, LimaError

PLUGIN = "lima-reddit"


@dataclass(frozen=True)
class Options:
    """The options of both sources; LIMA §2 where nothing else is said"""

    subreddits: tuple[str, ...] = ()
    "Names without r/; of none given all that the files have"
    least_score: Annotated[int, Between(-1_000_000, 1_000_000)] = 10
    "Upvotes less downvotes, of a submission and of the comment to it"
    over_18: bool = False
    "Whether submissions marked as not safe for work are taken"
    wording: bool = True
    "Whether texts are refused that point to what is not there, such as a part 2 or a picture, or speak of Reddit"
    draw: Literal["best", "random"] = "best"
    "With a limit: the submissions with the highest score, or by the seed any that pass"
    limit: Annotated[int, Between(0, 10_000_000)] = 0
    "How many examples; 0: all that pass"
    seed: Annotated[int, Between(0, 2**63)] = 0
    tags: tuple[str, ...] = ("WP", "SP", "EU", "CW", "RF", "TT")
    "Of titles that begin with a tag those with one of these; one without a tag is taken"
    body: bool = True
    "Whether what stands below the title is part of the prompt"
    shortest: Annotated[int, Between(1, 1_000_000)] = 500
    "Characters of a story (ours)"
    longest: Annotated[int, Between(1, 1_000_000)] = 12_000

    TITLES = ("subreddits", "least_score", "over_18", "wording", "draw", "limit", "seed")

    def __post_init__(self) -> None:
        object.__setattr__(self, "subreddits", tuple(name.lower().removeprefix("r/") for name in self.subreddits))
        object.__setattr__(self, "tags", tuple(tag.strip("[]").upper() for tag in self.tags))
        if self.shortest > self.longest:
            raise LimaError(
                f"{PLUGIN}.shortest is {self.shortest}, more than {PLUGIN}.longest, {self.longest}: no story fits both."
            )


STORIES = tuple(one.name for one in fields(Options))
