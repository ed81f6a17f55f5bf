"""What a study can grade: the replies of dialogue runs on one side or two, those that need a person, and known replies.

Knows nothing of raters.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from lima import UNDECIDED, LimaError, Store
from lima_dialogue_eval.conversation.grade import PEOPLE
from lima_dialogue_eval.evaluation.provenance import resume_command
from lima_dialogue_eval.people.events import LEFT, RIGHT, Cell
from lima_dialogue_eval.record.log import find_run, graders_of, replies
from lima_dialogue_eval.record.people import ADJUDICATED

ONLY = ("undecided", "disagreed")
"What may be graded alone: replies that no program decided, and those to which people gave different grades"
Reply = tuple[str, str, int, int]
"Dialogue run, conversation, seed, turn"


@dataclass(frozen=True)
class Candidate:
    """A conversation of one run, or of two runs that are graded side by side"""

    conversation: str
    seed: int
    runs: tuple[str, ...]
    turns: tuple[tuple[int, int], ...]
    "(turn, which of the runs) of each reply to grade"

    def cells(self, swapped: bool) -> list[Cell]:
        """The replies in the order in which they are graded: turn by turn, the left one first"""
        names = (RIGHT, LEFT) if swapped else (LEFT, RIGHT)
        return sorted((turn, names[which]) for turn, which in self.turns)


def check_sides(store: Store, sides: Sequence[Sequence[str]]) -> list[list[dict[str, Any]]]:
    """The dialogue runs of each side; LimaError unless they are done, and one or two sides of one evaluation"""
    if len(sides) > 2:
        raise LimaError(
            f"{len(sides)} sides cannot be graded side by side. Name one run or two; runs of one side take commas."
        )
    found = [[find_run(store, name) for name in names] for names in sides]
    runs = [run for side in found for run in side]
    for run in runs:
        if run["evaluation_hash"] != runs[0]["evaluation_hash"]:
            raise LimaError(
                f"Dialogue runs {runs[0]['id']} and {run['id']} are of different evaluations, or of two versions of one. "
                "Grade runs of the same evaluation."
            )
        if run["status"] != "done":
            raise LimaError(
                f"Dialogue run {run['id']} is {run['status']!r}, not done. Finish it with: {resume_command(run)}"
            )
    ids = [run["id"] for run in runs]
    if twice := next((id for id in ids if ids.count(id) > 1), None):
        raise LimaError(f"Dialogue run {twice} is named twice. Name each run once.")
    return found


def candidates(store: Store, sides: Sequence[Sequence[str]], only: Iterable[str] = ()) -> list[Candidate]:
    """The conversations with replies to grade, in the order of the first run; LimaError where there are none"""
    held = [_held(store, runs) for runs in sides]
    wanted = _wanted(store, [run for side in sides for run in side], only) if only else None
    found = []
    if len(held) == 1:
        keys: list[tuple[tuple[str, ...], str, int]] = [((run,), c, s) for run, c, s in held[0]]
    else:
        first, second = ({(c, s): run for run, c, s in side} for side in held)
        for side, one in zip(held, (first, second), strict=True):
            if len(one) < len(side):
                raise LimaError("Runs of one side share a seed. Name runs with different seeds on one side.")
        keys = [((run, second[key]), *key) for key, run in first.items() if key in second]
    for runs, conversation, seed in keys:
        turns = sorted((turn, which) for which, run in enumerate(runs) for turn in held[which][run, conversation, seed])
        if wanted is not None:
            turns = [(turn, which) for turn, which in turns if (runs[which], conversation, seed, turn) in wanted]
        if turns:
            found.append(Candidate(conversation, seed, runs, tuple(turns)))
    if not found:
        raise LimaError(_nothing(keys, wanted))
    return found


def outside(store: Store, study: str, sides: Sequence[Sequence[str]]) -> int:
    """How many replies of the runs no conversation of a study has to be graded"""
    inside = {
        (run, row["conversation"], row["seed"], turn)
        for row in store.rows("select * from grading_items where study = ? and known is null", [study])
        for turn, side in json.loads(row["cells"])
        for run in [row["left_run"] if side == LEFT else row["right_run"]]
    }
    return sum(
        len({(*key, turn) for turn in turns} - inside) for side in sides for key, turns in _held(store, side).items()
    )


def _nothing(keys: Sequence[Any], wanted: set[Reply] | None) -> str:
    if not keys:
        return "The runs have no conversation with the same seed in common. Grade one alone, or run both with the same seeds."
    if wanted is not None:
        return "No reply of these runs is undecided or disputed as asked. Leave out --only to grade all replies."
    return "The runs have no replies yet. `lima dialogues` shows their status."


def _held(store: Store, runs: Sequence[str]) -> dict[tuple[str, str, int], list[int]]:
    """The turns that have a reply, by run, conversation and seed"""
    found: dict[tuple[str, str, int], list[int]] = {}
    for run in runs:
        rows = store.rows(
            "select c.conversation, c.seed, t.turn from dialogue_conversations c join dialogue_turns t "
            "using (dialogue_run, conversation, seed) where dialogue_run = ? and t.status = 'answered' "
            "order by c.rowid, t.turn",
            [run],
        )
        for row in rows:
            found.setdefault((run, row["conversation"], row["seed"]), []).append(row["turn"])
    return found


def _wanted(store: Store, runs: Iterable[str], only: Iterable[str]) -> set[Reply]:
    found: set[Reply] = set()
    for run in runs:
        found |= _undecided(store, run) if "undecided" in only else set()
        found |= _disagreed(store, run) if "disagreed" in only else set()
    return found


def _undecided(store: Store, run: str) -> set[Reply]:
    """Replies that a program left undecided and that no other has decided; of each program its newest version counts"""
    newest = {row["grader"]: row["grader_hash"] for row in graders_of(store, run) if row["grader"] != PEOPLE}
    left, decided = set(), set()
    for grader, hashed in newest.items():
        for row in replies(store, run, grader, hashed):
            key = run, row["conversation"], row["seed"], row["turn"]
            if row["grade"]:
                decided.add(key)
            elif row["grade_status"] == UNDECIDED:
                left.add(key)
    return left - decided


def _disagreed(store: Store, run: str) -> set[Reply]:
    """Replies to which people gave different grades, and that nobody has adjudicated"""
    given: dict[Reply, dict[str, str]] = defaultdict(dict)
    for row in store.rows(
        "select conversation, seed, turn, rater, grade from dialogue_latest_grades "
        "where dialogue_run = ? and grader = ? and grade is not null",
        [run, PEOPLE],
    ):
        given[run, row["conversation"], row["seed"], row["turn"]][row["rater"]] = row["grade"]
    return {key for key, of in given.items() if ADJUDICATED not in of and len(set(of.values())) > 1}
