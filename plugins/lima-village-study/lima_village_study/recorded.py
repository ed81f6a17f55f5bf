"""What a study recorded: in the tables of lima-studies, or in those of earlier versions, which are only read.

This module does not know what the numbers mean.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lima import LimaError, Store
from lima_studies import Ledger
from lima_village.experiment import check_loaded

KIND, OLD = "village", "village_studies"
"""the kind of study, and the table of those that earlier versions ran"""
Rows = list[dict[str, Any]]


def find_study(store: Store, name: str) -> dict[str, Any]:
    """The row of a study by its id, the start of one, or 'newest', with its settings decoded; demos are not found

    `old` says whether an earlier version began it."""
    check_loaded(store)
    rows = store.rows("select id, created, 0 as old from studies where kind = ?", [KIND])
    if _has_old(store):
        rows += store.rows(f"select id, created, 1 as old from {OLD} where id not like 'demo-%'")
    rows.sort(key=lambda row: (row["created"], row["id"]))
    if name == "newest" and rows:
        name = rows[-1]["id"]
    old = any(row["old"] for row in rows if row["id"] == name or (name and row["id"].startswith(name)))
    table, where = (OLD, "id not like 'demo-%'") if old else ("studies", f"kind = '{KIND}'")
    row = store.find(table, name, "study", f"Start one with: lima village study -d {store.path}", where)
    if Path(row["id"]).name != row["id"]:
        raise LimaError(f"{row['id']!r} is not the id of a study: it names a path.")
    return {**store.decoded(row, f"study {row['id']}", settings=dict), "old": old}


def noted(store: Store, study: str) -> Rows:
    """A row for each fine-tune, evaluation and number that is done, by arm, evaluation, epoch and seed"""
    if _is_old(store, study):
        rows = store.rows("select * from village_study_results where study = ?", [study])
    else:
        rows = Ledger(store, study).results()
    return sorted(rows, key=lambda row: (row["arm"], row["evaluation"], row["epoch"], row["seed"]))


def graded(store: Store, study: str) -> Rows:
    """Every reply of its dialogue runs with its grade, in the same order, then by conversation, seed, sample and turn"""
    if not _is_old(store, study):
        return Ledger(store, study).replies()
    order = "arm, evaluation, epoch, conversation, seed, sample, turn"
    return store.rows(f"select * from village_study_replies where study = ? order by {order}", [study])


def _has_old(store: Store) -> bool:
    return bool(store.rows("select 1 from sqlite_master where name = ?", [OLD]))


def _is_old(store: Store, study: str) -> bool:
    return _has_old(store) and bool(store.rows(f"select 1 from {OLD} where id = ?", [study]))
