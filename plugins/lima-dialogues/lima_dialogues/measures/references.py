"""What a user's turn points at, and whether the dialogue has it: a list's third item, a table, code, a question that was asked.

A pointer that finds its mark speaks for the turn's place in this dialogue, one that misses speaks against it. English, but for
quotations. Knows nothing of how rare words are.
"""

import re
from collections.abc import Sequence

ORDINALS = {
    "second": 2,
    "third": 3,
    "fourth": 4,
    "fifth": 5,
    "sixth": 6,
    "seventh": 7,
    "eighth": 8,
    "ninth": 9,
    "tenth": 10,
}
_PARTS = r"(?:one|point|step|item|idea|option|line|row|question|answer|paragraph|sentence|reason|suggestion|version|example)s?"
_ORDINAL = re.compile(rf"\b(?:the|your|that) ({'|'.join(ORDINALS)})(?: {_PARTS}\b|(?=\W*$|[,;.:?!)]))", re.IGNORECASE)
_NUMBERED = re.compile(rf"\b(?:number|no\.|nr\.?|#|{_PARTS}) ?(\d\d?)\b", re.IGNORECASE)
_OBJECT = re.compile(
    r"\b(?:the|that|this|your) (?:[^\W\d_]+ )?(table|list|code|script|function|query|command|snippet)s?\b",
    re.IGNORECASE,
)
_CODE = ("code", "script", "function", "query", "command", "snippet")
_OPENING = re.compile(
    r"\W*(?:and|but|or|so|then|also|ok|okay|fine|fair(?: enough)?|great|perfect|(?:that )?makes sense|thanks|thank you|yes|yeah|"
    r"no|nope|oh|ah|hm+|wait|hang on|well|really|good|right|worked|again|still|now|not (?:that|quite)|why(?: not)?|"
    r"what (?:about|if|else)|how (?:about|come)|(?:much )?better|too (?:long|short)|sorry|actually|any (?:other|more))\b",
    re.IGNORECASE,
)
_TALK = re.compile(
    r"\b(?:(?:your|previous|above|earlier|last|original|first) (?:\w+ )?(?:answer|reply|response|version|list|plan|example|"
    r"suggestion|explanation)s?|the (?:above|former|latter|rest|same|other)|re(?:write|phrase|do|word|peat|format)|"
    r"short(?:er|en)|longer|simpler|simplify|summari[sz]e|expand|continue|elaborate|translate|again|instead|another|"
    r"you(?:'ve| have| just)? (?:said|wrote|gave|mentioned|suggested)|(?:that|this|first|second|third|last) one|"
    r"of (?:them|these|those|it))\b",
    re.IGNORECASE,
)
_PRONOUN = re.compile(
    r"(?:its?|it'[sd]|they|the[imy]r?|them|these|those|this|that|that's|s?he|he[r']?s?|him|his|she's)", re.IGNORECASE
)
_WORDS = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
SHORT, EARLY = 4, 8
"Words of a turn that is a fragment for its length, and words from the start in which a pronoun names nothing of the same turn"
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


def fragment(turn: str) -> bool:
    """Whether a turn is visibly a part of a talk: short, opens as an answer does, speaks of the talk, or has an early pronoun"""
    words = _WORDS.findall(turn.replace("’", "'"))
    early = any(_PRONOUN.fullmatch(word) for word in words[:EARLY])
    return len(words) <= SHORT or early or bool(_OPENING.match(turn) or _TALK.search(turn))


def _items(text: str) -> int:
    """Items of the longest list in a text, or the highest number before one"""
    marks = _ITEM.findall(text)
    return max([len(marks), *(int(n) for n in marks if n)])


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))
