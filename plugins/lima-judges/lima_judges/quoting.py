"""Hostile text inside a prompt: every line of it is marked, and what answers the prompt repeats a code that the text cannot know.

Also whether a quote is really in a reply. Knows nothing of templates, labels or grades.
"""

import re
import secrets
import unicodedata
from collections.abc import Iterable

from lima import storable, visible

MARK = "| "
"Stands before every line of quoted text; no line of a template of ours begins with it"
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
_LENGTH = 6


def quoted(text: str) -> str:
    """The text with a mark before every line; hidden and control characters, other line ends among them, are written out"""
    return "\n".join(f"{MARK}{line}".rstrip() for line in visible(storable(text)).split("\n"))


def one_line(text: str) -> str:
    """The text on one line, hidden characters written out"""
    return " ".join(visible(storable(text)).split())


def new_code(texts: Iterable[str]) -> str:
    """Six random letters that none of the texts has, whatever its case"""
    said = "\n".join(texts).upper()
    while (code := "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))) in said:
        pass
    return code


_MARKUP = re.compile(r"[*_`#>|~]")
_QUOTES = str.maketrans(dict.fromkeys('"“”„‟«»‹›‘’‚‛′″', "'") | dict.fromkeys("‐‑‒–—−", "-"))
_GAP = re.compile(r"\s*(?:\[\s*(?:…|\.\.\.)\s*\]|…|\.\.\.)\s*")


def supported(quote: str, text: str) -> bool:
    """Whether a quote is in a text, whatever its case, spaces, quotation marks and Markdown; … stands for what was left out

    Whole words only, and a quote without a letter or a digit is none."""
    where, at = _plain(visible(text)), 0
    parts = [part for part in map(_plain, _GAP.split(quote)) if part]
    if not any(c.isalnum() for part in parts for c in part):
        return False
    for part in parts:
        at = _find(part, where, at)
        if at < 0:
            return False
    return True


def _plain(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).translate(_QUOTES)
    return " ".join(_MARKUP.sub("", text).casefold().split())


def _find(part: str, text: str, at: int) -> int:
    """The place behind a part that stands there as whole words; -1 where it does not"""
    while (place := text.find(part, at)) >= 0:
        end = place + len(part)
        inside = _joins(text[place - 1 : place], part[0]) or _joins(part[-1], text[end : end + 1])
        if not inside:
            return end
        at = place + 1
    return -1


def _joins(left: str, right: str) -> bool:
    """Whether two neighbours are of one word; scripts that do not divide words are not asked"""
    return all(c.isascii() and c.isalnum() for c in (left, right)) if left and right else False
