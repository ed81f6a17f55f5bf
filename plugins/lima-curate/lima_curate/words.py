"""The words of a text as texts are compared by: whatever case, quoting, punctuation, accents of quotation and white space it has.

Scripts that write no spaces between words count each character as one. Knows nothing of examples.
"""

import re
import unicodedata
from collections.abc import Sequence
from difflib import SequenceMatcher

_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"Thai, Lao, Burmese, Khmer, Japanese and Chinese"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")
_UNSEEN = re.compile("['’‘ʼ`´\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
"Apostrophes, and characters that nobody sees"
_SHORTEST_RUN = 3
"Words in a row that count as the same passage"


def words_of(text: str) -> list[str]:
    """The words in small letters, without punctuation; 'Don’t “stop”!' has the words dont and stop"""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return _WORD.findall(_UNSEEN.sub("", text).casefold())


def shared_in_order(passage: Sequence[str], text: Sequence[str]) -> int:
    """How many words of a passage a text has in their order, near each other, in runs of three or more

    The text may have others between the runs, on each side of the longest one as many as the passage has there and half as
    many again."""
    matcher = SequenceMatcher(None, text, passage, autojunk=False)
    longest = matcher.find_longest_match()
    if longest.size < _SHORTEST_RUN or longest.size == len(passage):
        return longest.size if longest.size == len(passage) else 0
    before, after = longest.b, len(passage) - longest.b - longest.size
    start = max(0, longest.a - before - before // 2 - 2)
    near = text[start : longest.a + longest.size + after + after // 2 + 2]
    blocks = SequenceMatcher(None, near, passage, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks if block.size >= _SHORTEST_RUN)
