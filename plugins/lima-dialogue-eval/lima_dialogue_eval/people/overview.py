"""What the coordinator of a study sees: progress, agreement as it grows, and what people disagree on; after the end, the models.

Counts only what was graded in the study. Knows nothing of pages.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from lima import GRADES, Store
from lima_dialogue_eval.coefficients import kappa
from lima_dialogue_eval.conversation.grade import PEOPLE
from lima_dialogue_eval.people.events import LEFT
from lima_dialogue_eval.people.grading import Grading
from lima_dialogue_eval.people.studies import Study
from lima_dialogue_eval.people.talks import Item
from lima_dialogue_eval.record.log import find_run
from lima_dialogue_eval.record.people import ADJUDICATED

Reply = tuple[str, str, int, int]
"Dialogue run, conversation, seed, turn"
Given = dict[Reply, dict[str, str]]
"Grades by reply and rater"


@dataclass(frozen=True)
class Agreement:
    """How often two people gave a reply the same grade"""

    replies: int
    "Pairs of grades that two people gave to one reply"
    equal: int
    kappa: float | None
    "Cohen's, quadratic weights, over all pairs of people; None where it is undefined"


@dataclass(frozen=True)
class Disputed:
    """A reply to which people gave different grades"""

    item: int
    turn: int
    side: str
    "As the first rater of the conversation saw it"
    topic: str
    given: dict[str, str]
    settled: str | None
    "What the coordinator said"


def progress(store: Store, study: Study) -> list[dict[str, Any]]:
    """The rows of `grading_progress`: one a rater"""
    return store.rows("select * from grading_progress where study = ?", [study.id])


def finished(store: Store, study: Study) -> bool:
    """Whether every rater has done everything: only then the models are named"""
    return all(Grading(store, study, rater).first_open() is None for rater in study.plan.raters)


def given(store: Store, study: Study) -> Given:
    """The grades that stand, by reply and rater; without known replies and what cannot be judged"""
    found: Given = defaultdict(dict)
    for rater in study.plan.raters:
        for item, state in Grading(store, study, rater).standing():
            for (turn, side), cell in state.cells.items() if not item["known"] else ():
                if cell.grade in GRADES:
                    found[reply_of(item, turn, side)][rater] = str(cell.grade)
    return found


def reply_of(item: Item, turn: int, side: str) -> Reply:
    """Which reply of which run a cell of a conversation is"""
    run = item["left_run"] if side == LEFT else item["right_run"]
    return run, item["conversation"], item["seed"], turn


def agreement(given: Given) -> Agreement:
    """Over all pairs of raters of a study, on the runs' replies"""
    both = [pair for of in given.values() for pair in _pairs(of)]
    table = np.zeros((3, 3))
    for a, b in both:
        table[GRADES.index(a), GRADES.index(b)] += 1
        table[GRADES.index(b), GRADES.index(a)] += 1  # who of two people comes first is arbitrary
    value = float(kappa(table)) if both else float("nan")
    return Agreement(len(both), sum(a == b for a, b in both), None if np.isnan(value) else value)


def calibration(store: Store, study: Study) -> list[dict[str, Any]]:
    """For each rater the known replies that were graded, and those that got the grade that is known"""
    found = []
    for rater in study.plan.raters:
        met = [
            grade == known["known"]
            for item, state in Grading(store, study, rater).standing()
            for side, known in (item["known"] or {}).items()
            if (grade := state.of((len(known["turns"]), side)).grade) in GRADES
        ]
        if met:
            found.append({"rater": rater, "replies": len(met), "equal": sum(met)})
    return found


def disputed(store: Store, study: Study, given: Given) -> list[Disputed]:
    """What people of the study disagree on, in the study's order; what is settled comes last"""
    settled = {
        (row["dialogue_run"], row["conversation"], row["seed"], row["turn"]): row["grade"]
        for row in store.rows(
            "select * from dialogue_latest_grades where grader = ? and rater = ?", [PEOPLE, ADJUDICATED]
        )
    }
    found = []
    topics: dict[int, str] = {}
    for item in sorted(Grading(store, study, ADJUDICATED).items(), key=lambda row: row["item"]):
        for turn, side in item["cells"] if not item["known"] else ():
            key = reply_of(item, turn, side)
            if len(set(given.get(key, {}).values())) > 1:
                number = item["item"]
                if number not in topics:
                    topics[number] = Grading(store, study, ADJUDICATED).talk(item).topic
                found.append(Disputed(number, turn, side, topics[number], given[key], settled.get(key)))
    return sorted(found, key=lambda one: one.settled is not None)


def models(store: Store, study: Study, given: Given, rater: str | None = None) -> list[dict[str, Any]]:
    """After the end: each side's runs with model and arm, the grades that they got, and how often they were preferred"""
    preferred = Counter(_preferences(store, study, rater))
    found = []
    for runs in study.plan.sides:
        rows = [find_run(store, run) for run in runs]
        grades = Counter(
            grade for key, of in given.items() if key[0] in runs for who, grade in of.items() if rater in (None, who)
        )
        found.append(
            {
                "runs": list(runs),
                "models": list(dict.fromkeys(row["model"] for row in rows)),
                "arms": list(dict.fromkeys(row["arm"] for row in rows if row["arm"])),
                "grades": {grade: grades[grade] for grade in GRADES},
                "preferred": sum(preferred[run] for run in runs),
                "neither": preferred[""],
            }
        )
    return found


def _preferences(store: Store, study: Study, rater: str | None) -> list[str]:
    rows = store.rows(
        "select rater, preferred from dialogue_preferences where id in (select max(id) from dialogue_preferences "
        "where study = ? group by rater, conversation, seed, left_run, right_run) and preferred is not null",
        [study.id],
    )
    return [row["preferred"] for row in rows if rater in (None, row["rater"])]


def _pairs(of_one: dict[str, str]) -> Iterable[Sequence[str]]:
    return combinations((of_one[rater] for rater in sorted(of_one)), 2)
