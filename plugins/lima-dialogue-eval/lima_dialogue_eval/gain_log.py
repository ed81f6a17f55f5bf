"""Writes what a model gained from histories, and reads it back. Knows nothing of models or figures."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from lima import Store, environment, new_run_id, now
from lima_dialogue_eval.gain import Later


def write_gain(store: Store, about: dict[str, Any], answers: Sequence[Later], seconds: float) -> str:
    """One measurement of one model; its id"""
    id = new_run_id()
    row = {"id": id, "created": now(), "seconds": seconds, "environment": json.dumps(environment(1)), **about}
    with store.write() as db:
        db["gain_runs"].insert(row)
        db["gain_answers"].insert_all(
            {"gain_run": id, **asdict(answer), "tags": json.dumps(answer.tags)} for answer in answers
        )
    return id


def read_gain(store: Store, id: str) -> list[Later]:
    """The answers of a measurement, in their order"""
    rows = store.rows("select * from gain_answers where gain_run = ? order by rowid", [id])
    fields = Later.__dataclass_fields__
    return [Later(**{k: row[k] for k in fields} | {"tags": tuple(json.loads(row["tags"]))}) for row in rows]
