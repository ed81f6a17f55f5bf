"""Hostile text made harmless to display: control and invisible characters are written out, as ⟨U+202E⟩.

Newlines and tabs stay, and so do the joiners that emoji and many scripts need. Escaping for HTML is the template's work.
"""

from functools import cache
from typing import Any


@cache
def _hidden() -> Any:
    """What is written out; compiled on first use, because `lima --help` has no need of it"""
    import regex

    # Default_Ignorable without the joiners and the variation selectors, which choose the look of emoji.
    return regex.compile(
        r"(?![\n\t\u200c\u200d\ufe00-\ufe0f])[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}\p{Default_Ignorable_Code_Point}]"
    )


def pieces(text: str) -> list[tuple[bool, str]]:
    """The text cut into (is it a written-out character, what to show), for a page that marks them"""
    text = text.replace("\r\n", "\n")
    found, at = [], 0
    for match in _hidden().finditer(text):
        if match.start() > at:
            found.append((False, text[at : match.start()]))
        found.append((True, f"⟨U+{ord(match[0]):04X}⟩"))
        at = match.end()
    if at < len(text):
        found.append((False, text[at:]))
    return found


def visible(text: str) -> str:
    """The text with control, bidirectional and invisible characters written out"""
    return "".join(piece for _, piece in pieces(text))


@cache
def _nothing() -> Any:
    """A text that shows nothing: white space, control and format characters, and letters without ink"""
    import regex

    return regex.compile(r"[\s\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]*+")


def blank(text: str) -> bool:
    """Whether a text shows nothing: empty, or only white space and invisible characters"""
    return bool(_nothing().fullmatch(text))


def is_utf8(text: str) -> bool:
    """Whether a UTF-8 file or database can hold the text: it has no unpaired surrogate, which is half of a character"""
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def storable(text: str) -> str:
    """The text with unpaired surrogates, which no UTF-8 file or database holds, replaced by U+FFFD"""
    return "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text)
