"""The rows of a mix in the store: the mix, its sources, and each exclusion with its reason.

Knows nothing of how the mix was made.
"""

import json
from collections.abc import Iterator
from typing import Any

from lima import Store, new_run_id, now, storable
from lima_curate.dataset import Written
from lima_curate.mixes.making import Mixture
from lima_curate.mixes.pools import Pool


def note_mix(store: Store, made: Mixture, written: Written) -> str:
    """Write what a mix became to the store; its id"""
    id = new_run_id()
    lengths = made.lengths
    row = {
        "id": id,
        "created": now(),
        "name": made.mix.name,
        "toml": made.mix.toml,
        "paths": json.dumps(dict(made.paths)),
        "missing": json.dumps(dict(made.missing)),
        "remarks": json.dumps(made.remarks()),
        "method": made.method,
        "seed": made.mix.seed,
        "counted": made.counter.how,
        "file": str(written.file.absolute()),
        "sha256": written.sha256,
        "hash": written.hash,
        "examples": written.examples,
        "tokens_in": sum(one.asked for one in lengths),
        "tokens_out": sum(one.answered for one in lengths),
    }
    with store.write() as db:
        db.table("mixes").insert(row)
        db.table("mix_sources").insert_all(
            {"mix": id, "position": at, **source} for at, source in enumerate(_sources(made))
        )
        db.table("mix_excluded").insert_all({"mix": id, **one} for pool in made.pools for one in _excluded(pool))
    return id


def mixes(store: Store) -> list[dict[str, Any]]:
    """A row for each mix, oldest first"""
    return store.rows("select * from mix_summary order by created, id")


def find_mix(store: Store, name: str) -> dict[str, Any]:
    """One mix by its id or the start of it, with its sources, the runs on it and how many examples each filter left out"""
    row = store.find("mixes", name, "mix")
    row = store.decoded(row, f"mix {row['id']}", paths=dict, missing=dict, remarks=list)
    of = [row["id"]]
    row["sources"] = store.rows("select * from mix_sources where mix = ? order by position", of)
    row["excluded"] = store.rows(
        "select source, filter, sum(rows) as examples from mix_excluded where mix = ? group by source, filter order by min(id)",
        of,
    )
    row["runs"] = [one["run"] for one in store.rows("select run from mix_runs where mix = ? order by run", of)]
    return row


def exclusions(store: Store, mix: str) -> list[dict[str, Any]]:
    """What was left out of a mix, with the reasons"""
    return store.rows("select source, example, filter, reason, rows from mix_excluded where mix = ? order by id", [mix])


def _sources(made: Mixture) -> Iterator[dict[str, Any]]:
    for pool, length in zip(made.pools, made.lengths, strict=True):
        yield {
            "name": pool.entry.name,
            "spec": pool.spec,
            "owner": pool.owner,
            "licence": storable(pool.licence),
            "hash": pool.hash,
            "rows": pool.read,
            "refused": pool.refused_rows,
            "left_out": len(pool.excluded),
            "taken": len(pool.taken),
            "tokens_in": length.asked,
            "tokens_out": length.answered,
        }


def _excluded(pool: Pool) -> Iterator[dict[str, Any]]:
    name = {"source": pool.entry.name}
    for refused in pool.refused:
        yield name | {
            "example": refused.where,
            "hash": "",
            "filter": "refused",
            "reason": refused.reason,
            "rows": refused.rows,
        }
    for one in pool.excluded:
        about = {"example": one.example, "hash": one.content_hash, "filter": one.filter}
        yield name | about | {"reason": storable(one.reason), "rows": 1}
    if pool.not_drawn:
        reason = "The mix takes fewer than there are."
        yield name | {"example": "", "hash": "", "filter": "not drawn", "reason": reason, "rows": pool.not_drawn}
