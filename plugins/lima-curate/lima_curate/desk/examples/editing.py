"""What a person can do to the turns of a dialogue, each as a function of the turns alone, so that undoing is leaving out.

While somebody works a dialogue may be one that nobody can learn from; `problem` says what is missing. Knows nothing of who works.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from lima import LimaError, blank
from lima_chat import Turn, problem_of

TEXT, SPLIT, MERGE, DELETE, SPEAKER, ADD = "text", "split", "merge", "delete", "speaker", "add"
MOST_TURNS = 500
Turns = tuple[Turn, ...]
BLANK: Turns = (Turn("user", ""), Turn("assistant", ""))
"What a new example begins with"


def edited(turns: Turns, kind: str, value: Mapping[str, Any]) -> Turns:
    """The turns after an edit of this kind; LimaError for one that cannot be made. `turn` is counted from 1"""
    least = 0 if kind == ADD else 1
    if not least <= value["turn"] <= len(turns):
        raise LimaError(f"There is no turn {value['turn']} (any more): the example has {len(turns)}.")
    return _EDITS[kind](turns, value["turn"], value)


def problem(turns: Turns) -> str:
    """Why nobody can learn from these turns, as a sentence; empty where they are a dialogue"""
    for number, turn in enumerate(turns, 1):
        if blank(turn.content) and not turn.tool_calls and turn.role != "system":
            return f"Turn {number} ({turn.role}) is empty. Write it, or delete it."
    found = problem_of(turns)
    return found[:1].upper() + found[1:]


def place_of(text: str, at: int) -> int:
    """Where in a text the place is that a page counts with each line end as one character"""
    for found in re.finditer("\r\n", text):
        if found.start() >= at:
            break
        at += 1
    return at


def _text(turns: Turns, number: int, value: Mapping[str, Any]) -> Turns:
    if turns[number - 1].content == value["text"]:
        raise LimaError(f"Turn {number} has that text already.")
    return _with(turns, number, replace(turns[number - 1], content=value["text"]))


def _split(turns: Turns, number: int, value: Mapping[str, Any]) -> Turns:
    """Both parts have the speaker of the turn; white space at the cut goes, the rest stays as it is"""
    turn = turns[number - 1]
    at = place_of(turn.content, value["at"])
    first, second = turn.content[:at].rstrip(), turn.content[at:]
    # Blank lines go; what indents the first line that stays belongs to it, where the cut is between lines.
    lines = re.match(r"(?:[ \t]*\r?\n)+", second)
    between = bool(lines) or turn.content[:at].endswith("\n")
    second = second[lines.end() :] if lines else second if between else second.lstrip(" \t")
    if blank(first) or blank(second):
        raise LimaError("Put the cursor between the two parts: here one of them would be empty.")
    if len(turns) >= MOST_TURNS:
        raise LimaError(f"An example may have {MOST_TURNS} turns here.")
    parts = replace(turn, content=first, tool_calls=()), replace(turn, content=second, thoughts="")
    return _with(turns, number, *parts)


def _merge(turns: Turns, number: int, value: Mapping[str, Any]) -> Turns:
    """With the next turn, a blank line between; the speaker and what else it has are those of the first"""
    if number == len(turns):
        raise LimaError(f"Turn {number} is the last: there is no turn to merge it with.")
    first, second = turns[number - 1], turns[number]
    _no_tools(number, first)
    _no_tools(number + 1, second)
    text = "\n\n".join(one.content for one in (first, second) if not blank(one.content))
    return (*turns[: number - 1], replace(first, content=text), *turns[number + 1 :])


def _delete(turns: Turns, number: int, value: Mapping[str, Any]) -> Turns:
    if len(turns) == 1:
        raise LimaError("This is the only turn. Reject the example, or write the turn anew.")
    return _with(turns, number)


def _speaker(turns: Turns, number: int, value: Mapping[str, Any]) -> Turns:
    """The user's becomes the assistant's, any other the user's; what only an assistant's turn has is left out then"""
    turn = turns[number - 1]
    _no_tools(number, turn)
    return _with(turns, number, Turn("assistant" if turn.role == "user" else "user", turn.content))


def _add(turns: Turns, number: int, value: Mapping[str, Any]) -> Turns:
    """An empty turn after this one, of whoever speaks next; 0: before the first"""
    if len(turns) >= MOST_TURNS:
        raise LimaError(f"An example may have {MOST_TURNS} turns here.")
    before = turns[number - 1].role if number else ""
    return (*turns[:number], Turn("assistant" if before == "user" else "user", ""), *turns[number:])


def _with(turns: Turns, number: int, *others: Turn) -> Turns:
    return (*turns[: number - 1], *others, *turns[number:])


def _no_tools(number: int, turn: Turn) -> None:
    if turn.role == "tool" or turn.tool_calls:
        raise LimaError(f"Turn {number} is of a tool or calls one: its text can be edited, and the turn deleted.")


_EDITS: dict[str, Callable[[Turns, int, Mapping[str, Any]], Turns]] = {
    TEXT: _text, SPLIT: _split, MERGE: _merge, DELETE: _delete, SPEAKER: _speaker, ADD: _add,
}  # fmt: skip
EDITS = tuple(_EDITS)
