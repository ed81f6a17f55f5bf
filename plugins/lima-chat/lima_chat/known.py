"""Replies with known grades, by which a grader is tested, and the JSON file that holds them.

A file is about one conversation of an evaluation; several files may be about the same one. Knows nothing of graders.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lima import GRADES, LimaError, did_you_mean
from lima_chat.conversation import EvalConversation

VISIBLE_FLAWS = {
    "empty": "says nothing",
    "echo": "says what the user said",
    "mislabelled": "the right value of another thing, or beside the wrong label",
    "wrong value": "a number, name or other value that is not the one that was given or asked for",
    "missing": "leaves out a part of what was asked for",
    "format": "not in the form, length or language asked for",
    "forgets": "drops what an earlier turn said or asked for",
    "contradicts": "contradicts itself or an earlier reply",
    "forbidden": "has what was ruled out",
    "talk": "talks around what was asked for, or about itself",
}
"What is wrong with a failed reply, where a program can see it"
HIDDEN_FLAWS = {
    "wrong fact": "something about the world is wrong",
    "nonsense": "fluent, and means nothing",
    "cruel": "harms, insults or advises harm",
    "off-topic": "well said, about something else",
}
"What only a reader sees"
FLAWS = VISIBLE_FLAWS | HIDDEN_FLAWS
FAIL = "fail"

NULL_REPLIES = {
    "empty": "an empty reply",
    "echo": "the user's own words",
    "apology": "“I'm sorry.”",
    "previous": "the reply before, once more",
    "other": "a reply from another conversation",
}
"What no model is needed for, and no grader may praise unless the turn says why"

_FILE = ("conversation", "author", "licence", "saw_checks", "replies")
_REPLY = ("turn", "grade", "flaw", "why", "after", "reply")


@dataclass(frozen=True)
class KnownReply:
    """A reply to one turn of an evaluation's conversation whose grade is known"""

    conversation: str
    "Its id"
    turn: int
    "Counted from 1"
    reply: str
    grade: str
    "fail, pass or excellent"
    flaw: str = ""
    "What is wrong with one that fails: one of FLAWS"
    why: str = ""
    "For the reader of the audit"
    saw_checks: bool = True
    "Whether its author knew how the grader decides"
    after: tuple[str, ...] = ()
    "The replies before it, one for each earlier turn"
    stop: str = "eot"
    "Why the reply ended; 'eot': the model ended it"
    script: EvalConversation | None = None
    "The conversation itself, where the evaluation does not ask it"

    def __post_init__(self) -> None:
        object.__setattr__(self, "after", tuple(self.after))
        for what, fix in _wrong(vars(self)):
            raise LimaError(f"Known reply to {self.conversation!r}, turn {self.turn!r}: it {what}. {fix}")
        if len(self.after) != self.turn - 1:
            raise LimaError(
                f"Known reply to {self.conversation!r}, turn {self.turn}: {len(self.after)} replies come before it. Give one "
                f"for each earlier turn, {self.turn - 1}."
            )

    @property
    def good(self) -> bool:
        """Whether it must not fail"""
        return self.grade != FAIL


def has_known_replies(data: Any) -> bool:
    """Whether a file's JSON has the shape of known replies, not of a conversation"""
    return isinstance(data, dict) and "replies" in data and "turns" not in data


def known_replies(data: Any, place: str) -> list[KnownReply]:
    """The replies of one file's JSON in its order; LimaError, which begins with `place`, for the first thing that is wrong"""
    for turn, what, fix in known_problems(data):
        raise LimaError(f"{place}{'' if turn is None else f', turn {turn}'}: {what}. {fix}")
    first = _first_good(data["replies"])
    return [
        KnownReply(
            conversation=data["conversation"],
            saw_checks=data["saw_checks"],
            after=tuple(row["after"]) if "after" in row else tuple(first[turn] for turn in range(1, row["turn"])),
            **{key: row[key] for key in ("turn", "grade", "flaw", "why", "reply") if key in row},
        )
        for row in data["replies"]
    ]


def known_problems(data: Any) -> Iterator[tuple[int | None, str, str]]:
    """(turn, what is wrong, what to do about it) of one file's JSON"""
    if not isinstance(data, dict):
        yield None, "is not an object", f"Put one with {', '.join(_FILE)}."
        return
    for key in _FILE:
        if key not in data:
            yield None, f"has no {key!r}", f"Add it; a file of known replies has {', '.join(_FILE)}."
        elif key in ("conversation", "author", "licence") and not _is_text(data[key]):
            yield None, f"{key!r} is {_shown(data[key])}", "Put a text."
    for key in data:
        if key not in _FILE:
            yield None, f"has an unknown key {key!r}", f"Remove or rename it.{did_you_mean(key, _FILE)}"
    if not isinstance(data.get("saw_checks", True), bool):
        fix = "Put true if the author had seen the evaluation's checks, else false."
        yield None, f"'saw_checks' is {_shown(data['saw_checks'])}", fix
    replies = data.get("replies", [])
    if "replies" in data and not (isinstance(replies, list) and replies):
        yield None, f"'replies' is {_shown(replies)}", 'Put a list of {"turn": …, "grade": …, "reply": …}.'
        return
    yield from _rows(replies)


def _rows(replies: list[Any]) -> Iterator[tuple[int | None, str, str]]:
    first = _first_good(replies)
    for number, row in enumerate(replies, 1):
        name = f"reply {number}"
        if not isinstance(row, dict) or not {"turn", "grade", "reply"} <= row.keys():
            yield None, f"{name} is {_shown(row)}", 'Put {"turn": …, "grade": …, "reply": …}.'
            continue
        turn = row["turn"] if _is_turn(row["turn"]) else None
        for key in row:
            if key not in _REPLY:
                yield turn, f"{name} has an unknown key {key!r}", f"Remove or rename it.{did_you_mean(key, _REPLY)}"
        wrong = list(_wrong(row))
        yield from ((turn, f"{name} {what}", fix) for what, fix in wrong)
        if turn is None or wrong:
            continue
        if "after" in row and len(row["after"]) != turn - 1:
            fix = f"Give one reply for each earlier turn, {turn - 1}, or leave 'after' out."
            yield turn, f"{name} has {len(row['after'])} replies in 'after'", fix
        elif "after" not in row and (lacking := next((t for t in range(1, turn) if t not in first), 0)):
            yield (
                turn,
                f"{name} has no history: no reply to turn {lacking} in this file is good",
                f'Add one to the file that is "pass" or "excellent", or give "after", the replies before: {turn - 1}.',
            )


def _wrong(row: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(what, fix) of the values of one reply; keys may be missing"""
    flaw, good = row.get("flaw", ""), row["grade"] != FAIL
    if not _is_turn(row["turn"]):
        yield f"has the turn {_shown(row['turn'])}", "Put the number of the user's turn, from 1."
    if row["grade"] not in GRADES:
        yield f"has the grade {_shown(row['grade'])}", f"Put one of: {', '.join(GRADES)}."
    elif flaw and (not isinstance(flaw, str) or flaw not in FLAWS):
        yield f"has the flaw {_shown(flaw)}", f"Rename it.{did_you_mean(str(flaw), FLAWS)}"
    elif not flaw and not good:
        yield "fails without a flaw", f'Add "flaw", one of: {", ".join(FLAWS)}.'
    elif flaw and good:
        yield f"is {row['grade']} and has the flaw {flaw!r}", 'Leave "flaw" out, or grade it "fail".'
    if not isinstance(row["reply"], str):
        yield f"is {_shown(row['reply'])}", "Put a text."
    elif not row["reply"].strip() and (good or flaw != "empty"):
        yield "is empty", 'Write it, or grade it "fail" with the flaw "empty".'
    if not isinstance(row.get("why", ""), str):
        yield f"has {_shown(row['why'])} for 'why'", "Put a text."
    after = row.get("after", ())
    if not isinstance(after, list | tuple) or not all(isinstance(said, str) for said in after):
        yield f"has {_shown(after)} for 'after'", "Put a list with the replies before it, one for each earlier turn."


def _first_good(replies: list[Any]) -> dict[int, str]:
    """The first good reply to each turn, which is what came before where nothing else is said"""
    found: dict[int, str] = {}
    for row in replies:
        graded = isinstance(row, dict) and row.get("grade") in GRADES and row["grade"] != FAIL
        if graded and _is_turn(row.get("turn")) and _is_text(row.get("reply")):
            found.setdefault(row["turn"], row["reply"])
    return found


def _is_turn(value: Any) -> bool:
    return type(value) is int and value >= 1


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"
