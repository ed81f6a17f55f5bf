"""Which texts and patterns a reply has, how it begins and ends.

A text counts as there in any guise where it is wanted, and only as it is written where it is not. Knows nothing of what is
meant.
"""

from typing import Any

import regex

from lima_dialogue_eval.checks.reading.text import Text, as_pattern, found, has, is_pattern, texts, without_any
from lima_dialogue_eval.checks.reading.times import TWELVE

_AT_END = regex.compile(r"(?:[\s\"')*_\]»”]|(?!\d)[\p{Extended_Pictographic}\ufe0f\u200d]|[:;]-?(?=[)D]))+\Z")


def contains_all(wanted: Any, text: Text) -> str:
    lacking = [one for one in texts(wanted) if not has(one, text)]
    return f"without {', '.join(map(repr, lacking))}" if lacking else ""


def contains_any(wanted: Any, text: Text) -> str:
    there = any(has(one, text) for one in texts(wanted))
    return "" if there else without_any([repr(one) for one in texts(wanted)])


def contains_none(unwanted: Any, text: Text) -> str:
    there = [one for one in texts(unwanted) if _is_there(one, text)]
    return f"with {', '.join(map(repr, there))}" if there else ""


def _is_there(one: str, text: Text) -> bool:
    """Whether a text is there for sure: with its accents, and not as a part of a longer number"""
    pattern = as_pattern(one)
    if not is_pattern(one):
        before = r"(?<!\d[.,:/])" if one.strip()[0].isdigit() else ""
        pattern = before + pattern + (r"(?![.,:/]\d)" if one.strip()[-1].isdigit() else "")
    return found(pattern, text.raw) or found(pattern, text.plain)


def starts_with(wanted: Any, text: Text) -> str:
    starts = [text.raw.lstrip(), text.plain.lstrip(" \t\n\"'"), text.plain.lstrip()]
    right = any(found(as_pattern(one), start, at_start=True) for one in texts(wanted) for start in starts)
    return "" if right else f"does not start with {' or '.join(map(repr, texts(wanted)))}"


def matches(wanted: Any, text: Text) -> str:
    lacking = [one for one in texts(wanted) if not (found(one, text.raw) or found(one, text.plain))]
    return f"no match of {', '.join(map(repr, lacking))}" if lacking else ""


def not_regex(unwanted: Any, text: Text) -> str:
    there = [one for one in texts(unwanted) if found(one, text.raw)]
    return f"matches {', '.join(map(repr, there))}" if there else ""


def asks_at_the_end(text: Text) -> bool:
    return _AT_END.sub("", text.plain[-500:]).endswith(("?", "？", "؟"))


def twelve_hours(wanted: bool, text: Text) -> str:
    time = TWELVE.search(text.folded)
    return f"has a time such as {text.folded[max(0, time.start() - 3) : time.end()].strip()!r}" if time else ""
