"""What the table [plugins.lima-stackexchange] of a recipe may say, with its bounds.

Knows nothing of what is done with it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from lima import LimaError, shown

PLUGIN = "lima-stackexchange"
_BOUNDS = {
    "least_score": (-1_000_000, 1_000_000),
    "shortest": (1, 1_000_000),
    "longest": (1, 1_000_000),
    "limit": (0, 10_000_000),
    "seed": (0, 2**63),
    "tau": (0.01, 1000.0),
    "least_exchanges": (1, 50),
}
"The least and the largest value of each number"
_CHOICES = {"prompt": ("random", "title", "body"), "others": ("leave out", "user")}


@dataclass(frozen=True)
class Options:
    """The options of both sources; LIMA §2 where nothing else is said"""

    site: str | Mapping[str, str] = ""
    "The host of the exchange, where no folder or archive is named by it; for several a table, by their names"
    least_score: int = 10
    "Of the top answer"
    shortest: int = 1200
    "Characters of an answer"
    longest: int = 4096
    wording: bool = True
    "Whether answers are refused for their wording: first person, other answers, what a link or picture said; and such titles"
    prompt: str = "random"
    "title, body, or by the seed one of both"
    limit: int = 0
    "How many examples are drawn, over all exchanges; 0: all that pass"
    tau: float = 3.0
    "Temperature over exchanges: one with n examples is drawn with probability proportional to n ** (1 / tau)"
    seed: int = 0
    least_exchanges: int = 2
    "Of a thread: questions with an answer"
    others: str = "leave out"
    "Comments of people who neither asked nor answered: left out, or the user's"

    QUESTIONS = ("site", "least_score", "shortest", "longest", "wording", "prompt", "limit", "tau", "seed")
    THREADS = ("site", "least_exchanges", "others", "wording", "limit", "tau", "seed")

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Options":
        """From the table; LimaError for a value that an option cannot have"""
        checked = {name: _checked(name, value) for name, value in values.items()}
        made = cls(**checked)
        if made.shortest > made.longest:
            raise LimaError(
                f"{PLUGIN}.shortest is {made.shortest}, more than {PLUGIN}.longest, {made.longest}: no answer fits both."
            )
        return made


def _checked(name: str, value: Any) -> Any:
    kind = {one.name: one.type for one in fields(Options)}[name]
    if name == "site":
        return _site(value)
    if name in _CHOICES:
        if value not in _CHOICES[name]:
            raise LimaError(f"{PLUGIN}.{name} is {shown(value)}; expected {' or '.join(map(repr, _CHOICES[name]))}.")
        return value
    if kind is bool:
        if not isinstance(value, bool):
            raise LimaError(f"{PLUGIN}.{name} is {shown(value)}; expected true or false.")
        return value
    least, most = _BOUNDS[name]
    numeric = isinstance(value, int if kind is int else int | float) and not isinstance(value, bool)
    if not numeric or not math.isfinite(value) or not least <= value <= most:
        what = "a whole number" if kind is int else "a number"
        raise LimaError(f"{PLUGIN}.{name} is {shown(value)}; expected {what} from {least:,} to {most:,}.")
    return value


def _site(value: Any) -> str | dict[str, str]:
    hosts = value if isinstance(value, Mapping) else {"": value}
    for name, host in hosts.items():
        if not isinstance(name, str) or not isinstance(host, str) or not is_host(host):
            raise LimaError(
                f"{PLUGIN}.site is {shown(host)}{f' for {name!r}' if name else ''}; expected the host of an exchange, such as "
                "'coffee.stackexchange.com', or a table with one for each name of a folder or file."
            )
    return dict(value) if isinstance(value, Mapping) else str(value)


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
