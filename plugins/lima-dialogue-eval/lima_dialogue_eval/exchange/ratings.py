"""Ratings: id, epoch, value and explanation of each grade of one dialogue run, written as JSON and read back as people's grades.

The id is CONVERSATION:TURN, the epoch the place of the seed among the run's, from 1, as Inspect counts them. Of a file
with a wrong line nothing is written. Knows nothing of pages.
"""

import math
from pathlib import Path
from typing import Any

from lima import GRADED, GRADES, LimaError, Store, did_you_mean, is_file, kind_of, read_rows, shown, storable
from lima_dialogue_eval.conversation.converse import ANSWERED
from lima_dialogue_eval.conversation.grade import PEOPLE
from lima_dialogue_eval.record.log import DialogueLog
from lima_dialogue_eval.record.people import check_spelling, rater_name, verdicts_of

Row = dict[str, Any]
KEYS = ("id", "epoch", "value", "explanation")
SHOWN = 5
"Problems that an error names; of more it says how many"


def sample_id(conversation: str, turn: int) -> str:
    """The id of a reply among those of its epoch"""
    return f"{conversation}:{turn}"


def ratings_of(store: Store, run: Row, grader: str, grader_hash: str | None, rater: str = "") -> tuple[list[Row], int]:
    """The grades that a grader, or a person, gave the replies of a run, and how many answered replies have none of theirs"""
    table = "dialogue_grades" if rater else verdicts_of(grader)
    where = "dialogue_run = ? and grader = ? and rater = ?" + ("" if rater else " and grader_hash is ?")
    rows = store.rows(
        f"select * from {table} where {where} order by id",
        [run["id"], grader, rater, *([] if rater else [grader_hash])],
    )
    latest = {(row["conversation"], row["seed"], row["turn"]): row for row in rows}
    places = {seed: place for place, seed in enumerate(run["seeds"], 1)}
    replies = _replies(store, run)
    found = [
        {
            "id": sample_id(conversation, turn),
            "epoch": places[seed],
            "value": row["grade"],
            "explanation": row["reason"] or "",
        }
        for conversation, seed, turn in replies
        if (row := latest.get((conversation, seed, turn))) and row["grade"]
    ]
    return found, len(replies) - len(found)


def import_ratings(store: Store, run: Row, path: str | Path, by: str) -> tuple[int, int]:
    """Read a file of ratings as the grades of a person: how many are new, and how many that person had given already

    LimaError with the lines of what is wrong, and then nothing is written: ids and epochs that are not of the run, one reply
    twice, and values that are not a grade."""
    store.check_writable()
    by = rater_name(by)
    check_spelling(store, [by])
    if not is_file(Path(path)):
        raise LimaError(
            f"{path} is not a file. Make one with `lima dialogues export {run['id']} --to ratings --out {path}`."
        )
    read = _read(store, run, path)
    log = DialogueLog(store, run["id"])
    with log.exclusive():
        before = {
            (row["conversation"], row["seed"], row["turn"]): row
            for row in store.rows(
                "select * from dialogue_grades where dialogue_run = ? and grader = ? and rater = ? order by id",
                [run["id"], PEOPLE, by],
            )
        }
        new = [row for row in read if not _same(before.get((row["conversation"], row["seed"], row["turn"])), row)]
        log.grades({**row, "grader": PEOPLE, "rater": by, "status": GRADED} for row in new)
    return len(new), len(read) - len(new)


def _same(known: Row | None, row: Row) -> bool:
    return known is not None and (known["grade"], known["reason"] or "") == (row["grade"], row["reason"])


def _replies(store: Store, run: Row) -> list[tuple[str, int, int]]:
    """Conversation, seed and turn of each reply of a run"""
    rows = store.rows(
        "select conversation, seed, turn from dialogue_turns where dialogue_run = ? and status = ? "
        "order by conversation, seed, turn",
        [run["id"], ANSWERED],
    )
    return [(row["conversation"], row["seed"], row["turn"]) for row in rows]


def _read(store: Store, run: Row, path: str | Path) -> list[Row]:
    """The rows of a file of ratings as grades of the run's replies; LimaError for anything else"""
    ids = {
        (sample_id(conversation, turn), run["seeds"].index(seed) + 1): (conversation, seed, turn)
        for conversation, seed, turn in _replies(store, run)
    }
    found: dict[tuple[str, int, int], Row] = {}
    lines: dict[tuple[str, int, int], int] = {}
    problems: list[str] = []
    for row in read_rows(path):
        problem = row.problem or _problem(row.value, ids, run)
        key = None if problem else ids[row.value["id"], _whole(row.value["epoch"]) or 0]
        if key in lines:
            problem = f"{row.value['id']!r}, epoch {row.value['epoch']}, is rated on line {lines[key]} already."
        if problem or key is None:
            problems.append(f"line {row.line}: {problem}")
            continue
        lines[key] = row.line
        text = dict(zip(("conversation", "seed", "turn"), key, strict=True))
        found[key] = {**text, "grade": row.value["value"], "reason": storable(row.value.get("explanation") or "")}
    if problems:
        more = f" And {len(problems) - SHOWN} more." if len(problems) > SHOWN else ""
        raise LimaError(
            f"{path}: nothing was imported. {' '.join(problem[:1].upper() + problem[1:] for problem in problems[:SHOWN])}{more}"
        )
    if not found:
        raise LimaError(f"{path} has no rating. Expected rows with {', '.join(KEYS)}.")
    return list(found.values())


def _problem(value: Any, ids: dict[tuple[str, int], Any], run: Row) -> str:
    """What is wrong with a rating; '' for none"""
    if not isinstance(value, dict):
        return f"a rating is an object with {', '.join(KEYS)}; this is {kind_of(value)}."
    if not isinstance(id := value.get("id"), str):
        return f"'id' is {shown(id)}; expected CONVERSATION:TURN."
    last = len(run["seeds"])
    if (epoch := _whole(value.get("epoch"))) is None:
        return (
            f"'epoch' of {id!r} is {shown(value.get('epoch'))}; expected the place of a seed of the run, 1 to {last}."
        )
    if (id, epoch) not in ids:
        where, known = f"dialogue run {run['id']}", [name for name, place in ids if place == epoch]
        if not known:
            return f"{where} has no epoch {epoch}, only 1 to {last}."
        return f"{where} has no reply {id!r} in epoch {epoch}.{did_you_mean(id, known)}"
    if value.get("value") not in GRADES or not isinstance(value["value"], str):
        return f"the value of {id!r} is {shown(value.get('value'))}; expected {', '.join(GRADES[:-1])} or {GRADES[-1]}."
    if not isinstance(value.get("explanation") or "", str):
        return f"the explanation of {id!r} is {kind_of(value['explanation'])}; expected text."
    return ""


def _whole(value: Any) -> int | None:
    """A whole number, also as CSV spells it; None for anything else"""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 10:
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value != int(value):
        return None
    return int(value)
