"""Replies that are a miss whatever was asked: nothing, no word, the user's own words, the reply before once more, a mere apology.

As a reader sees it: markup, comments and what is struck out are no words, nor is the name of who speaks. Only what is certain:
anything that adds a word is left to the turn's own checks. Knows nothing of grades.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING
from unicodedata import category

from lima import blank
from lima_dialogue_eval.checks.reading.text import plain

if TYPE_CHECKING:
    from lima_chat import EvalTurn, Turn

GREETING = 2
"Up to this many words, without a question mark, a user's turn may be a greeting, which is rightly said back"
SAME_ANSWER = 7
"Up to this many words the answer to another question may be the same"

_WORD = re.compile(r"\w+(?:['’]\w+)*")
_HIDDEN = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_CODE = re.compile(
    r"html|xml|svg|css|markup|markdown|\bcod(?:e|ing)\b|\btags?\b|script|snippet|latex|element|program", re.IGNORECASE
)
"Where somebody has spoken of such things markup may be the answer"
_SPEAKER = re.compile(r"\A\W*(?:user|human|assistant|ai|question|you (?:said|asked|wrote))\W*:", re.IGNORECASE)
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
    if not said and _WORD.search(reply) and any(_CODE.search(t.content) for t in history if t.role != "assistant"):
        return ""
    if not said:
        wordless = turn.requirements and not any(category(c) == "So" for c in reply)  # an emoji may be an answer
        return "The reply has no word." if wordless else ""
    user = turn.user
    greeting = len(_plain(user).split()) <= GREETING and "?" not in user
    if _again(said, _plain(user)) and not greeting and "echo" not in turn.null:
        return "The reply only repeats what the user said."
    before = next((t.content for t in reversed(history) if t.role == "assistant"), "")
    if not turn.requirements:
        return ""
    if _again(said, _plain(before)) and len(said.split()) > SAME_ANSWER and "previous" not in turn.null:
        return "The reply is the one before, word for word."
    if _APOLOGY.fullmatch(said) and "apology" not in turn.null:
        return "The reply is only an apology or a refusal."
    return ""


def _plain(text: str) -> str:
    """The words that a reader sees, without case, punctuation and marks"""
    seen = plain(_HIDDEN.sub(" ", text)).replace("\u00a0", " ")
    return " ".join(word.casefold().replace("’", "'") for word in _WORD.findall(_SPEAKER.sub("", seen, count=1)))


def _again(said: str, text: str) -> bool:
    """Whether the words are those of a text, once or several times"""
    times, rest = divmod(len(said) + 1, len(text) + 1)
    return bool(text) and not rest and said == " ".join([text] * times)
