"""What the table [plugins.lima-stackexchange] of a recipe may say, with its bounds.

Knows nothing of what is done with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from lima import Between, LimaError, shown

PLUGIN = "lima-stackexchange"


@dataclass(frozen=True)
class Options:
    """The options of both sources; LIMA §2 where nothing else is said"""

    site: Any = ""
    "The host of the exchange, where no folder or archive is named by it; for several a table, by their names"
    least_score: Annotated[int, Between(-1_000_000, 1_000_000)] = 10
    "Of the top answer"
    shortest: Annotated[int, Between(1, 1_000_000)] = 1200
    "Characters of an answer"
    longest: Annotated[int, Between(1, 1_000_000)] = 4096
    wording: bool = True
    "Whether answers are refused for their wording: first person, other answers, what a link or picture said; and such titles"
    prompt: Literal["random", "title", "body"] = "random"
    "title, body, or by the seed one of both"
    limit: Annotated[int, Between(0, 10_000_000)] = 0
    "How many examples are drawn, over all exchanges; 0: all that pass"
    tau: Annotated[float, Between(0.01, 1000.0)] = 3.0
    "Temperature over exchanges: one with n examples is drawn with probability proportional to n ** (1 / tau)"
    seed: Annotated[int, Between(0, 2**63)] = 0
    least_exchanges: Annotated[int, Between(1, 50)] = 2
    "Of a thread: questions with an answer"
    others: Literal["leave out", "user"] = "leave out"
    "Comments of people who neither asked nor answered: left out, or the user's"

    QUESTIONS = ("site", "least_score", "shortest", "longest", "wording", "prompt", "limit", "tau", "seed")
    THREADS = ("site", "least_exchanges", "others", "wording", "limit", "tau", "seed")

    def __post_init__(self) -> None:
        _check_site(self.site)
        if self.shortest > self.longest:
            raise LimaError(
                f"{PLUGIN}.shortest is {self.shortest}, more than {PLUGIN}.longest, {self.longest}: no answer fits both."
            )


def _check_site(value: Any) -> None:
    hosts = value if isinstance(value, Mapping) else {"": value} if value != "" else {}
    for name, host in hosts.items():
        if not isinstance(name, str) or not isinstance(host, str) or not is_host(host):
            raise LimaError(
                f"{PLUGIN}.site is {shown(host)}{f' for {name!r}' if name else ''}; expected the host of an exchange, such as "
                "'coffee.stackexchange.com', or a table with one for each name of a folder or file."
            )


def is_host(text: str) -> bool:
    """Whether it is the name of a host such as coffee.stackexchange.com"""
    labels = text.split(".")
    return (
        len(text) <= 253
        and len(labels) > 1
        and labels[-1].isalpha()
        and len(labels[-1]) > 1
        and all(part.isascii() and part.replace("-", "a").isalnum() and part == part.lower() for part in labels)
    )
