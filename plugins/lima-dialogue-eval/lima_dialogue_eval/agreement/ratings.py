"""Who gave which grade to which reply: people and programs as raters of the same replies, read from the tables.

A rater's newest verdict on a reply counts; of a program, verdicts of its newest version. Knows nothing of coefficients.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from lima import UNDECIDED, LimaError, Store
from lima_dialogue_eval.conversation.grade import PEOPLE
from lima_dialogue_eval.record.people import ADJUDICATED


class Reply(NamedTuple):
    """Which reply"""

    run: str
    conversation: str
    seed: int
    turn: int


@dataclass
class Rater:
    """A person, or one version of a program, with a grade or 'undecided' for each reply that was rated"""

    name: str
    person: bool
    grades: dict[Reply, str] = field(default_factory=dict)

    @property
    def only_fails(self) -> bool:
        """Whether it praised nothing, as checks do"""
        return not {"pass", "excellent"} & set(self.grades.values())


@dataclass(frozen=True)
class Ratings:
    """All raters of some dialogue runs"""

    raters: tuple[Rater, ...]
    "People by name, then programs by name"
    kinds: dict[tuple[str, int], str]
    "What the user's turn tries, by conversation and turn"
    notes: tuple[str, ...]
    "What was left out, in sentences"

    @property
    def people(self) -> list[Rater]:
        return [r for r in self.raters if r.person]

    @property
    def programs(self) -> list[Rater]:
        return [r for r in self.raters if not r.person]


def read_ratings(store: Store, runs: Sequence[dict[str, Any]]) -> Ratings:
    """The verdicts on the replies of these dialogue runs (rows as of `find_run`); LimaError for runs of two evaluations"""
    for run in runs:
        if run["evaluation_hash"] != runs[0]["evaluation_hash"]:
            raise LimaError(
                f"Dialogue runs {runs[0]['id']} and {run['id']} are of different evaluations, or of two versions of one: "
                "ask for the agreement on each."
            )
    marks = ", ".join("?" * len(runs))
    ids = [run["id"] for run in runs]
    rows = store.rows(
        f"select * from dialogue_grades where dialogue_run in ({marks}) and (grade is not null or status in "
        "('undecided', 'needs a person', 'withdrawn', 'cannot judge')) order by id",
        ids,
    )
    newest = {row["grader"]: row["grader_hash"] for row in rows if row["grader"] != PEOPLE}
    raters: dict[tuple[bool, str], Rater] = {}
    old: dict[str, int] = {}
    for row in rows:
        person = row["grader"] == PEOPLE
        if person and row["rater"] == ADJUDICATED:
            continue
        if not person and row["grader_hash"] != newest[row["grader"]]:
            old[row["grader"]] = old.get(row["grader"], 0) + 1
            continue
        name = row["rater"] if person else row["grader"]
        grades = raters.setdefault((not person, name), Rater(name, person)).grades
        reply = Reply(row["dialogue_run"], row["conversation"], row["seed"], row["turn"])
        given = row["grade"] or (None if row["status"] in ("withdrawn", "cannot judge") else UNDECIDED)
        if given is None:
            grades.pop(reply, None)
        else:
            grades[reply] = given
    kinds = store.rows(
        f"select distinct conversation, turn, kind from dialogue_turns where dialogue_run in ({marks})", ids
    )
    return Ratings(
        raters=tuple(raters[key] for key in sorted(raters) if raters[key].grades),
        kinds={(row["conversation"], row["turn"]): row["kind"] or "" for row in kinds},
        notes=tuple(f"Left out: {n} verdicts of earlier versions of {grader}." for grader, n in sorted(old.items())),
    )
