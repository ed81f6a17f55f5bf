"""The conversations of one arm or several side by side, turn by turn, read from the store one at a time.

What differs between the arms' scripts, verdicts of all graders and people, and prompts are in it. Knows nothing of tests or HTML.
"""

import json
from collections.abc import Sequence
from copy import copy
from typing import Any

from lima import Store
from lima_dialogue_eval.comparison.result import Arm
from lima_dialogue_eval.conversation.converse import ANSWERED, COMPLETE, FULL
from lima_dialogue_eval.conversation.grade import ENDED
from lima_dialogue_eval.report.filters import flags_of, marks
from lima_dialogue_eval.report.prompts import Prompt, Prompts
from lima_dialogue_eval.report.verdicts import latest_verdicts, shown_verdicts

Row = dict[str, Any]
_OF_REPLY = {"reply": "text", "thoughts": "thoughts", "stop": "stop", "reply_tokens": "tokens", "message": "message"}
"Columns that a reply has where they are not empty, and what a report calls them"

SEARCHED = frozenset(
    (
        "text", "user", "users", "thoughts", "reason", "quote", "requirement", "message", "rater", "replies", "turns", "verdicts",
        "ticks", "requirements", "ends", "system",
    )
)  # fmt: skip
"Keys of a conversation in whose values a reader's search looks"


def replicates_of(arms: Sequence[Arm]) -> list[str]:
    """A name for each set of replicates side by side, shown as the choice of seeds"""
    names: list[str] = []
    for i in range(max(len(arm.seeds) for arm in arms)):
        seeds = list(dict.fromkeys(str(arm.seeds[i]) if i < len(arm.seeds) else "none" for arm in arms))
        name = " / ".join(seeds)
        names.append(f"{name} (no. {i + 1})" if name in names else name)
    return names


class Talks:
    """The conversations of some arms, with the verdicts of one grader as those that count"""

    def __init__(self, arms: Sequence[Arm], grader: str, grader_hash: str | None, outcome: str) -> None:
        self.arms, self.grader, self.grader_hash, self.outcome = arms, grader, grader_hash, outcome
        self.seeds = replicates_of(arms)
        self.prompts = Prompts([run for arm in arms for run in arm.runs])

    def without_prompts(self) -> "Talks":
        """The same, but for the prompts, which take most of the time"""
        found = copy(self)
        found.prompts = Prompts([])
        return found

    def topics(self, store: Store) -> dict[str, str]:
        """The conversations of all arms with their topics, in the order of the evaluation"""
        sql = "select conversation, topic from dialogue_conversations where dialogue_run = ? order by rowid"
        found: dict[str, str] = {}
        for run in (run for arm in self.arms for run in arm.runs):
            for row in store.rows(sql, [run["id"]]):
                found.setdefault(row["conversation"], row["topic"] or "")
        return found

    def read(self, store: Store, conversation: str) -> list[Row]:
        """One conversation, a dialogue for each set of replicates: seed, ends, flags, and turns with a reply or None an arm"""
        sides = [self._side(store, arm, conversation) for arm in self.arms]
        return [self._dialogue([side[i] for side in sides], seed) for i, seed in enumerate(self.seeds)]

    def _side(self, store: Store, arm: Arm, conversation: str) -> list["_Held"]:
        """What one arm has of a conversation, for each set of replicates"""
        found = [_Held() for _ in self.seeds]
        offset = 0
        for run in arm.runs:
            place = {seed: offset + i for i, seed in enumerate(run["seeds"])}
            offset += len(place)
            verdicts: dict[tuple[int, int], list[Row]] = {}
            for row in latest_verdicts(store, run["id"], conversation, self.grader):
                verdicts.setdefault((row["seed"], row["turn"]), []).append(row)
            values = [run["id"], conversation]
            where = "where dialogue_run = ? and conversation = ?"
            for row in store.rows(f"select * from dialogue_turns {where} order by seed, turn", values):
                held, shown = found[place[row["seed"]]], verdicts.get((row["seed"], row["turn"]), [])
                held.add(row, shown_verdicts(shown, self.grader, self.grader_hash), self.prompts)
            for row in store.rows(f"select * from dialogue_conversations {where}", values):
                found[place[row["seed"]]].ended(row)
        return found

    def _dialogue(self, sides: Sequence["_Held"], seed: str) -> Row:
        """One conversation with one set of replicates"""
        turns, diverged = [], False
        for number in sorted({n for side in sides for n in side.scripts}):
            turn = self._turn(sides, number)
            if not diverged and _differ(turn):
                turn["diverged"] = diverged = True
            turns.append(turn)
        ends = [side.end for side in sides]
        system = next((side.system for side in sides if side.system), "")
        found: Row = {"seed": seed, **({"system": system} if system else {}), "ends": ends}
        return {**found, "flags": flags_of(turns, ends), "turns": turns}

    def _turn(self, sides: Sequence["_Held"], number: int) -> Row:
        scripts = [side.scripts.get(number) for side in sides]
        replies = [side.replies.get(number) for side in sides]
        first = next(script for script in scripts if script)
        same = all(script is None or script["user"] == first["user"] for script in scripts)
        different, worse = marks(replies, self.outcome)
        return {
            "turn": number,
            "kind": first["kind"] or "",
            "user": first["user"] if same else None,
            **({} if same else {"users": [script and script["user"] for script in scripts]}),
            "requirements": [_requirement(one) for one in json.loads(first["requirements"] or "[]")],
            "different": different,
            "worse": worse,
            "replies": replies,
        }


class _Held:
    """What one arm has of a conversation with one seed"""

    def __init__(self) -> None:
        self.scripts: dict[int, Row] = {}
        self.replies: dict[int, Row] = {}
        self.system = ""
        self.end = ""
        "How it ended where it was not completed"
        self._prompt: Prompt | None = None

    def add(self, row: Row, verdicts: list[Row], prompts: Prompts) -> None:
        """A turn with its verdicts"""
        self.scripts[row["turn"]] = row
        reply: Row = {"status": row["status"], "grade": None, "grade_status": "not graded"}
        reply |= {name: row[column] for column, name in _OF_REPLY.items() if row[column]}
        if row["status"] == ANSWERED:
            reply |= {"text": row["reply"], "seconds": row["seconds"] or 0.0}
            if row["stop"] and row["stop"] not in ENDED:
                reply["cut"] = True
            if row["flagged"]:
                reply["flagged"] = True
        if verdicts and verdicts[0].get("counts"):
            reply |= {"grade": verdicts[0]["grade"], "grade_status": verdicts[0]["status"]}
        ids = json.loads(row["prompt_ids"] or "[]") if prompts.folders else []
        self._prompt = prompts.of(row["dialogue_run"], ids, self._prompt)
        self.replies[row["turn"]] = {
            **reply,
            "verdicts": verdicts,
            **({"prompt": self._prompt.row} if self._prompt.row else {}),
        }

    def ended(self, row: Row) -> None:
        """How the conversation ended; the turns that a full context left out have their grade, which is Fail"""
        self.system = row["system"] or ""
        if row["status"] != COMPLETE:
            self.end = f"{row['status']}: {row['message']}"
        for number in range(1, row["turns"] + 1) if row["status"] == FULL else ():
            reply = self.replies.get(number, {})
            if reply.get("status") != ANSWERED:
                message = f"{FULL}: {reply.get('message') or row['message']}"
                left = {
                    "status": FULL,
                    "grade": "fail",
                    "grade_status": "not reached",
                    "message": message,
                    "verdicts": [],
                }
                self.replies[number] = {**reply, **left}


def _requirement(given: Any) -> Row:
    """A requirement as its reader sees it, without its check"""
    if not isinstance(given, dict):
        return {"text": str(given), "must": True}
    return {"text": str(given.get("text", "")), "must": given.get("must", True) is not False}


def _differ(turn: Row) -> bool:
    """Whether the arms say different things at a turn"""
    texts = [(reply or {}).get("text") for reply in turn["replies"]]
    return "users" in turn or len(set(texts)) > 1
