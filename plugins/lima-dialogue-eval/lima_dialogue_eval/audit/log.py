"""The stored audits of graders, and what a comparison says of the grader that it rests on.

Knows nothing of graders or evaluations.
"""

import hashlib
import json
import math
import os
import time
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from lima import GRADER_FAILED, LimaError, Store, command_on, new_run_id, now
from lima_chat import NULL_REPLIES
from lima_dialogue_eval.conversation.grade import PEOPLE
from lima_dialogue_eval.record.people import DEFINITION
from lima_dialogue_eval.statistics import interval_text

VARIABLE, LEAST_KAPPA = "LIMA_LEAST_KAPPA", 0.6
EVERY = 0.5
"Seconds after which verdicts are committed: quick graders give hundreds in that time, slow ones less than one"

_WORDS = {
    "empty": "an empty reply",
    "echo": "an echo of the user",
    "apology": "an apology",
    "previous": "the reply before once more",
    "other": "another conversation's",
}


@dataclass(frozen=True)
class Key:
    """What an audit is of; another hash is another audit"""

    grader: str
    grader_hash: str
    evaluation: str
    evaluation_hash: str
    known_hash: str
    "Of all replies that are graded, those of null models among them"

    @property
    def short(self) -> str:
        """Sixteen hexadecimal digits of all of it"""
        return hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()[:16]


class AuditLog:
    """One audit's rows"""

    def __init__(self, store: Store, id: str) -> None:
        self.store, self.id = store, id
        self._waiting: list[dict[str, Any]] = []
        self._written = time.monotonic()

    @classmethod
    def begun_or_new(cls, store: Store, key: Key, replies: int) -> "AuditLog":
        """The audit that was interrupted, or whose grader failed on some replies; else a new one"""
        wanted = " and ".join(f"{column} = :{column}" for column in asdict(key))
        failed = "exists (select 1 from grader_audit_verdicts where audit = grader_audits.id and status = :error)"
        begun = store.rows(
            f"select id from grader_audits where {wanted} and (figures is null or {failed}) order by created desc limit 1",
            {**asdict(key), "error": GRADER_FAILED},
        )
        log = cls(store, begun[0]["id"] if begun else new_run_id())
        if not begun:
            with store.write() as db:
                db["grader_audits"].insert({"id": log.id, "created": now(), **asdict(key), "replies": replies})
        return log

    def done(self) -> set[int]:
        """Positions that have a verdict; one that the grader failed on is tried again"""
        sql = "select position from grader_audit_verdicts where audit = ? and status != ?"
        return {row["position"] for row in self.store.rows(sql, [self.id, GRADER_FAILED])}

    def add(self, row: dict[str, Any]) -> None:
        """One verdict, committed within EVERY seconds of work"""
        self._waiting.append({"audit": self.id, **row})
        if time.monotonic() - self._written >= EVERY:
            self.flush()

    def flush(self) -> None:
        """Commit the verdicts that are not yet"""
        if self._waiting:
            with self.store.write() as db:
                db["grader_audit_verdicts"].insert_all(self._waiting, pk=("audit", "position"), replace=True)
        self._waiting, self._written = [], time.monotonic()

    def rows(self) -> list[dict[str, Any]]:
        """Every verdict, in the order of the replies"""
        return verdicts(self.store, self.id)

    def finish(self, figures: dict[str, Any], floor: dict[str, Any]) -> None:
        """Its figures, which end it"""
        with self.store.write() as db:
            db.execute(
                "update grader_audits set figures = ?, floor = ?, created = ? where id = ?",
                [json.dumps(figures), json.dumps(floor), now(), self.id],
            )


def audits(store: Store) -> list[dict[str, Any]]:
    """Every finished audit, oldest first, with its figures and floor"""
    rows = store.rows("select * from grader_audits where figures is not null order by created, id")
    return [_decoded(row) for row in rows]


def find_audit(store: Store, name: str) -> dict[str, Any]:
    """One finished audit by its id, or by the start of it"""
    advice = "Make one with `lima graders audit NAME EVALUATION`."
    return _decoded(store.find("grader_audits", name, "audit", advice, "figures is not null"))


def verdicts(store: Store, id: str) -> list[dict[str, Any]]:
    """The verdicts of an audit, in the order of the replies"""
    return store.rows("select * from grader_audit_verdicts where audit = ? order by position", [id])


def last_audit(store: Store, grader: str, grader_hash: str | None, evaluation: str = "") -> dict[str, Any] | None:
    """The newest audit of a grader with this hash on known replies, one on this evaluation before all others; None without"""
    rows = store.rows(
        "select * from grader_audits where figures is not null and replies > 0 and grader = ? and grader_hash is ? "
        "order by evaluation = ? desc, created desc, id desc limit 1",
        [grader, grader_hash, evaluation],
    )
    return _decoded(rows[0]) if rows else None


def audit_line(store: Store, grader: str, grader_hash: str | None, evaluation: str = "") -> str:
    """What is known of a grader, in a sentence for a table's foot; how to audit it, where nothing is"""
    if grader == PEOPLE:
        return DEFINITION.removesuffix(".")
    found = last_audit(store, grader, grader_hash, evaluation)
    if found is None:
        return _not_audited(store, grader, grader_hash, evaluation)
    whole = found["figures"]["all"]
    good, bad = whole["good"], whole["bad"]
    praised = bad["failed"]["n"] - bad["not_praised"]["count"] - whole["matrix"]["fail"][GRADER_FAILED]
    errors = whole["given"][GRADER_FAILED]
    parts = [
        _of(good["failed"], "good replies failed"),
        _of(bad["failed"], "bad ones failed"),
        f"{praised} of them praised",
        *([f"{errors} errors"] if errors else []),
        f"on {found['replies']} known replies of {found['evaluation']}",
        _day(found["created"]),
    ]
    return f"Audit of {grader}: {', '.join(parts)}{_distrust(whole)}"


def least_kappa() -> float:
    """The weighted kappa with known grades from which a grader that praises is trusted; LimaError for what is no such number"""
    text = os.environ.get(VARIABLE, "").strip() or str(LEAST_KAPPA)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not -1 <= value <= 1:
        raise LimaError(f"{VARIABLE} is {text!r}; expected a number from -1 to 1, such as {LEAST_KAPPA}.")
    return value


def _distrust(whole: dict[str, Any]) -> str:
    """Why no praise of this grader should be believed; '' for one that agrees with the known grades, or praises nothing"""
    if not (whole["given"]["pass"] or whole["given"]["excellent"]):
        return ""
    value, least = whole["kappa"]["value"], least_kappa()
    if value is None:
        return f". NOT TRUSTWORTHY: it gives one grade only ({VARIABLE} asks for a kappa of {least:g})"
    return (
        ""
        if value >= least
        else f". NOT TRUSTWORTHY: kappa {value:.2f} with the known grades, below {least:g} ({VARIABLE})"
    )


def floor_line(
    store: Store, evaluation_hash: str, grader_hash: str | None, grader: str = "", evaluation: str = ""
) -> str:
    """How often this grader fails replies that need no model, at this evaluation; how to measure it, where it was not"""
    if grader == PEOPLE:
        return "`lima dialogues agreement` says how far they agree"
    rows = store.rows(
        "select grader, floor, created from grader_audits where figures is not null and evaluation_hash = ? and grader_hash = ? "
        "order by created desc, id desc limit 1",
        [evaluation_hash, grader_hash],
    )
    if not rows:
        return f"Floor not measured: {_command(store, grader, evaluation)}"
    parts = [
        f"{_WORDS[name]} in {row['failed']} of {row['turns']}" + (f" (right in {n})" if (n := row["explained"]) else "")
        for name, row in json.loads(rows[0]["floor"]).items()
        if row["turns"] and name in NULL_REPLIES
    ]
    return f"Floor: {rows[0]['grader']} fails {', '.join(parts)} turns, {_day(rows[0]['created'])}"


def _not_audited(store: Store, grader: str, grader_hash: str | None, evaluation: str) -> str:
    how = _command(store, grader, evaluation)
    if not grader_hash:
        return f"{grader} of an earlier version, of which no audit is known: {how} audits today's"
    earlier = store.rows(
        "select created from grader_audits where figures is not null and replies > 0 and grader = ? "
        "order by created desc limit 1",
        [grader],
    )
    if earlier:
        return f"{grader} has changed since its audit of {_day(earlier[0]['created'])}: {how}"
    return f"{grader} is not audited: {how}"


def _command(store: Store, grader: str, evaluation: str) -> str:
    return command_on(store.path, "graders", "audit", grader or "GRADER", evaluation or "EVALUATION")


def _of(share: dict[str, Any], what: str) -> str:
    interval = interval_text(share["interval"])
    return f"{share['count']} of {share['n']} {what}" + (f" ({interval})" if share["interval"] else "")


def _day(created: str) -> str:
    """'28 November 2026'"""
    day = datetime.fromisoformat(created)
    return f"{day.day} {day:%B %Y}"


def _decoded(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "figures": json.loads(row["figures"]), "floor": json.loads(row["floor"])}
