"""One text as its reader sees it: markup taken away, characters that look alike made one, patterns found in it.

Texts may be hostile: they are only read, up to a bounded length, and a pattern runs under a time limit. Knows nothing of what is
asked of a text.
"""

import html
import unicodedata
from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

import regex

from lima import LimaError

if TYPE_CHECKING:
    from lima_chat import Turn

SECONDS = 0.5
"Longest that one pattern may search one reply"
LONGEST_REPLY = 100_000
"Characters of a reply that are searched"
LONGEST_PATTERN = 1_000

_T = TypeVar("_T")
_FLAGS = regex.IGNORECASE | regex.MULTILINE | regex.VERSION0
_ALIKE = str.maketrans(
    dict.fromkeys("‘’‚‛′", "'")
    | dict.fromkeys("“”„‟″", '"')
    | dict.fromkeys("\u00a0\u2002\u2003\u2007\u2009\u200a\u202f", " ")
    | dict.fromkeys("\u2010\u2011", "-")
    | dict.fromkeys("\u200b\u200c\u2060\u00ad\ufeff", None)
)
_MARKS = regex.compile(r"(\p{M}{8})\p{M}++")  # Python takes quadratic time to bring a row of combining marks into order
_TAGS = (
    "a|b|i|u|s|p|em|br|hr|ul|ol|li|td|th|tr|sup|sub|del|ins|div|pre|kbd|code|span|mark|small|strong|table|thead|tbody|"
    "blockquote|details|summary|h[1-6]"
)
_TAG = regex.compile(rf"<(/?)({_TAGS})(?:\s[^<>]{{0,300}})?/?>", regex.IGNORECASE)
_BREAKS = "p|br|hr|ul|ol|li|tr|div|pre|table|thead|tbody|blockquote|details|summary|h1|h2|h3|h4|h5|h6"
_BETWEEN = dict.fromkeys(_BREAKS.split("|"), "\n") | {"td": " ", "th": " "}
_LATEX = regex.compile(
    r"\\(?:d?frac)\{([^{}\n]{1,40})\}\{([^{}\n]{1,40})\}|"
    r"\\(?:text(?:bf|it|rm)?|mathrm|mathbf|boxed|operatorname)\{([^{}\n]{0,80})\}|"
    r"\\(times|cdot|div|approx|circ|degree|quad|qquad)(?![a-zA-Z])|\\([,;:! ])|\\[()\[\]]|\\([%$£€&#_.)\-])|\{,\}"
)
_MATH = regex.compile(r"(\${1,2})([^$\n]*[\\^_=][^$\n]*|[\d.,]+)\1")
_SIGNS = {"times": "×", "cdot": "×", "div": "÷", "approx": "≈", "circ": "°", "degree": "°"}
_LINK = regex.compile(r"!?\[([^\[\]\n]{0,300})\]\([^()\s]{0,1000}(?:[ ]\"[^\"\n]{0,100}\")?\)")
_STRUCK = regex.compile(r"~~[^~\n]{1,300}~~|<(s|del)>[^<>\n]{1,300}</\1>", regex.IGNORECASE)
_STARS = regex.compile(r"\*{2,}+|__++|(?<![^\s(\[{\"'>])[*_](?=\S)|(?<=\S)[*_](?![^\s.,;:!?)\]}\"'<])|`++")
_FENCE = regex.compile(r"^[ \t>]*(?:`{3,}|~{3,})[^\n]*$", regex.MULTILINE)
_QUOTE = regex.compile(r"^[ \t]*(?:(?:>[ \t]?)++(?:#{1,6}[ \t]+)?|#{1,6}[ \t]+)", regex.MULTILINE)


class Undecided(Exception):
    """A check that could not be decided, such as a pattern that ran out of time; becomes a status, never a grade"""


class Text:
    """What somebody said, and the forms in which it is searched"""

    def __init__(self, text: str, before: "Sequence[Turn]" = ()) -> None:
        self.raw = alike(text[:LONGEST_REPLY])
        "As it was written, but for characters that look alike"
        self.before = before
        "All that was said before it"
        self._read: dict[Any, Any] = {}

    @cached_property
    def plain(self) -> str:
        """Without Markdown, HTML, LaTeX and what is struck out; list markers stay"""
        return plain(self.raw)

    @cached_property
    def folded(self) -> str:
        """`plain` without accents, so that Brasilia is Brasília"""
        return fold(self.plain)

    def once(self, read: Callable[[str], _T]) -> _T:
        """What a function reads out of `folded`, computed once"""
        if read not in self._read:
            self._read[read] = read(self.folded)
        return self._read[read]


def alike(text: str) -> str:
    """Straight quotes, simple spaces and hyphens, composed letters, no invisible characters"""
    return unicodedata.normalize("NFC", _MARKS.sub(r"\1", text)).translate(_ALIKE)


def fold(text: str) -> str:
    """Without accents"""
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))


def plain(text: str) -> str:
    """What is left to read when Markdown, HTML and LaTeX are shown"""
    text = _STRUCK.sub("", text)
    text = _TAG.sub(lambda tag: _BETWEEN.get(tag[2].lower(), ""), text)
    if "&" in text:
        text = html.unescape(text).translate(_ALIKE)
    if "$" in text:
        text = _MATH.sub(r"\2", text)
    if "\\" in text or "{,}" in text:
        text = _LATEX.sub(_shown, text)
        text = text.replace("^\\circ", "°").replace("^°", "°").replace("^{°}", "°")
    text = _LINK.sub(r"\1", _QUOTE.sub("", _FENCE.sub("", text)))
    return _STARS.sub("", text)


def _shown(found: "regex.Match[str]") -> str:
    top, bottom, words, sign, space, escaped = found.groups()
    if top:
        return f"{top}/{bottom}"
    if words is not None:
        return words
    if sign:
        return _SIGNS.get(sign, " ")
    return "," if found[0] == "{,}" else escaped or (" " if space else "")


SHOWN = 4
"Texts of a long list that a reason names"


def without_any(names: Sequence[str]) -> str:
    """What is said where none of several texts is there, of which a long list is cut"""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN + 1 else ""
    return f"without any of {', '.join(names[:SHOWN] if more else names)}{more}"


def texts(value: Any) -> list[Any]:
    """One text or several, as a list"""
    return list(value) if isinstance(value, list | tuple) else [value]


def is_pattern(text: str) -> bool:
    """Whether it stands between slashes and so is a regular expression"""
    return len(text) > 2 and text.startswith("/") and text.endswith("/")


def as_pattern(text: str) -> str:
    """The pattern of a text: what is between slashes, else the literal between word boundaries, '*' as any ending"""
    if is_pattern(text):
        return text[1:-1]
    text = text.strip()
    stem = text[:-1] if len(text) > 1 and text.endswith("*") else text
    before = r"(?<![\p{L}\p{N}])" if stem[0].isalnum() else ""
    after = r"(?![\p{L}\p{N}])" if stem == text and stem[-1].isalnum() else ""
    return before + r"\s+".join(regex.escape(part) for part in stem.split()) + after


@lru_cache(maxsize=4096)
def compiled(pattern: str) -> Any:
    """The pattern, read as the reply is; LimaError for what is not one"""
    if len(pattern) > LONGEST_PATTERN:
        raise LimaError(f"a pattern has {len(pattern)} characters; at most {LONGEST_PATTERN} are allowed.")
    try:
        return regex.compile(alike(pattern), _FLAGS)
    except regex.error as e:
        raise LimaError(f"{pattern!r} is not a regular expression: {e}.") from None


def found(pattern: str, text: str, at_start: bool = False) -> bool:
    """Whether a pattern matches somewhere, or at the start; Undecided when it takes too long"""
    one = compiled(pattern)
    try:
        return bool((one.match if at_start else one.search)(text, timeout=SECONDS))
    except TimeoutError:
        raise Undecided(f"the pattern {pattern!r} took longer than {SECONDS} s on this reply") from None


def has(text: str, reply: Text) -> bool:
    """Whether a text is there in any guise: with markup or without, with accents or without"""
    pattern = as_pattern(text)
    if found(pattern, reply.raw) or found(pattern, reply.plain):
        return True
    return not is_pattern(text) and found(fold(pattern), reply.folded)
