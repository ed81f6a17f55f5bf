"""The conversations of several arms side by side, reply by reply, as the HTML pages show them, and which the filters select.

Knows nothing of tests or of HTML.
"""

import json
from collections.abc import Sequence
from typing import Any

from lima import SCORES, UNDECIDED, Store
from lima_dialogue_eval.comparison.outcomes import GRADE
from lima_dialogue_eval.comparison.result import Arm, Change, Comparison
from lima_dialogue_eval.conversation.converse import COMPLETE, FULL
from lima_dialogue_eval.record.log import conversations, replies

Row = dict[str, Any]


def arms_of(comparisons: Sequence[Comparison]) -> list[Arm]:
    """The first arm, with which all others are compared, and those"""
    return [comparisons[0].before, *(one.after for one in comparisons)]


def replicates_of(arms: Sequence[Arm]) -> list[str]:
    """A name for each set of replicates side by side, shown as the choice of seeds"""
    names: list[str] = []
    for i in range(max(len(arm.seeds) for arm in arms)):
        seeds = list(dict.fromkeys(str(arm.seeds[i]) if i < len(arm.seeds) else "none" for arm in arms))
        name = " / ".join(seeds)
        names.append(f"{name} (no. {i + 1})" if name in names else name)
    return names


def sections(store: Store, comparisons: Sequence[Comparison], replicates: int) -> list[Row]:
    """The conversations with their turns, a list for each set of replicates; each turn has a reply, or None, for each arm"""
    held = [_held(store, arm, comparisons[0]) for arm in arms_of(comparisons)]
    topics = list(held[0]["topics"].values())
    changes: list[dict[str, Change]] = [{c.conversation: c for c in one.changes} for one in comparisons]
    found = []
    for conversation, topic in held[0]["topics"].items():
        dialogues = [_dialogue(held, (i, conversation), comparisons[0].outcome) for i in range(replicates)]
        found.append(
            {
                "id": conversation,
                "topic": topic,
                "name": topic if topic and topics.count(topic) == 1 else f"{topic} ({conversation})".strip(),
                "changes": [of_one.get(conversation) for of_one in changes],
                "dialogues": dialogues,
                "classes": _classes(dialogues),
            }
        )
    return found


def _dialogue(held: Sequence[Row], key: tuple[int, str], outcome: str) -> Row:
    """One conversation with one set of replicates"""
    sides: list[dict[int, Row]] = [side["turns"].get(key, {}) for side in held]
    turns = []
    for number in sorted({n for side in sides for n, row in side.items() if "user" in row}):
        rows = [side.get(number) for side in sides]
        script = next(row for row in rows if row and "user" in row)
        same, worse = _marks(rows, outcome)
        required = json.loads(script["requirements"] or "[]")
        turns.append(
            {"number": number, "sides": rows, "script": script, "requirements": required, "same": same, "worse": worse}
        )
    return {
        "turns": turns,
        "ends": [side["ends"].get(key, "") for side in held],
        "different": any(not t["same"] for t in turns),
        "regression": any(t["worse"] for t in turns),
    }


def _held(store: Store, arm: Arm, comparison: Comparison) -> Row:
    """Topics, turns by (replicate, conversation) and number, and how the conversations ended that were not completed"""
    topics: dict[str, str] = {}
    turns: dict[tuple[int, str], dict[int, Row]] = {}
    ends: dict[tuple[int, str], str] = {}
    offset = 0
    for run in arm.runs:
        place = {seed: offset + i for i, seed in enumerate(run["seeds"])}
        offset += len(place)
        for row in replies(store, run["id"], comparison.grader, comparison.grader_hash):
            turns.setdefault((place[row["seed"]], row["conversation"]), {})[row["turn"]] = row
        for row in conversations(store, run["id"]):
            key = place[row["seed"]], row["conversation"]
            topics.setdefault(row["conversation"], row["topic"])
            if row["status"] != COMPLETE:
                ends[key] = f"{row['status']}: {row['message']}"
            if row["status"] == FULL:
                _fail_unreached(turns.setdefault(key, {}), row)
    return {"topics": topics, "turns": turns, "ends": ends}


def _fail_unreached(turns: dict[int, Row], dialogue: Row) -> None:
    """Give the turns that a full context left out their grade, which is Fail"""
    for number in range(1, dialogue["turns"] + 1):
        row = turns.get(number, {})
        if row.get("reply") is None:
            message = row.get("message") or dialogue["message"]
            turns[number] = {**row, "reply": None, "grade": "fail", "message": f"{FULL}: {message}"}


def _marks(rows: Sequence[Row | None], outcome: str) -> tuple[bool, bool]:
    """(same grade in all arms, worse than the first in any); where the grader can only fail, a fail is worse than undecided"""
    grades = [row.get("grade") or row.get("grade_status") if row else None for row in rows]
    scores = SCORES if outcome == GRADE else {**SCORES, UNDECIDED: SCORES["pass"]}
    first, *others = (scores.get(str(grade)) for grade in grades)
    worse = first is not None and any(other is not None and other < first for other in others)
    return len(set(grades)) == 1, worse


def _classes(dialogues: Sequence[Row]) -> str:
    """The class names that the filters select by: d0 = different in the first replicate, r-all = a regression in any"""
    found = []
    for letter, mark in (("d", "different"), ("r", "regression")):
        found += [f"{letter}{i}" for i, d in enumerate(dialogues) if d[mark]]
        found += [f"{letter}-all"] if any(d[mark] for d in dialogues) else []
    return " ".join(found)


def counts_of(found: Sequence[Row], replicates: int) -> list[Row]:
    """For each choice of seeds, how many conversations each filter shows"""
    choices = [*(str(i) for i in range(replicates)), "-all"]
    return [
        {
            "key": key,
            "all": len(found),
            "different": sum(f"d{key}" in s["classes"].split() for s in found),
            "regressions": sum(f"r{key}" in s["classes"].split() for s in found),
        }
        for key in choices
    ]
