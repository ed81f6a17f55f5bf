"""The systems of a study: a name for reports, and what answers, as `lima models` opens it. Knows nothing of what is asked."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from lima import LimaError

_NAMED = re.compile(r"([\w .+-]{1,40})=(.+)", re.DOTALL)


@dataclass(frozen=True)
class System:
    """What replies to the prompts of a study"""

    name: str
    spec: str
    "As `lima models` opens it"


def systems_of(specs: Iterable[str], called: str = "systems") -> list[System]:
    """Systems, or judges, from `SPEC` or `NAME=SPEC`, in their order; LimaError for two of a name"""
    found: dict[str, System] = {}
    for text in specs:
        named = _NAMED.fullmatch(text)
        system = System(named[1].strip(), named[2]) if named and named[1].strip() else System(text, text)
        if system.name in found:
            raise LimaError(
                f"Two {called} are called {system.name!r}. Give one of them another name: write NAME={system.spec} in its place."
            )
        found[system.name] = system
    return list(found.values())
