"""Writes what a model gained from histories into the store. Knows nothing of models or figures."""

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
