"""What a user's turn points at, and whether the dialogue has it: a list's third item, a table, code, a question that was asked.

A pointer that finds its mark speaks for the turn's place in this dialogue, one that misses speaks against it. English, but for
quotations. Knows nothing of how rare words are.
"""

import re
from collections.abc import Sequence

ORDINALS = {"second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9, "tenth": 10}
_PARTS = r"(?:one|point|step|item|idea|option|line|row|question|answer|paragraph|sentence|reason|suggestion|version|example)s?"
_ORDINAL = re.compile(rf"\b(?:the|your|that) ({'|'.join(ORDINALS)})(?: {_PARTS}\b|(?=\W*$|[,;.:?!)]))", re.IGNORECASE)
_NUMBERED = re.compile(rf"\b(?:number|no\.|nr\.?|#|{_PARTS}) ?(\d\d?)\b", re.IGNORECASE)
_OBJECT = re.compile(
    r"\b(?:the|that|this|your) (?:[^\W\d_]+ )?(table|list|code|script|function|query|command|snippet)s?\b", re.IGNORECASE
)
_CODE = ("code", "script", "function", "query", "command", "snippet")
_ITEM = re.compile(r"^\s*(?:[-*+•]|(\d+)[.)]) ", re.MULTILINE)
_QUOTED = re.compile(r"[\"“«„`]([^\"“”«»„`\n]{3,80})[\"”»“`]")


def pointers(turn: str, history: Sequence[tuple[str, str]]) -> tuple[int, int]:
    """How many things the turn points at are in the history, (role, text) a turn, and how many are not"""
    text = "\n".join(said for _, said in history)
    wanted = [ORDINALS[word.lower()] for word in _ORDINAL.findall(turn)] + [int(n) for n in _NUMBERED.findall(turn)]
    longest = max((_items(said) for _, said in history), default=0)
    found = [number <= longest for number in wanted]
    for name in {name.lower() for name in _OBJECT.findall(turn)}:
        if name == "table":
            found.append(bool(re.search(r"^\s*\|", text, re.MULTILINE)))
        else:
            found.append("`" in text if name in _CODE else longest > 1)
    found += [_plain(quoted) in _plain(text) for quoted in _QUOTED.findall(turn)]
    return sum(found), len(found) - sum(found)


def answers(turn: str, history: Sequence[tuple[str, str]]) -> bool:
    """Whether the turn, not itself a question at first, follows an answer that ends by asking something"""
    first = re.match(r"[^.!?\n]*[.!?]?", turn.strip())
    return bool(first and not first.group().endswith("?") and asks(history[-1][1]))


def asks(answer: str) -> bool:
    """Whether the last paragraph of an answer, or the list that ends it, asks something"""
    paragraphs = re.split(r"\n\s*\n", answer.strip())
    return "?" in paragraphs[-1]


def _items(text: str) -> int:
    """Items of the longest list in a text, or the highest number before one"""
    marks = _ITEM.findall(text)
    return max([len(marks), *(int(n) for n in marks if n)])


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))
