"""How far people, and judges where there are any, agree on which of two conversations is better.

An item is a conversation with one seed of two dialogue runs. A judge reads it in both orders: where these differ, it says
neither, and that is a flip. Judges' rows are lima-judges' tables, read where they are there. Knows nothing of grades.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from lima import Store
from lima_dialogue_eval.audit.figures import share
from lima_dialogue_eval.coefficients import alpha, coincidences, value_of
from lima_dialogue_eval.statistics import tie_discounted_accuracy

NEITHER = "neither"
DEFINITIONS = {
    "tie_discounted": "Tie-discounted accuracy (LIMA §4): 1 where both prefer the same or both say neither, ½ where one says "
    "neither, else 0.",
    "preference_alpha": "Krippendorff's alpha, nominal, over the people: the one run, the other, neither.",
    "flips": "Of the items that a judge read in both orders, those on which the orders differ; they count as neither.",
    "left": "How often people preferred the side that they saw on the left, of all that preferred one.",
}
Row = dict[str, Any]


class Item(NamedTuple):
    """Which two conversations"""

    runs: tuple[str, str]
    "In the order of their ids"
    conversation: str
    seed: int


@dataclass
class Chooser:
    """A person or a judge, and which run of each item they prefer, or 'neither'"""

    name: str
    person: bool
    choices: dict[Item, str] = field(default_factory=dict)
    flipped: set[Item] = field(default_factory=set)
    "Of a judge: items whose two orders differ"


def preferences(store: Store, runs: Sequence[str]) -> Row | None:
    """The figures of all preferences between these dialogue runs, JSON-ready; None where there are none"""
    people, left = _people(store, set(runs))
    choosers = [*people, *_judges(store, set(runs))]
    if not choosers:
        return None
    pairs = [_pair(f"{a.name} with {b.name}", [(a, b)]) for a, b in combinations(choosers, 2)]
    groups = [_pair("people with people", list(combinations(people, 2)))] if len(people) > 1 else []
    return {
        "choosers": [
            {
                "name": c.name,
                "person": c.person,
                "items": len(c.choices),
                "neither": list(c.choices.values()).count(NEITHER),
            }
            | ({} if c.person else {"flips": share((item, item in c.flipped) for item in c.choices)})
            for c in choosers
        ],
        "groups": groups,
        "pairs": [pair for pair in pairs if pair["items"]],
        "alpha": _alpha(people),
        "left": left,
        "definitions": DEFINITIONS,
    }


def _people(store: Store, runs: set[str]) -> tuple[list[Chooser], Row]:
    """People by name; and how often they preferred the left side"""
    found: dict[str, Chooser] = {}
    sides: dict[tuple[str, Item], tuple[str, str]] = {}
    for row in store.rows("select * from dialogue_preferences order by id"):
        if not {row["left_run"], row["right_run"]} <= runs:
            continue
        first, second = sorted((row["left_run"], row["right_run"]))
        item = Item((first, second), row["conversation"], row["seed"])
        choices = found.setdefault(row["rater"], Chooser(row["rater"], True)).choices
        if row["preferred"] is None:
            choices.pop(item, None)
        else:
            choices[item] = row["preferred"] or NEITHER
            sides[row["rater"], item] = row["left_run"], row["right_run"]
    people = [found[name] for name in sorted(found) if found[name].choices]
    chosen = [(c.name, item, run) for c in people for item, run in c.choices.items() if run != NEITHER]
    return people, share((item, run == sides[name, item][0]) for name, item, run in chosen)


def _judges(store: Store, runs: set[str]) -> list[Chooser]:
    """Judges by name, from the finished preference runs of lima-judges; the newest of a judge counts"""
    if not store.rows("select 1 from sqlite_master where name = 'preference_runs'"):
        return []
    found: dict[str, Chooser] = {}
    for run in store.rows("select * from preference_runs where status = 'done' order by created, id"):
        if not {run["run_a"], run["run_b"]} <= runs:
            continue
        said: dict[tuple[str, int], dict[str, str]] = defaultdict(dict)
        for row in store.rows("select * from preferences where preference_run = ? order by id", [run["id"]]):
            if row["seed_a"] == row["seed_b"] and row["status"] == "parsed":
                said[row["conversation"], row["seed_a"]][row["first"]] = row["preferred"]
        judge = found.setdefault(run["judge"], Chooser(run["judge"], False))
        first, second = sorted((run["run_a"], run["run_b"]))
        for (conversation, seed), orders in said.items():
            if len(orders) < 2:
                continue
            same = orders["A"] == orders["B"]
            names = {"A": run["run_a"], "B": run["run_b"]}
            choice = names.get(orders["A"], NEITHER) if same else NEITHER
            item = Item((first, second), conversation, seed)
            judge.choices[item] = choice
            (judge.flipped.discard if same else judge.flipped.add)(item)
    return [found[name] for name in sorted(found) if found[name].choices]


def _pair(name: str, pairs: Sequence[tuple[Chooser, Chooser]]) -> Row:
    both = [
        (item, a.choices[item], b.choices[item])
        for a, b in pairs
        for item in sorted(a.choices.keys() & b.choices.keys())
    ]
    return {
        "name": name,
        "items": len(both),
        "agreement": share((item, a == b) for item, a, b in both),
        "tie_discounted": tie_discounted_accuracy([a for _, a, _ in both], [b for _, _, b in both], NEITHER),
    }


def _alpha(people: Sequence[Chooser]) -> Row | None:
    """Krippendorff's alpha over the people; None below two"""
    if len(people) < 2:
        return None
    counts: dict[Item, np.ndarray] = defaultdict(lambda: np.zeros(3))
    for chooser in people:
        for item, run in chooser.choices.items():
            counts[item][2 if run == NEITHER else item.runs.index(run)] += 1
    tables = [coincidences(counts[item]) for item in sorted(counts)]
    shared = np.array([table for table in tables if table.any()]).reshape(-1, 3, 3)
    value, interval = value_of(lambda summed: alpha(summed, ordinal=False), shared)
    return {"people": len(people), "items": len(shared), "value": value, "interval": interval}
