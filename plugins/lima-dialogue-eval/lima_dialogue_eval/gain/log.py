"""Writes what a model gained from histories into the store, and reads it back. Knows nothing of models or figures."""

import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from lima import Store, environment, new_run_id, now
from lima_dialogue_eval.gain.measure import Later


def write_gain(store: Store, about: dict[str, Any], answers: Sequence[Later], seconds: float) -> str:
    """One measurement of one model, in one transaction; its id, which `about` may give, else a new one"""
    row = {"id": new_run_id(), "created": now(), "seconds": seconds, "environment": json.dumps(environment(1)), **about}
    with store.write() as db:
        db["gain_runs"].insert(row)
        db["gain_answers"].insert_all(
            {"gain_run": row["id"], **asdict(answer), "tags": json.dumps(answer.tags)} for answer in answers
        )
    return str(row["id"])


def gain_answers(store: Store, id: str) -> list[Later]:
    """The answers of a measurement, in the order in which they were measured; empty if it is not in the store"""
    names = [field.name for field in fields(Later)]
    rows = store.rows("select * from gain_answers where gain_run = ? order by rowid", [id])
    return [Later(**{**{name: row[name] for name in names}, "tags": tuple(json.loads(row["tags"]))}) for row in rows]


def gain_rows(store: Store, run: str, source: str) -> list[dict[str, Any]]:
    """The answers of the newest measurement of a run's model on a source; empty without one"""
    measured = store.rows("select id from gain_runs where run = ? and source = ? order by created, id", [run, source])
    if not measured:
        return []
    sql = 'select *, "true" - none as over_none, "true" - other as over_other from gain_answers where gain_run = ?'
    return store.rows(f"{sql} order by rowid", [measured[-1]["id"]])
