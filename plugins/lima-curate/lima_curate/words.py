"""The words of a text, as texts are compared: whatever case, quoting, punctuation and white space it has; and its prose.

Scripts that write no spaces between words count each character as one. Knows nothing of examples.
"""

import re
import unicodedata
from collections.abc import Sequence
from difflib import SequenceMatcher

_SCRIPTS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"Thai, Lao, Burmese, Khmer, Japanese and Chinese"
UNSPACED = re.compile(f"[{_SCRIPTS}]")
"A character of a script that writes no spaces between words"
_WORD = re.compile(rf"[{_SCRIPTS}]|[^\W_{_SCRIPTS}]+")
_UNSEEN = re.compile("['’‘ʼ`´\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
"Apostrophes, and characters that nobody sees"
_CODE = re.compile(
    r"^ *(`{3,}|~{3,}).*?(?:^ *\1[`~]*$|\Z)|`[^`\n]*`"
    r"|\$\$.*?\$\$|\\\[.{0,500}?\\\]|\\\(.{0,500}?\\\)|(?<![\w$])\$[^$\n]+\$(?![\w$])"
    r"|^(?: {4}|\t)(?! *(?:[-*+•]|\d+[.)]) ).*$",
    re.S | re.M,
)
_MARKS = ("`", "~~~", "$", "\\[", "\\(", "    ", "\t")
"One of them is where code is"
_SHORTEST_RUN = 3
"Words in a row that count as the same passage"


def words_of(text: str) -> list[str]:
    """The words in small letters, without punctuation; 'Don’t “stop”!' has the words dont and stop"""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return _WORD.findall(_UNSEEN.sub("", text).casefold())


def without_code(text: str) -> str:
    """The text without blocks of code, code in lines, formulas, and indented lines that are not lists"""
    return _CODE.sub(" ", text) if any(mark in text for mark in _MARKS) else text


def shared_in_order(passage: Sequence[str], text: Sequence[str]) -> int:
    """How many words of a passage a text has in their order, near each other, in runs of three or more

    The text may have others between the runs, on each side of the longest one as many as the passage has there and half as
    many again."""
    if f" {' '.join(passage)} " in f" {' '.join(text)} ":
        return len(passage)
    matcher = SequenceMatcher(None, text, passage, autojunk=False)
    longest = matcher.find_longest_match()
    if longest.size < _SHORTEST_RUN:
        return 0
    before, after = longest.b, len(passage) - longest.b - longest.size
    start = max(0, longest.a - before - before // 2 - 2)
    near = text[start : longest.a + longest.size + after + after // 2 + 2]
    blocks = SequenceMatcher(None, near, passage, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks if block.size >= _SHORTEST_RUN)
