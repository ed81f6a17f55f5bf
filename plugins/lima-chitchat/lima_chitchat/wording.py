"""Lines of a chat as the text of one turn: one line each, with slips mended that the writer corrected in the next line.

Knows nothing of who speaks.
"""

import difflib
import re
from collections.abc import Iterable

_MARKS = re.compile(r"[?!.,;:)]+")
_CORRECTION = re.compile(r"\*([\w'’-]+)|([\w'’-]+)\*")
_WORD = re.compile(r"[\w'’-]+")
CLOSE = 0.6
"How alike a word and its correction must be, from 0 to 1: of `new` and `now` two letters of three are the same"


def turn_text(lines: Iterable[str], mend: bool) -> str:
    """The lines that somebody wrote in a row as one text; '' where they say nothing"""
    said = list[str]()
    for line in filter(None, map(str.strip, lines)):
        if mend and said and _MARKS.fullmatch(line):
            said[-1] += line
        elif mend and said and (mended := corrected(said[-1], line)):
            said[-1] = mended
        else:
            said.append(line)
    return "\n".join(said)


def corrected(line: str, correction: str) -> str:
    """The line with its slip mended, if the next line corrects it as in `*now` or `now*`; else ''

    The last word that is most like the correction is taken for the slip."""
    found = _CORRECTION.fullmatch(correction)
    if not found:
        return ""
    right = found[1] or found[2]
    words = [word for word in _WORD.finditer(line) if word[0].lower() != right.lower()]
    alike = [
        (difflib.SequenceMatcher(None, word[0].lower(), right.lower()).ratio(), word.start(), word) for word in words
    ]
    likeness, _, slip = max(alike, key=lambda one: one[:2], default=(0.0, 0, None))
    if slip is None or likeness < CLOSE:
        return ""
    if slip[0].islower():  # telephones capitalise whatever begins a line
        right = right[0].lower() + right[1:]
    return line[: slip.start()] + right + line[slip.end() :]
