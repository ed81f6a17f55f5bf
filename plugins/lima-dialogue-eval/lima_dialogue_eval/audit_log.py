"""What is known of a grader, in a sentence beside every result that rests on it. Reads the table of audits, if there is one."""

import json
from typing import Any

from lima import Store


def last_audit(store: Store, grader: str, grader_hash: str | None) -> dict[str, Any] | None:
    """The newest audit of this version of a grader, its figures decoded; None if it was never audited"""
    if not grader_hash or not store.rows("select 1 from sqlite_master where name = 'grader_audits'"):
        return None
    found = store.rows(
        "select * from grader_audits where grader = ? and grader_hash = ? order by created desc limit 1",
        [grader, grader_hash],
    )
    return {**found[0], "figures": json.loads(found[0]["figures"])} if found else None


def audit_line(store: Store, grader: str, grader_hash: str | None) -> str:
    """How the grader did on replies with known grades, or 'not audited'"""
    found = last_audit(store, grader, grader_hash)
    return f"audited {found['created'][:10]} on {found['evaluation']}" if found else "not audited"


def floor_line(store: Store, evaluation_hash: str, grader_hash: str | None) -> str:
    """What empty replies, echoes and other null models score in an evaluation, or 'not measured'"""
    return "not measured"
