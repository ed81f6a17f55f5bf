"""Which format a row has, by its keys: one, or none.

One function decides for all formats, so that no two want the same row. Knows nothing of how they are read.
"""

from collections.abc import Mapping
from typing import Any

from lima import BEYOND_A_PAIR
from lima_chat.formats.messages import OPENAI, SHAREGPT
from lima_chat.formats.values import listed

LISTS = ("messages", "conversations", "conversation", "data", "turns", "history")
"Where a row may have its turns"
EXCHANGES = (
    ("user", "bot"),
    ("user", "assistant"),
    ("human", "assistant"),
    ("human", "gpt"),
    ("input", "output"),
    ("question", "answer"),
    ("query", "response"),
    ("prompt", "response"),
    ("instruction", "output"),
)
"Keys of an object that is one exchange of several: who asks, who answers"
QUESTIONS = (
    ("question", "answer"),
    ("query", "response"),
    ("query", "answer"),
    ("question", "response"),
    ("prompt", "response"),
    ("input", "output"),
)
"Keys of a row that is one exchange; prompt and response alone are the core's"
PARENTS = ("parent_id", "parent_message_id")
PROMPTER = ("prompter", "user", "assistant")


def format_of(row: Any) -> str | None:
    """The name of the source that reads such rows"""
    if not isinstance(row, dict):
        return None
    if _is_tree(row):
        return "oasst"
    if "chosen" in row:
        return "preference"
    if key := list_key(row):
        return _format_of_list(key, listed(row, key))
    if "prompt" in row and "completion" in row:
        return "completion"
    if "prompt" in row and "response" in row:
        return "qa" if BEYOND_A_PAIR & row.keys() else None
    if "instruction" in row and ("output" in row or "response" in row):
        return "alpaca" if "output" in row else "dolly"
    return "qa" if pair_in(row, QUESTIONS) else None


def list_key(row: Mapping[str, Any]) -> str:
    """The key of a row's list of turns; '' if it has none, or one of a kind that is not known"""
    return next((key for key in LISTS if _format_of_list(key, listed(row, key))), "")


def pair_in(holder: Any, pairs: tuple[tuple[str, str], ...]) -> tuple[str, str] | None:
    """The first of some pairs of keys that an object has"""
    return next((pair for pair in pairs if isinstance(holder, dict) and pair[0] in holder and pair[1] in holder), None)


def _format_of_list(key: str, turns: list[Any]) -> str | None:
    """The format of a row with these turns"""
    first = turns[0] if turns else None
    if isinstance(first, str) and key != "history":
        return None if not all(isinstance(t, str) for t in turns) else "exchanges" if key == "turns" else "lima"
    if SHAREGPT.fit(first):
        return "sharegpt"
    if OPENAI.fit(first) or (isinstance(first, dict) and "role" in first and "tool_calls" in first):
        return "openai"
    return "exchanges" if pair_in(first, EXCHANGES) else None


def _is_tree(row: Mapping[str, Any]) -> bool:
    """Whether it is a message of a tree, or a tree"""
    nested = isinstance(row.get("prompt"), dict) and "replies" in row["prompt"]
    role = row.get("role")
    return nested or (isinstance(role, str) and role in PROMPTER and "text" in row and any(p in row for p in PARENTS))
