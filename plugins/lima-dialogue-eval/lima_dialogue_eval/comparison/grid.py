"""The grades of one arm as an array of conversations × replicates × turns, read from the tables in a few queries.

A replicate is one seed of one dialogue run. A million grades take about two seconds: texts, which nobody counts, stay in the
database. Knows nothing of the other arm, of tests or of what may be compared.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lima import GRADER_FAILED, SCORES, Store
from lima_dialogue_eval.conversation.converse import ANSWERED, COMPLETE, ERROR, FULL
from lima_dialogue_eval.conversation.grade import ENDED
from lima_dialogue_eval.record.log import conversations
from lima_dialogue_eval.record.people import verdicts_of

FAIL, PASS, EXCELLENT = (SCORES[grade] for grade in ("fail", "pass", "excellent"))
UNDECIDED, UNREACHED, BROKEN, ABSENT = 3, 4, 5, -1
"No grade yet; not reached, as the context was full; no reply or no grade, as something failed; no such turn"
_UNSEEN = 6
"Answered, without a verdict of this grader"

_CODE = (
    f"case grade {' '.join(f'when {grade!r} then {score}' for grade, score in SCORES.items())} "
    f"else case status when {GRADER_FAILED!r} then {BROKEN} else {UNDECIDED} end end"
)


@dataclass(frozen=True)
class Counts:
    """What to know of an arm's replies before their grades; conversations count once a seed"""

    replies: int
    undecided: int
    unseen: int
    "Of the undecided: the grader has given no verdict on them"
    cut: int
    "Replies that the model did not end, at --max-new-tokens for example"
    context_full: int
    "Conversations whose history filled the model's context"
    not_reached: int
    "Their turns that were not reached, which are Fails"
    errors: int
    "Conversations that ended in an infrastructure error, and replies on which the grader failed"
    flagged: int = 0
    "Replies of a replay to turns that no longer fit what was said before, which count nowhere"


@dataclass(frozen=True)
class Grid:
    """Every reply of one arm"""

    codes: np.ndarray
    "(conversations, replicates, turns), int8: a score, or one of the codes above"
    topics: dict[str, str]
    "By conversation, in the order of the evaluation"
    kinds: np.ndarray
    "(conversations, turns): what the user's turn tries; empty where no replicate reached it"
    seeds: tuple[int, ...]
    "One a replicate"
    counts: Counts
    versions: dict[str | None, str]
    "The grader's hashes among the verdicts that count, each with a run that has it; None is a version before hashes"
    unseen: tuple[str, ...]
    "Runs with replies, none of which has a verdict of this grader"
    unusable: dict[str, str]
    "Conversations with an infrastructure error, and the first of them"


def read_grid(store: Store, runs: Sequence[dict[str, Any]], grader: str) -> Grid:
    """The latest verdicts of one grader on the replies of these dialogue runs (rows as of `find_run`)"""
    dialogues = [conversations(store, run["id"]) for run in runs]
    topics = {row["conversation"]: row["topic"] for rows in dialogues for row in rows}
    longest = max((row["turns"] for rows in dialogues for row in rows), default=0)
    replicates = sum(len(run["seeds"]) for run in runs)
    reader = _Reader(store, grader, list(topics), replicates, longest)
    offset = 0
    for run, rows in zip(runs, dialogues, strict=True):
        reader.add(run["id"], rows, {seed: offset + i for i, seed in enumerate(run["seeds"])})
        if run.get("mode") == "replay":
            reader.leave_out_flagged(run["id"], {seed: offset + i for i, seed in enumerate(run["seeds"])})
        offset += len(run["seeds"])
    reader.check_all_there([seed for run in runs for seed in run["seeds"]])
    return Grid(
        codes=np.where(reader.codes == _UNSEEN, UNDECIDED, reader.codes).astype(np.int8),
        topics=topics,
        kinds=reader.kinds,
        seeds=tuple(seed for run in runs for seed in run["seeds"]),
        counts=reader.counts(),
        versions=reader.versions,
        unseen=tuple(reader.unseen),
        unusable=reader.unusable,
    )


class _Reader:
    """The array while it is filled, run by run"""

    def __init__(self, store: Store, grader: str, names: list[str], replicates: int, turns: int) -> None:
        self.store, self.grader, self.names = store, grader, names
        self.place = {name: i for i, name in enumerate(names)}
        self.codes = np.full((len(names), replicates, turns), ABSENT, dtype=np.int8)
        self.kinds = np.full((len(names), turns), "", dtype=object)
        self.unusable: dict[str, str] = {}
        self.versions: dict[str | None, str] = {}
        self.unseen: list[str] = []
        self.ends: Counter[str] = Counter()
        "Conversations by status, and 'cut', 'replies' and 'failed grades'"

    def add(self, id: str, rows: list[dict[str, Any]], replicate: dict[int, int]) -> None:
        """Add one dialogue run with its conversation rows; `replicate` is the place of each of its seeds"""
        self._dialogues(id, rows, replicate)
        self._verdicts(id, replicate)
        self._kinds(id, min(replicate, default=0))
        sql = "select stop, count(*) as n from dialogue_turns where dialogue_run = ? and status = ? group by stop"
        for row in self.store.rows(sql, [id, ANSWERED]):
            self.ends["replies"] += row["n"]
            self.ends["cut"] += row["n"] if row["stop"] and row["stop"] not in ENDED else 0

    def _dialogues(self, id: str, rows: list[dict[str, Any]], replicate: dict[int, int]) -> None:
        """What is known of each turn before any verdict"""
        known = {COMPLETE: _UNSEEN, FULL: UNREACHED}
        for row in rows:
            state = known.get(row["status"], BROKEN)
            of_one = self.codes[self.place[row["conversation"]], replicate[row["seed"]]]
            of_one[: row["turns"]] = state
            self.ends[row["status"]] += 1
            if state == BROKEN:
                reason = f"{row['status']} (seed {row['seed']}): {row['message'] or 'no message'}"
                self.unusable.setdefault(row["conversation"], reason)
        if not any(row["status"] == FULL for row in rows):
            return
        answered = self.store.rows(
            "select t.conversation, t.seed, t.turn from dialogue_conversations c join dialogue_turns t "
            "on t.dialogue_run = c.dialogue_run and t.conversation = c.conversation and t.seed = c.seed "
            "where c.dialogue_run = ? and c.status = ? and t.status = ?",
            [id, FULL, ANSWERED],
        )
        for row in answered:
            self.codes[self.place[row["conversation"]], replicate[row["seed"]], row["turn"] - 1] = _UNSEEN

    def _verdicts(self, id: str, replicate: dict[int, int]) -> None:
        """The latest verdict on each reply, whichever version of the grader gave it"""
        of_run = f"from {verdicts_of(self.grader)} where dialogue_run = ? and grader = ?"
        known = [r["grader_hash"] for r in self.store.rows(f"select distinct grader_hash {of_run}", [id, self.grader])]
        if not known:
            self.unseen += [id] * bool((self.codes[:, list(replicate.values())] == _UNSEEN).any())
            return
        parts = [self._of_version(id, replicate, hash, number) for number, hash in enumerate(known)]
        conversation, seed, turn, code, row, version = np.concatenate(parts, axis=1)
        order = np.argsort(row)  # of several verdicts on a reply the last one stays
        cell = (conversation[order], seed[order], turn[order] - 1)
        rows, versions = np.zeros(self.codes.shape, dtype=np.int64), np.full(self.codes.shape, -1, dtype=np.int32)
        self.codes[cell], rows[cell], versions[cell] = code[order], row[order], version[order]
        for i in np.unique(versions):
            if i >= 0:
                self.versions.setdefault(known[i], id)
        broken = np.argwhere((self.codes == BROKEN) & (rows > 0))
        self.ends["failed grades"] += len(broken)
        seeds = {place: seed for seed, place in replicate.items()}
        for i in np.unique(broken[:, 0], return_index=True)[1]:
            where, place, turn = broken[i]
            why = self.store.rows("select reason from dialogue_grades where id = ?", [int(rows[tuple(broken[i])])])
            reason = f"the grader gave no grade for turn {turn + 1} (seed {seeds[int(place)]}): {why[0]['reason']}"
            self.unusable.setdefault(self.names[where], reason)

    def _of_version(self, id: str, replicate: dict[int, int], hash: str | None, number: int) -> np.ndarray:
        """(6, verdicts): conversation, replicate, turn, code, row and number of the grader's version

        A conversation's numbers come as one text, which takes a third of the time of a row for each."""
        sql = (
            f"select conversation, count(*) as n, group_concat(seed || ' ' || (8 * turn + {_CODE}) || ' ' || id, ' ') as numbers "
            f"from {verdicts_of(self.grader)} where dialogue_run = ? and grader = ? and grader_hash is ? group by conversation"
        )
        found = self.store.rows(sql, [id, self.grader, hash])
        text = " ".join(row["numbers"] for row in found)
        seeds, coded, rows = np.fromstring(text, dtype=np.int64, sep=" ").reshape(-1, 3).T
        where = np.repeat([self.place[row["conversation"]] for row in found], [row["n"] for row in found])
        places = np.array([replicate[seed] for seed in seeds.tolist()])
        return np.stack([where, places, coded // 8, coded % 8, rows, np.full(len(rows), number)])

    def _kinds(self, id: str, seed: int) -> None:
        """What each user's turn tries: of one seed, and of the others where that one did not reach it"""
        for more, values in (("and seed = ?", [id, seed]), ("", [id])):
            if not ((self.codes != ABSENT).any(axis=1) & (self.kinds == "")).any():
                return
            sql = (
                "select conversation, kind, group_concat(distinct turn) as turns from dialogue_turns "
                f"where dialogue_run = ? {more} group by conversation, kind"
            )
            for row in self.store.rows(sql, values):
                self.kinds[self.place[row["conversation"]], [int(n) - 1 for n in row["turns"].split(",")]] = (
                    row["kind"] or ""
                )

    def leave_out_flagged(self, id: str, replicate: dict[int, int]) -> None:
        """Take the turns out that a person flagged as not fitting"""
        sql = "select conversation, seed, turn from dialogue_turns where dialogue_run = ? and flagged = 1"
        for row in self.store.rows(sql, [id]):
            self.codes[self.place[row["conversation"]], replicate[row["seed"]], row["turn"] - 1] = ABSENT
            self.ends["flagged"] += 1

    def check_all_there(self, seeds: Sequence[int]) -> None:
        """Set aside conversations that one of the runs did not hold"""
        for where, place in np.argwhere((self.codes == ABSENT).all(axis=2)):
            reason = f"one of the runs did not hold it with seed {seeds[place]}"
            self.unusable.setdefault(self.names[where], reason)

    def counts(self) -> Counts:
        seen = {code: int((self.codes == code).sum()) for code in (UNDECIDED, UNREACHED, _UNSEEN)}
        return Counts(
            replies=self.ends["replies"],
            undecided=seen[UNDECIDED] + seen[_UNSEEN],
            unseen=seen[_UNSEEN],
            cut=self.ends["cut"],
            context_full=self.ends[FULL],
            not_reached=seen[UNREACHED],
            errors=self.ends[ERROR] + self.ends["failed grades"],
            flagged=self.ends["flagged"],
        )
