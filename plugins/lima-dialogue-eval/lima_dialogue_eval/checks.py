"""The vocabulary of checks: what a requirement can ask of a reply's words, sentences, lists and form.

Replies may be hostile text: they are only read. Patterns run under a time limit and on a bounded length. Knows nothing of grades.
"""

import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import regex

from lima import LimaError, did_you_mean

if TYPE_CHECKING:
    from lima_chat import Turn

SECONDS = 0.5
"Longest that one pattern may search one reply"
LONGEST_REPLY = 100_000
"Characters of a reply that are searched"
LONGEST_PATTERN = 1_000

_FLAGS = regex.IGNORECASE | regex.MULTILINE | regex.VERSION0
_QUOTES = str.maketrans("‘’‚“”„\u00a0", "'''\"\"\" ")
_ITEM = regex.compile(r"^[ \t]*(?:[-*•–]|\d{1,3}[.)])[ \t]+\S", regex.MULTILINE)
_MARKER = regex.compile(r"^[ \t]*(?:[-*•–]|\d{1,3}[.)]|#{1,6}|>)[ \t]+", regex.MULTILINE)
_RULE = regex.compile(r"^[ \t]*\|?[ \t]*:?-++:?[ \t]*(?:\|[ \t]*:?-++:?[ \t]*)*\|?[ \t]*$")
_WORD = regex.compile(r"[\p{L}\p{N}]+(?:['.,:/@_-][\p{L}\p{N}]+)*")
_ABBREVIATION = regex.compile(r"\b(?:(?i:e\.g|i\.e|etc|vs|cf|approx|dr|mr|mrs|ms|prof|st|a\.m|p\.m)|\p{Lu})\.$")
# Only from the first mark of a row, and without giving any back: anything else is quadratic on a hostile reply.
_END = regex.compile(r"(?<![.!?…])[.!?…]++[\"')\]*_]*+(?=\s|$)")


class Undecided(Exception):
    """A check that could not be decided, such as a pattern that ran out of time; becomes a status, never a grade"""


def missed(check: dict[str, Any], reply: str, history: "Sequence[Turn]" = ()) -> list[str]:
    """What the reply misses of a check, in words; empty when it holds. `history` is all that was said before it"""
    text = reply[:LONGEST_REPLY].translate(_QUOTES)
    return [why for key, wanted in check.items() if (why := _CHECKS[key][1](wanted, text))]


def verify(check: Any) -> None:
    """LimaError for a key, value or pattern that no check has"""
    if not isinstance(check, dict):
        raise LimaError(f'a check is {check!r}; expected an object such as {{"max_words": 50}}.')
    for key, value in check.items():
        if key not in _CHECKS:
            raise LimaError(f"{key!r} is not a check.{did_you_mean(key, _CHECKS)}")
        kind = _CHECKS[key][0]
        right = {
            "number": type(value) is int and value >= 0,
            "boolean": isinstance(value, bool),
            "texts": bool(_texts(value)) and all(isinstance(t, str) and t.strip() for t in _texts(value)),
        }
        right["patterns"] = right["texts"]
        if not right[kind]:
            expected = {"number": "a whole number", "boolean": "true or false"}.get(kind, "a text or a list of texts")
            raise LimaError(f"check {key!r} is {value!r}; expected {expected}.")
        if kind in ("texts", "patterns"):
            for text in _texts(value):
                _compiled(text if kind == "patterns" else _as_pattern(text))


def words(text: str) -> int:
    """Words, with 'don't', '3.5' and 'well-known' as one each"""
    return len(_WORD.findall(text))


def sentences(text: str) -> int:
    """Sentences: each ends with . ! ? or …, or with its line; abbreviations and list markers do not end one"""
    count = 0
    for line in _MARKER.sub("", text).splitlines():
        start, begun = 0, False
        for end in _END.finditer(line):
            # No character is read twice, and the last letters decide on an abbreviation: a hostile reply takes linear time.
            begun = begun or bool(_WORD.search(line, start, end.start()))
            if begun and not _ABBREVIATION.search(line, max(start, end.start() - 8), end.start() + 1):
                count, begun = count + 1, False
            start = end.end()
        count += begun or bool(_WORD.search(line, start))
    return count


def list_items(text: str) -> int:
    """Lines that start with -, *, •, – or a number with . or )"""
    return len(_ITEM.findall(text))


def paragraphs(text: str) -> int:
    """Blocks of text between blank lines"""
    return len([block for block in regex.split(r"\n[ \t]*\n", text) if block.strip()])


def is_json(text: str) -> bool:
    """Whether the whole reply is one JSON value; a code fence around it is forgiven"""
    text = text.strip()
    if text.startswith("```") and text.endswith("```"):
        text = text.removeprefix("```").removesuffix("```")
        text = text.removeprefix("json").removeprefix("JSON")
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def has_table(text: str) -> bool:
    """Whether there is a Markdown table: a row with |, and its line of |---| below"""
    lines = text.splitlines()
    pairs = zip(lines, lines[1:], strict=False)
    return any("|" in head and "|" in rule and len(rule) < 2_000 and _RULE.match(rule) for head, rule in pairs)


def _texts(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _as_pattern(text: str) -> str:
    """The pattern of a text: what is between slashes, else the literal between word boundaries, '*' as any ending"""
    if len(text) > 2 and text.startswith("/") and text.endswith("/"):
        return text[1:-1]
    text = text.strip()
    stem = text[:-1] if len(text) > 1 and text.endswith("*") else text
    before = r"(?<![\p{L}\p{N}])" if stem[0].isalnum() else ""
    after = r"(?![\p{L}\p{N}])" if stem == text and stem[-1].isalnum() else ""
    return before + r"\s+".join(regex.escape(part) for part in stem.split()) + after


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> Any:
    if len(pattern) > LONGEST_PATTERN:
        raise LimaError(f"a pattern has {len(pattern)} characters; at most {LONGEST_PATTERN} are allowed.")
    try:
        return regex.compile(pattern.translate(_QUOTES), _FLAGS)  # as the reply is
    except regex.error as e:
        raise LimaError(f"{pattern!r} is not a regular expression: {e}.") from None


def _found(pattern: str, text: str, at_start: bool = False) -> bool:
    compiled = _compiled(pattern)
    try:
        return bool((compiled.match if at_start else compiled.search)(text, timeout=SECONDS))
    except TimeoutError:
        raise Undecided(f"the pattern {pattern!r} took longer than {SECONDS} s on this reply") from None


def _number(count: Callable[[str], int], what: str, low: bool = False, high: bool = False) -> Callable[[int, str], str]:
    """A check of a count: at least, at most, or exactly"""

    def check(wanted: int, text: str) -> str:
        n = count(text)
        right = n >= wanted if low else n <= wanted if high else n == wanted
        return "" if right else f"{n} {what}, {'at least ' if low else 'at most ' if high else ''}{wanted} wanted"

    return check


def _is(test: Callable[[str], bool], what: str) -> Callable[[bool, str], str]:
    """A check of a property that must be there, or must not"""

    def check(wanted: bool, text: str) -> str:
        return "" if bool(test(text)) == wanted else f"{'no ' if wanted else ''}{what}"

    return check


def _all(wanted: Any, text: str) -> str:
    lacking = [t for t in _texts(wanted) if not _found(_as_pattern(t), text)]
    return f"without {', '.join(map(repr, lacking))}" if lacking else ""


def _any(wanted: Any, text: str) -> str:
    found = any(_found(_as_pattern(t), text) for t in _texts(wanted))
    return "" if found else f"without any of {', '.join(map(repr, _texts(wanted)))}"


def _none(unwanted: Any, text: str) -> str:
    there = [t for t in _texts(unwanted) if _found(_as_pattern(t), text)]
    return f"with {', '.join(map(repr, there))}" if there else ""


def _starts(wanted: Any, text: str) -> str:
    start = text.lstrip()
    right = any(_found(_as_pattern(t), start, at_start=True) for t in _texts(wanted))
    return "" if right else f"does not start with {' or '.join(map(repr, _texts(wanted)))}"


def _matches(wanted: Any, text: str) -> str:
    lacking = [p for p in _texts(wanted) if not _found(p, text)]
    return f"no match of {', '.join(map(repr, lacking))}" if lacking else ""


def _matches_not(unwanted: Any, text: str) -> str:
    there = [p for p in _texts(unwanted) if _found(p, text)]
    return f"matches {', '.join(map(repr, there))}" if there else ""


_CHECKS: dict[str, tuple[str, Callable[[Any, str], str]]] = {
    "max_words": ("number", _number(words, "words", high=True)),
    "min_words": ("number", _number(words, "words", low=True)),
    "max_sentences": ("number", _number(sentences, "sentences", high=True)),
    "contains_all": ("texts", _all),
    "contains_any": ("texts", _any),
    "contains_none": ("texts", _none),
    "regex": ("patterns", _matches),
    "not_regex": ("patterns", _matches_not),
    "list_items": ("number", _number(list_items, "list items")),
    "min_list_items": ("number", _number(list_items, "list items", low=True)),
    "max_list_items": ("number", _number(list_items, "list items", high=True)),
    "no_list": ("boolean", _is(lambda text: not list_items(text), "list-free form")),
    "ends_with_question": (
        "boolean",
        _is(lambda text: text.rstrip(" \n\t\"')*_]").endswith("?"), "question at the end"),
    ),
    "paragraphs": ("number", _number(paragraphs, "paragraphs")),
    "max_paragraphs": ("number", _number(paragraphs, "paragraphs", high=True)),
    "json": ("boolean", _is(is_json, "JSON")),
    "table": ("boolean", _is(has_table, "table")),
    "starts_with": ("texts", _starts),
}
"Each check: the kind of value it takes, and what says how a reply misses it ('' when it holds)"
