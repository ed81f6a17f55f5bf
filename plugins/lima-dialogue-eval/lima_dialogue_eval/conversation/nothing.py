"""Replies that are a miss whatever was asked: nothing, no word, the user's own words, the reply before once more, a mere apology.

Only what is certain: anything that adds a word is left to the turn's own checks. Knows nothing of grades.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING
from unicodedata import category

from lima import blank

if TYPE_CHECKING:
    from lima_chat import EvalTurn, Turn

GREETING = 2
"Up to this many words, without a question mark, a user's turn may be a greeting, which is rightly said back"
SAME_ANSWER = 7
"Up to this many words the answer to another question may be the same"

_WORD = re.compile(r"\w+(?:['’]\w+)*")
_SORRY = r"(?:i'm|i am|we're|we are) (?:so |very |really |truly |deeply )?sorry|sorry|(?:my )?apologies|(?:i|we) apologi[sz]e"
_FOR = r"(?: (?:for|about) (?:that|this|it|(?:the|any|my) (?:confusion|inconvenience|mistake|error|misunderstanding)))?"
_UNABLE = r"(?:can't|cannot|can not|won't|am unable to|am not able to)"
_CANNOT = rf"{_UNABLE} (?:help|assist|answer|do)(?: you)?(?: with)?(?: (?:that|this|it))?"
_APOLOGY = re.compile(rf"(?:{_SORRY}){_FOR}|(?:(?:{_SORRY})(?: but)? )?(?:i|we) {_CANNOT}(?: request)?")


def says_nothing(turn: "EvalTurn", reply: str, history: "Sequence[Turn]") -> str:
    """Why a reply is a miss whatever the checks say; '' where it is not, or where the turn says why such a reply is right

    A repetition and an apology are left alone on a turn without requirements, whose author has not said what is right."""
    if blank(reply):
        return "The reply is empty."
    said = _plain(reply)
    if not said:
        wordless = turn.requirements and not any(category(c) == "So" for c in reply)  # an emoji may be an answer
        return "The reply has no word." if wordless else ""
    user = turn.user
    greeting = len(_plain(user).split()) <= GREETING and "?" not in user
    if said == _plain(user) and not greeting and "echo" not in turn.null:
        return "The reply only repeats what the user said."
    before = next((t.content for t in reversed(history) if t.role == "assistant"), "")
    if not turn.requirements:
        return ""
    if said == _plain(before) and len(said.split()) > SAME_ANSWER and "previous" not in turn.null:
        return "The reply is the one before, word for word."
    if _APOLOGY.fullmatch(said) and "apology" not in turn.null:
        return "The reply is only an apology or a refusal."
    return ""


def _plain(text: str) -> str:
    """The words, without case, punctuation and marks"""
    return " ".join(word.casefold().replace("’", "'") for word in _WORD.findall(text))
