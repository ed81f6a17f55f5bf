"""Studies: what is graded, by whom and in which order, begun once and found again by the same settings or by an id.

Everything is drawn when the study begins, and stays. Knows nothing of how people grade.
"""

import json
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lima import LimaError, Store, new_run_id, now
from lima_dialogue_eval.people.assignment import assign
from lima_dialogue_eval.people.calibration import known_items
from lima_dialogue_eval.people.candidates import ONLY, Candidate, candidates, check_sides
from lima_dialogue_eval.people.events import LEFT, RIGHT
from lima_dialogue_eval.record.people import check_spelling, rater_name, same_name


@dataclass(frozen=True)
class Plan:
    """What decides a study; the same again is the same study"""

    sides: tuple[tuple[str, ...], ...]
    "Ids of the dialogue runs: of one side, or of two that are graded side by side"
    raters: tuple[str, ...]
    reviews: int
    "How many raters grade each conversation"
    seed: int = 0
    only: tuple[str, ...] = ()
    "Of ONLY; empty: every reply"
    calibration: int = 0
    "Known replies among a rater's conversations, in per cent"


@dataclass(frozen=True)
class Study:
    """A study that has begun"""

    id: str
    plan: Plan

    @property
    def asks_preference(self) -> bool:
        """Whether the better of two dialogues is asked: where whole dialogues are graded"""
        return len(self.plan.sides) == 2 and not self.plan.only


def rater_names(text: str, what: str = "a rater") -> tuple[str, ...]:
    """The names in a list with commas; LimaError for one that cannot be, which says `what` each person is"""
    names = tuple(rater_name(one, what) for one in text.split(","))
    if len(set(map(same_name, names))) < len(names):
        raise LimaError(f"Two people in {text!r} have the same name. Tell them apart.")
    return names


def begin(store: Store, plan: Plan) -> tuple[Study, bool]:
    """(study, whether it was there already): the newest with this plan, or a new one; LimaError for one that cannot be"""
    if (unknown := next((name for name in plan.only if name not in ONLY), None)) is not None:
        raise LimaError(f"--only takes {' and '.join(ONLY)}, with a comma between; not {unknown!r}.")
    if not 1 <= plan.reviews <= len(plan.raters):
        raise LimaError(
            f"{plan.reviews} reviews of each conversation need as many raters; there are {len(plan.raters)}."
        )
    runs = check_sides(store, plan.sides)
    plan = Plan(tuple(tuple(run["id"] for run in side) for side in runs), *_rest(plan))
    rows = store.rows("select id from grading_studies order by created desc, id desc")
    for row in rows:
        if (study := find_study(store, row["id"])).plan == plan:
            return study, True
    study = Study(new_run_id(), plan)
    check_spelling(store, plan.raters)
    found = candidates(store, plan.sides, plan.only)
    if len(found) * plan.reviews < len(plan.raters):
        raise LimaError(
            f"{len(plan.raters)} raters, but {len(found)} conversation{'s' * (len(found) > 1)}, each graded by {plan.reviews} of "
            "them: some would have nothing to grade. Name fewer raters, or give more --reviews."
        )
    common = math.ceil(plan.calibration / 100 * len(found) * plan.reviews / len(plan.raters))
    known = known_items(runs[0][0], len(plan.sides), common, plan.seed) if common else []
    _write(store, study, list(_items(study, found, known)))
    return study, False


def _rest(plan: Plan) -> tuple[Any, ...]:
    return plan.raters, plan.reviews, plan.seed, plan.only, plan.calibration


def find_study(store: Store, name: str) -> Study:
    """A study by its id, or the start of it"""
    advice = "`lima dialogues grade RUN` begins one."
    row = store.find("grading_studies", name, "study", advice)
    row = store.decoded(row, f"study {row['id']}", runs=list)
    raters = store.rows("select rater from grading_raters where study = ? order by place", [row["id"]])
    sides = tuple(tuple(side) for side in row["runs"])
    only = tuple(filter(None, row["queue"].split(",")))
    names = tuple(r["rater"] for r in raters)
    return Study(row["id"], Plan(sides, names, row["reviews"], row["seed"], only, row["calibration"]))


def _items(study: Study, found: Sequence[Candidate], known: Sequence[tuple[str, list[dict[str, Any]]]]) -> Any:
    """The rows of `grading_items`"""
    plan = study.plan
    # Numbers are seen in the page's source: they must not tell which conversation is a known one.
    total = len(found) + len(known)
    numbers = random.Random(f"lima numbers {plan.seed}").sample(range(1, total + 1), total)
    for rater, mine in assign(len(found), len(known), plan.raters, plan.reviews, plan.seed).items():
        for place, one in enumerate(mine, 1):
            row = {"study": study.id, "rater": rater, "place": place, "item": numbers[one.item]}
            if one.item < len(found):
                of = found[one.item]
                swapped = one.swapped and len(of.runs) == 2
                runs = of.runs[::-1] if swapped else of.runs
                cells = of.cells(swapped)
                row |= {"conversation": of.conversation, "seed": of.seed, "known": None}
                row |= {"left_run": runs[0], "right_run": runs[1] if runs[1:] else None}
            else:
                conversation, pair = known[one.item - len(found)]
                sides = dict(zip((LEFT, RIGHT), pair[::-1] if one.swapped else pair, strict=False))
                cells = sorted((n, side) for side, of in sides.items() for n in range(1, len(of["turns"]) + 1))
                row |= {"conversation": conversation, "seed": 0, "left_run": None, "right_run": None}
                row["known"] = json.dumps(sides, ensure_ascii=False)
            yield {**row, "cells": json.dumps(cells), "replies": len(cells)}


def _write(store: Store, study: Study, items: Sequence[dict[str, Any]]) -> None:
    plan = study.plan
    with store.write() as db:
        db["grading_studies"].insert(
            {
                "id": study.id,
                "created": now(),
                "runs": json.dumps(plan.sides),
                "seed": plan.seed,
                "reviews": plan.reviews,
                "queue": ",".join(plan.only),
                "calibration": plan.calibration,
            }
        )
        db["grading_raters"].insert_all(
            {"study": study.id, "rater": rater, "place": place} for place, rater in enumerate(plan.raters)
        )
        db["grading_items"].insert_all(items)
