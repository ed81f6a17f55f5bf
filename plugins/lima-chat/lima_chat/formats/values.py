"""What a row must have under a key, or a sentence that says what was found instead.

Knows nothing of any one format.
"""

import json
from collections.abc import Mapping
from typing import Any

from lima import LimaError, NotJson, kind_of, parse_json
from lima_chat.conversation import SURROGATE

DEEPEST = 64
"Levels of a value that travels with a conversation, such as the arguments of a call"
MEDIA = frozenset(("images", "image", "audio", "audios", "video", "videos", "image_url", "input_audio"))


def object_of(value: Any, shape: str) -> dict[str, Any]:
    """The row as an object"""
    if not isinstance(value, dict):
        raise LimaError(f"expected an object such as {shape}, found {kind_of(value)}.")
    return value


def text_of(holder: Mapping[str, Any], key: str, what: str) -> str:
    """The text under a key"""
    value = holder.get(key)
    if isinstance(value, str):
        return value
    found = f"{key!r} is {kind_of(value)}" if key in holder else f"its keys are {names_of(holder)}"
    raise LimaError(f"expected text in {key!r} of {what}, but {found}.")


def optional_text(holder: Mapping[str, Any], keys: tuple[str, ...], what: str) -> str:
    """The text under whichever of some keys has one, or ''; keys with different texts are an error"""
    found = {key: text_of(holder, key, what) for key in keys if key in holder and holder[key]}
    if not found:
        return ""
    if len(set(found.values())) > 1:
        raise LimaError(f"{what} has {' and '.join(map(repr, found))} with different texts. Leave one.")
    return next(iter(found.values()))


def list_of(holder: Mapping[str, Any], key: str, shape: str) -> list[Any]:
    """The list under a key, which a table may have as JSON text"""
    if key not in holder:
        raise LimaError(f"expected {key!r}, as in {shape}; its keys are {names_of(holder)}.")
    value = from_text(holder[key], key)
    if not isinstance(value, list) or not value:
        what = "an empty list" if isinstance(value, list) else kind_of(value)
        raise LimaError(f"{key!r} is {what}; expected a list such as {shape}.")
    return value


def from_text(value: Any, key: str) -> Any:
    """A list or an object that is spelt as JSON in a text; any other value as it is"""
    if not isinstance(value, str) or not value.lstrip().startswith(("[", "{")):
        return value
    try:
        return parse_json(value)
    except NotJson as e:
        raise LimaError(f"the text in {key!r} {e}.") from None


def listed(row: Any, key: str) -> list[Any]:
    """The list under a key, or an empty one; never an error"""
    value = row.get(key) if isinstance(row, dict) else None
    try:
        value = from_text(value, key)
    except LimaError:
        return []
    return value if isinstance(value, list) else []


def plain_json(value: Any, what: str) -> Any:
    """A value that can be stored as JSON and is not nested without end"""
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > DEEPEST:
            raise LimaError(f"{what} is nested more than {DEEPEST} levels deep. Leave the row out.")
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except (TypeError, ValueError) as e:
        raise LimaError(f"{what} cannot be written as JSON ({e}). Leave the row out.") from None
    return value


def whole_text(text: str, what: str) -> str:
    """The text; LimaError where it has half of a character"""
    if half := SURROGATE.search(text):
        raise LimaError(f"{what} has half a character, {half[0]!r}, which is not text. Correct its encoding.")
    return text


def refuse_media(holder: Mapping[str, Any], what: str) -> None:
    """LimaError for pictures and sounds"""
    if MEDIA & holder.keys() and (found := next((key for key in holder if key in MEDIA and holder[key]), None)):
        raise LimaError(f"{what} has {found!r}; only text can be trained on. Leave the row out.")


def names_of(holder: Mapping[str, Any]) -> str:
    """Its keys, as they are listed in an error"""
    return ", ".join(map(repr, holder)) or "none"
