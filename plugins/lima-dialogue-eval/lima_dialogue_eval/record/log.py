"""Writes the rows of a dialogue run and reads them back; every call is one short transaction.

Knows nothing of models or graders.
"""

import json
import logging
from collections import Counter
from collections.abc import Iterable
from contextlib import AbstractContextManager, suppress
from typing import Any

from lima import GRADER_FAILED, UNDECIDED, LimaError, Store, did_you_mean, exclusive, now, storable
from lima_dialogue_eval.evaluation.provenance import regrade_command
from lima_dialogue_eval.record.people import verdicts_of

_TURN = ("dialogue_run", "conversation", "seed", "turn")


class DialogueLog:
    """One dialogue run's rows"""

    def __init__(self, store: Store, id: str) -> None:
        self.store, self.id = store, id

    def exclusive(self) -> AbstractContextManager[None]:
        """Only one process at a time may answer or grade a run; LimaError where another one does"""
        return exclusive(
            self.store.path.resolve().with_name(f".{self.id}.lock"), f"answering or grading dialogue run {self.id}"
        )

    def start(self, run: dict[str, Any], conversations: Iterable[dict[str, Any]]) -> None:
        """The run and its conversations, before anything is asked"""
        with self.store.write() as db:
            db["dialogue_runs"].insert({"id": self.id, "created": now(), "status": "running", **run})
            db["dialogue_conversations"].insert_all(
                {"dialogue_run": self.id, "status": "running", "message": "", **c} for c in conversations
            )

    def turns(self, rows: Iterable[dict[str, Any]], ended: Iterable[dict[str, Any]]) -> None:
        """Write the turns that were asked, and the conversations (conversation, seed, status, message) that they ended

        A turn that failed before is replaced: only answers are kept."""
        with self.store.write() as db:
            db["dialogue_turns"].insert_all(
                ({"dialogue_run": self.id, "created": now(), **row} for row in rows), pk=_TURN, replace=True
            )
            for one in ended:
                db.execute(
                    "update dialogue_conversations set status = :status, message = :message "
                    "where dialogue_run = :dialogue_run and conversation = :conversation and seed = :seed",
                    {"dialogue_run": self.id, **one},
                )

    def ended(self, conversation: str, seed: int, status: str, message: str, turns: int) -> None:
        """A conversation has ended after so many turns"""
        with self.store.write() as db:
            key = (self.id, conversation, seed)
            db["dialogue_conversations"].update(key, {"status": status, "message": storable(message), "turns": turns})

    def grades(self, rows: Iterable[dict[str, Any]]) -> None:
        """Grades; those that were there stay"""
        with self.store.write() as db:
            db["dialogue_grades"].insert_all(
                {"dialogue_run": self.id, "rater": "", "created": now(), **r} for r in rows
            )

    def identify(self, values: dict[str, Any]) -> None:
        """What made the run's replies and grades, such as hashes, where that is known only now"""
        with self.store.write() as db:
            db["dialogue_runs"].update(self.id, values)

    def mark(self, status: str, message: str = "", seconds: float | None = None) -> None:
        """The run's status: running, done, failed or interrupted"""
        with self.store.write() as db:
            db.execute(
                "update dialogue_runs set status = :status, message = :message, seconds = coalesce(seconds, 0) + :seconds, "
                "finished = case when :status = 'running' then null else :now end where id = :id",
                {"status": status, "message": message, "seconds": seconds or 0.0, "now": now(), "id": self.id},
            )


def dialogue_runs(store: Store) -> list[dict[str, Any]]:
    """The evaluation runs with their counts, newest last"""
    return [_summarised(store, row) for row in store.rows(f"{_SUMMARY} order by s.created, s.id")]


def find_run(store: Store, name: str) -> dict[str, Any]:
    """One dialogue run by its id, the unambiguous start of it, or its arm, whose newest it is then; its JSON columns decoded

    With `database`, the file that it is in, which commands about it name."""
    if not (name and store.rows("select 1 from dialogue_runs where id = ?", [name])):
        of_arm = store.rows(_OF_ARM, [name]) if name else []
        _say_which(store, name, of_arm)
        name = of_arm[-1]["id"] if of_arm else name
    advice = "Make one with `lima dialogues run EVALUATION --model MODEL`."
    row = store.find("dialogue_runs", name, "dialogue run", advice)
    return _decoded(store, row, seeds=list, sampling=dict, plugins=list, environment=dict)


_OF_ARM = "select id, evaluation, model from dialogue_runs where arm = ? order by created, id"
_said: set[tuple[str, str, str]] = set()


def _say_which(store: Store, arm: str, runs: list[dict[str, Any]]) -> None:
    """Say, once, which run of an arm is taken where there are several"""
    if len(runs) < 2 or (str(store.path), arm, runs[-1]["id"]) in _said:
        return
    _said.add((str(store.path), arm, runs[-1]["id"]))
    logging.getLogger("lima").warning(
        "%d dialogue runs have the arm %r; the newest is taken: %s, of %r with the evaluation %r. For another one name its id, "
        "which `lima dialogues` lists.",
        len(runs), arm, runs[-1]["id"], runs[-1]["model"], runs[-1]["evaluation"],
    )  # fmt: skip


def summary(store: Store, id: str) -> dict[str, Any]:
    """One run with its counts, as `dialogue_runs` has it"""
    return _summarised(store, store.rows(f"{_SUMMARY} where s.id = ?", [id])[0])


_SUMMARY = (
    "select s.*, r.evaluation_part, r.mode, r.replays from dialogue_run_summary s join dialogue_runs r on r.id = s.id"
)


def _summarised(store: Store, row: dict[str, Any]) -> dict[str, Any]:
    return _decoded(store, row, seeds=list)


def _decoded(store: Store, row: dict[str, Any], **columns: type) -> dict[str, Any]:
    """A row with these columns of JSON, its part of the evaluation (which `Part` reads, as it stands where it is not JSON), and
    its database"""
    part = row["evaluation_part"]
    with suppress(ValueError, RecursionError):
        part = json.loads(part or "null")
    found = store.decoded(row, f"dialogue run {row['id']}", **columns)
    return {**found, "evaluation_part": part, "database": str(store.path)}


def begun_since(store: Store, since: str | None, **values: Any) -> dict[str, Any] | None:
    """Id and status of the newest run since a time whose columns hold these values, a done one before all others"""
    where = " and ".join(f"{column} is :{column}" for column in values)
    rows = store.rows(
        f"select id, status from dialogue_runs where created >= :since and {where} "
        "order by status = 'done' desc, created desc limit 1",
        {"since": since, **values},
    )
    return rows[0] if rows else None


def conversations(store: Store, id: str) -> list[dict[str, Any]]:
    """The conversation rows of a run, in the order of the evaluation, seed by seed"""
    return store.rows("select * from dialogue_conversations where dialogue_run = ? order by rowid", [id])


def graders_of(store: Store, id: str) -> list[dict[str, Any]]:
    """Who has graded replies of a run: grader, its hash (None: an earlier version's), and how many; the newest last"""
    counted = (
        "select grader, grader_hash, count(distinct conversation || char(0) || seed || char(0) || turn) as replies"
    )
    return store.rows(
        f"{counted}, max(id) as newest from dialogue_grades where dialogue_run = :run and rater = '' "
        f"group by grader, grader_hash union all {counted}, max(id) from dialogue_people_grades where dialogue_run = :run "
        "group by grader, grader_hash order by newest",
        {"run": id},
    )


def newest_hash(store: Store, id: str, grader: str) -> str | None:
    """The hash with which a grader graded a run's replies last; LimaError if it has graded none"""
    from lima import load_plugins

    known = graders_of(store, id)
    found = [row["grader_hash"] for row in known if row["grader"] == grader]
    if not found:
        names = list(dict.fromkeys(row["grader"] for row in known))
        graders = load_plugins().registry("graders")
        advice = (
            f" Graders that have: {', '.join(names) or 'none'}. Let it grade them with "
            f"`{regrade_command([find_run(store, id)], grader)}`."
        )
        if graders.split(grader)[0] not in graders:
            advice = did_you_mean(grader, names)
        raise LimaError(f"The grader {grader!r} has graded no reply of dialogue run {id}.{advice}")
    return found[-1]


def replies(store: Store, id: str, grader: str, grader_hash: str | None = None) -> list[dict[str, Any]]:
    """The turns of a run, each with the latest grade that one grader with one hash gave it ('not graded' without)

    Without a hash it is the one that the run was graded with, or for another grader the newest that has graded replies."""
    if grader_hash is None:
        run = store.rows("select grader, grader_hash from dialogue_runs where id = ?", [id])[0]
        newest = [row["grader_hash"] for row in graders_of(store, id) if row["grader"] == grader]
        grader_hash = run["grader_hash"] if run["grader"] == grader else newest[-1] if newest else None
    rows = store.rows("select * from dialogue_turns where dialogue_run = ? order by conversation, seed, turn", [id])
    latest = {
        tuple(g[k] for k in _TURN): g
        for g in store.rows(
            f"select * from {verdicts_of(grader)} where dialogue_run = ? and grader = ? and grader_hash is ? and rater = '' "
            "order by id",
            [id, grader, grader_hash],
        )
    }
    for row in rows:
        grade = latest.get(tuple(row[k] for k in _TURN), {})
        row["grade"], row["reason"] = grade.get("grade"), grade.get("reason", "")
        row["grade_status"] = _RENAMED.get(status := grade.get("status", "not graded"), status)
        row["grader_hash"], row["ticks"] = grade.get("grader_hash"), json.loads(grade.get("ticks") or "[]")
    return rows


def first_error(store: Store, id: str) -> str:
    """The first of a run's errors, of its model or its grader, with its place: 'tea, turn 2: …'; empty for none"""
    row = find_run(store, id)
    for turn in replies(store, id, row["grader"], row["grader_hash"]):
        said = (
            turn["message"]
            if turn["status"] == "error"
            else turn["reason"]
            if turn["grade_status"] == GRADER_FAILED
            else ""
        )
        if said:
            return f"{turn['conversation']}, turn {turn['turn']}: {said}"
    return ""


def counts_by(store: Store, id: str, grader: str, grader_hash: str | None) -> dict[str, Any]:
    """How many replies of a run got which grade from one grader with one hash, or are undecided, or made it fail"""
    rows = [row for row in replies(store, id, grader, grader_hash) if row["status"] == "answered"]
    count = Counter(row["grade"] or row["grade_status"] for row in rows)
    grades = {name: count[name] for name in ("excellent", "pass", "fail", UNDECIDED)}
    head = {"id": id, "grader": grader, "grader_hash": grader_hash, "turns": len(rows)}
    return {**head, **grades, "errors": count[GRADER_FAILED]}


_RENAMED = {"needs a person": UNDECIDED}
"What earlier versions wrote"
