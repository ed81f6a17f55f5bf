"""What a reader should look at once more in a dialogue: lengths, and what often remains of where a text came from.

Advice only: no hint keeps anybody from accepting. Knows nothing of what is right.
"""

import re

from lima_curate.desk.examples.editing import Turns

LONG = 4096
"Characters of an answer, of which LIMA takes no longer ones from Stack Exchange (§2)"
_HINTS = (
    (re.compile(r"https?://|www\."), "has an address"),
    (re.compile(r"</?[a-z][a-z0-9]*(\s[^<>]*)?>|&(amp|lt|gt|quot|nbsp|#\d+);", re.I), "has HTML"),
    (re.compile(r"(?m)(^|\s)@\w"), "speaks to somebody by @name"),
    (re.compile(r"(?i)\bas an ai\b|\blanguage model\b"), "speaks as a model"),
)


def words(text: str) -> int:
    """How many words a text has: what white space separates"""
    return len(text.split())


def hints(turns: Turns) -> list[str]:
    """A short sentence for each thing to look at, with its turn"""
    found = []
    for number, turn in enumerate(turns, 1):
        for pattern, what in _HINTS:
            if pattern.search(turn.content):
                found.append(f"Turn {number} {what}.")
        if turn.content.count("```") % 2:
            found.append(f"Turn {number} has a code block that does not end.")
        if turn.role == "assistant" and len(turn.content) > LONG:
            found.append(f"Turn {number} has {len(turn.content):,} characters; LIMA's answers have up to {LONG:,}.")
        if turn.role == "assistant" and (end := turn.content.rstrip()) and end[-1] in ",;-–—(":
            found.append(f"Turn {number} ends in the middle of a sentence.")
    return found
