"""Who looks at which case, in which order and with which reply first: drawn once, balanced, and kept.

Some cases are shared by everybody, so that agreement can be measured; the rest are divided. Knows nothing of pages.
"""

import random
from collections.abc import Collection, Mapping, Sequence

from lima import LimaError
from lima_dialogue_eval import assign, rater_name, same_name
from lima_studies.kind import StudyKind
from lima_studies.questions import Question
from lima_studies.record.cases import Case
from lima_studies.record.study import JUDGES, Study

SHARED = 50
"Cases that everybody looks at, as in LIMA §4"


def teams_of(texts: Sequence[str]) -> dict[str, list[str]]:
    """The names in each group, from `GROUP:NAME,NAME`; a list without a group is of the crowd. LimaError for what is neither"""
    found: dict[str, list[str]] = {}
    seen: set[str] = set()
    for text in texts:
        team, colon, names = text.partition(":")
        team, names = (team.strip(), names) if colon else ("crowd", text)
        if not team or team == JUDGES:
            raise LimaError(
                f"{text!r} names no group of people. Write GROUP:NAME,NAME, such as crowd:ana,ben or authors:cy."
            )
        if not text.isprintable():
            raise LimaError(
                f"{text!r} has a character that cannot be seen. Write names with letters, such as crowd:ana,ben."
            )
        for name in map(rater_name, names.split(",")):
            if same_name(name) in seen:
                raise LimaError(f"{name!r} is named twice. Tell the two apart.")
            seen.add(same_name(name))
            found.setdefault(team, []).append(name)
    return found


def invite(
    study: Study, kind: StudyKind, teams: Mapping[str, Sequence[str]], shared: int, reviews: int, only_shared: bool
) -> list[str]:
    """Add people to a study and draw what they look at; those who have something already keep it. All of these people's names

    LimaError where there is nothing to look at, or fewer people than reviews."""
    known = {row["rater"] for row in study.assignments()}
    if not kind.questions:
        raise LimaError(f"{study.id} is a {kind.name} study: nobody is asked anything in it. Name another study.")
    _check_teams(study, teams, known)
    for team, names in teams.items():
        new = [name for name in names if name not in known]
        for name in new:
            _check_new(study, name)
        if new:
            _draw(study, kind, team, new, shared, min(reviews, len(new)), only_shared)
    return [name for names in teams.values() for name in names]


def _check_teams(study: Study, teams: Mapping[str, Sequence[str]], known: Collection[str]) -> None:
    """LimaError for somebody who has cases already, in another group"""
    of = {row["rater"]: row["team"] for row in study.raters()}
    for team, names in teams.items():
        for name in names:
            if name in known and of[name] != team:
                raise LimaError(
                    f"In study {study.id}, {name!r} is of the group {of[name]!r}, not {team!r}. Write {of[name]}:{name}, or give "
                    "this person another name."
                )


def _check_new(study: Study, name: str) -> None:
    for row in study.raters():
        if same_name(row["rater"]) == same_name(name):
            raise LimaError(f"Study {study.id} has a rater {row['rater']!r} already. Give {name!r} another name.")


def _draw(
    study: Study, kind: StudyKind, team: str, names: Sequence[str], shared: int, reviews: int, only_shared: bool
) -> None:
    cases = cases_of(study, kind)
    if not cases:
        raise LimaError(
            f"Study {study.id} has no replies to look at yet. Run its command first; it needs no judge for that."
        )
    # Which are shared depends on the study alone, so that whoever comes later shares the same ones.
    order = random.Random(f"lima study {study.row['settings_hash']}").sample(range(len(cases)), len(cases))
    common, rest = order[:shared], [] if only_shared else order[shared:]
    if not common and not rest:
        raise LimaError("With --only-shared and --shared 0 nobody looks at anything. Leave one of them out.")
    items = [cases[at] for at in (*rest, *common)]
    drawn = assign(len(rest), len(common), names, reviews, seed=len(study.raters()))
    assigned = {
        name: [_row(items[one.item], one.swapped, one.item >= len(rest)) for one in mine]
        for name, mine in drawn.items()
    }
    study.add_people(team, assigned)


def _row(item: tuple[Question, Case], swapped: bool, shared: bool) -> dict[str, object]:
    """What a person is to look at, as the database has it"""
    question, case = item
    shown = case.turned if swapped and case.key.second else case
    return {"question": question.name, **shown.key._asdict(), "shared": int(shared)}


def cases_of(study: Study, kind: StudyKind) -> list[tuple[Question, Case]]:
    """What people may look at: each case once, whatever its order"""
    names, texts, prompts = [s.name for s in study.systems()], study.texts(), study.prompts()
    found: dict[object, tuple[Question, Case]] = {}
    for question in kind.questions:
        for case in kind.cases(question, prompts, names, texts):
            both = frozenset((case.key.first, case.key.second))
            found.setdefault((question.name, case.key.prompt, both, case.key.sample), (question, case))
    return list(found.values())
