"""Who is reported together: each judge, each group of people, and all people. Knows nothing of what they said."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from lima_studies.record.study import JUDGES

PEOPLE = "people"
"All groups of people together"


class Rated(Protocol):
    """A rater with what they said of each item; an item has a `prompt`"""

    name: str
    team: str

    @property
    def person(self) -> bool: ...

    @property
    def results(self) -> Mapping[Any, str]: ...


R = TypeVar("R", bound=Rated)


@dataclass(frozen=True)
class Panel(Generic[R]):
    """Raters whose figures are reported together"""

    name: str
    column: str
    "Which of the paper's columns stands beside theirs: judges or people"
    raters: tuple[R, ...]


def panels(found: Sequence[R]) -> list[Panel[R]]:
    """Each judge, each group of people, and all people where there are several groups"""
    every = [Panel(c.name, JUDGES, (c,)) for c in found if not c.person]
    teams = list(dict.fromkeys(c.team for c in found if c.person))
    every += [Panel(team, PEOPLE, tuple(c for c in found if c.team == team)) for team in teams]
    if len(teams) > 1:
        every.append(Panel(PEOPLE, PEOPLE, tuple(c for c in found if c.person)))
    return [panel for panel in every if any(c.results for c in panel.raters)]


def teams_of(found: Sequence[Rated]) -> list[str]:
    """The groups, people's first, the crowd before the others, as in the paper"""
    teams = list(dict.fromkeys(c.team for c in found))
    return sorted(teams, key=lambda team: (team == JUDGES, team != "crowd"))
