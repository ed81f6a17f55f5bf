"""What the table [plugins.lima-chitchat] of a recipe may say, with its bounds.

Knows nothing of what is done with it.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from lima import Between

PLUGIN = "lima-chitchat"


@dataclass(frozen=True)
class Options:
    """The options of the source"""

    assistant: Literal["second", "first", "random"] = "second"
    "Who is the assistant: who speaks second, who speaks first, or by the seed one of both for each conversation"
    topic: Literal["system", "leave out"] = "system"
    "The question that both were shown before they began: the system's turn, or left out"
    mend: bool = True
    "Whether a slip is corrected where the next line corrects it, and stray punctuation joins the line before"
    least_exchanges: Annotated[int, Between(1, 1000)] = 1
    "Turns of the user with an answer"
    least_rating: Annotated[int, Between(0, 10)] = 0
    "Of each of the three ratings, from 1 to 10; 0: conversations without ratings, too"
    limit: Annotated[int, Between(0, 1_000_000)] = 0
    "How many conversations are drawn; 0: all"
    seed: Annotated[int, Between(0, 2**63)] = 0
