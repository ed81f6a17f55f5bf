"""The file of the package chitchat-dataset: where it is, and what a conversation in it must have.

The package itself is not imported: its data is one JSON file, {id: {"messages", "prompt", "ratings", "start"}}. Knows nothing of
examples.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lima import LimaError, NotJson, Wrong, kind_of, parse_json, read_bytes, shown

PACKAGE = "chitchat-dataset"
RATINGS = ("witty", "interesting", "upbeat")
HIGHEST = 10


@dataclass(frozen=True)
class Said:
    """What one of the two wrote in a row"""

    speaker: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Chat:
    """A conversation of the file"""

    id: str
    where: str
    topic: str
    "What both were shown before they began; '' where the file does not say"
    ratings: dict[str, int]
    "From 1 to 10, by kind; none where nobody rated"
    date: str
    said: tuple[Said, ...]


def file_of(argument: str | None) -> Path:
    """The file: that of the installed package, or the one that is named; LimaError where there is none"""
    if argument:
        return Path(argument)
    spec = find_spec("chitchat_dataset")
    if spec is None or not spec.submodule_search_locations:
        raise LimaError(f"The package {PACKAGE} is not installed: `pip install {PACKAGE}`.")
    return Path(spec.submodule_search_locations[0]) / "dataset.json"


def conversations_in(file: Path) -> Iterator[tuple[str, str, Any]]:
    """(id, where, the value) of each conversation; LimaError for a file that is not one object of JSON"""
    try:
        whole = parse_json(read_bytes(file, "the conversations"))
    except NotJson as e:
        raise LimaError(
            f"{file} {e}. Correct it; that of the package comes again with `pip install --force-reinstall {PACKAGE}`."
        ) from None
    if not isinstance(whole, dict):
        raise LimaError(f"{file} is {kind_of(whole)}; expected an object with a conversation under each id.")
    for number, id in enumerate(list(whole), 1):
        yield id, f"{file.name}, conversation {number} ({id[:40]})", whole.pop(id)


def chat_of(id: str, where: str, value: Any) -> Chat:
    """A conversation, checked; Wrong for one of another shape"""
    if not isinstance(value, dict) or not isinstance(value.get("messages"), list):
        raise Wrong('it has no list of messages; expected {"messages": [[{"text": …, "sender": …}]], "prompt": …}.')
    if not id.strip():
        raise Wrong("its id is empty.")
    topic = value.get("prompt")
    if topic is not None and not isinstance(topic, str):
        raise Wrong(f"its prompt is {kind_of(topic)}; expected text.")
    date = value.get("start")
    said = tuple(_said(number, one) for number, one in enumerate(value["messages"], 1))
    return Chat(
        id,
        where,
        (topic or "").strip(),
        _ratings(value.get("ratings")),
        date[:10] if isinstance(date, str) else "",
        said,
    )


def _said(number: int, message: Any) -> Said:
    if not isinstance(message, list) or not message:
        raise Wrong(f"message {number} is {kind_of(message)}; expected a list of what one person wrote in a row.")
    for one in message:
        if not (isinstance(one, dict) and isinstance(one.get("text"), str) and isinstance(one.get("sender"), str)):
            raise Wrong(f"message {number} has something without a text and its sender.")
    senders = {one["sender"] for one in message}
    if len(senders) > 1:
        raise Wrong(f"message {number} is of {len(senders)} people; expected what one person wrote in a row.")
    return Said(message[0]["sender"], tuple(one["text"] for one in message))


def _ratings(value: Any) -> dict[str, int]:
    """The ratings, whose numbers the file has partly as texts"""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Wrong(f"its ratings are {kind_of(value)}; expected an object.")
    found = dict[str, int]()
    for name in RATINGS:
        given = value.get(name)
        text = str(given) if isinstance(given, str | int) and not isinstance(given, bool) else ""
        if given is not None and not (text.isdecimal() and len(text) < 3 and 1 <= int(text) <= HIGHEST):
            raise Wrong(f"its rating {name} is {shown(given)}; expected a number from 1 to {HIGHEST}.")
        found |= {name: int(text)} if given is not None else {}
    return found
