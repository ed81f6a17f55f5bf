"""What an HTTP status means for whoever asked: it may pass, or it will not, and then what to do about it.

The server's own words are hostile text: shortened here, and made visible where they are printed. Knows nothing of a library.
"""

import re
from collections.abc import Mapping
from typing import Any

from lima import LimaError
from lima_judges.policy import Passing, seconds_of

LONGEST_QUOTE = 300
SHORTEST_KEY = 16
"Characters"
_PASSES = frozenset((408, 409, 425, 429))
_CONTEXT = re.compile(
    r"context_length_exceeded|context (?:length|window)|prompt is too long|exceed\w* the (?:model's )?context",
    re.IGNORECASE,
)


class ContextFull(Exception):
    """The server says that the prompt does not fit the model's context"""


def failure(who: str, status: int, headers: Mapping[str, str], said: str, error: Mapping[str, Any]) -> Exception:
    """The exception for an answer with this status: Passing, ContextFull, or a LimaError that says what to do

    `said` is the text of the answer, `error` the object that an API describes its errors with (empty where there is none)."""
    code = str(error.get("code") or error.get("type") or "")
    words = shortened(str(error.get("message") or "") or said)
    text = f"{who} answered with HTTP status {status}{f': {words}' if words else ''}."
    if status in (400, 413, 422) and _CONTEXT.search(f"{code} {words}"):
        return ContextFull(text)
    if code == "insufficient_quota":
        return LimaError(f"{text} Its account has no credit left.")
    if status in _PASSES or status >= 500:
        return Passing(text, _asked(headers))
    return LimaError(f"{text} {_advice(status, headers)}".strip())


def _asked(headers: Mapping[str, str]) -> float | None:
    """How long the server asks to wait, in seconds; None where it does not say"""
    milliseconds = seconds_of(headers.get("retry-after-ms"))
    return milliseconds / 1000 if milliseconds is not None else seconds_of(headers.get("retry-after"))


def _advice(status: int, headers: Mapping[str, str]) -> str:
    if 300 <= status < 400:
        place = shortened(headers.get("location", "")) or "another address"
        return f"It points to {place}, which is not followed: name that address if you trust it."
    return {
        401: "Set the key that it expects in the environment, such as OPENAI_API_KEY.",
        403: "Its key may not use this model.",
        404: "Check the name of the model, and the address, which usually ends in /v1.",
    }.get(status, "")


def hidden(text: str, key: str) -> str:
    """The text without a key that somebody's words repeat; what is too short to be a key is a placeholder, and stays"""
    return text.replace(key, "[the key]") if len(key) >= SHORTEST_KEY else text


def shortened(text: str) -> str:
    """The text on one line, cut where it is long; an HTML page as its title"""
    if re.match(r"\s*<(?:!doctype|html|head|\?xml)", text, re.IGNORECASE):
        title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
        text = f"a page in HTML{f', titled {title[1].strip()!r}' if title else ''}"
    words = " ".join(text.split())
    return (words if len(words) <= LONGEST_QUOTE else f"{words[:LONGEST_QUOTE]} …").rstrip(".")
