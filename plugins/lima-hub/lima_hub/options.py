"""What a data set's name may say behind a question mark, and the table [plugins.lima-hub] of a recipe for all of them.

Knows nothing of what is done with it.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qsl

from lima import Between, LimaError, absolute, is_file, is_folder, options_of, shown, visible

PLUGIN = "lima-hub"
FORM = "hub:OWNER/NAME, hub:OWNER/NAME@REVISION or hub:FOLDER, each with ?split=… behind it"
_NAME = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95})(?:@(?P<revision>[\w./-]{1,200}))?")


@dataclass(frozen=True)
class Options:
    """How a data set is read"""

    split: str = "train"
    config: str = ""
    "Of a data set with several; '' is the only one, or its default"
    limit: Annotated[int, Between(0, 2**40)] = 0
    "How many rows are read, from the first; 0: all"
    prompt: str = ""
    "The column with what is asked, where no source recognises the rows"
    response: str = ""
    "The column with the answer to it"
    system: str = ""
    "The column with what the model is told before"
    messages: str = ""
    "The column with a list of turns, in place of prompt and response"
    ignore: tuple[str, ...] = ()
    "Keys of rows, and of the messages in them, that are not read"
    merge_turns: bool = False
    "Whether turns of one role in a row are joined"

    def __post_init__(self) -> None:
        if self.messages and (self.prompt or self.response):
            raise LimaError(
                f"{PLUGIN} is told the column of messages and that of prompt or response. Leave one of them out."
            )
        if bool(self.prompt) != bool(self.response):
            raise LimaError(
                f"{PLUGIN} is told the column of the prompt or of the response alone: name both, or neither."
            )
        if not self.split.strip():
            raise LimaError(f"{PLUGIN}.split is empty; expected the name of a split, such as train.")

    def columns(self) -> dict[str, str]:
        """What the columns are mapped to, by its name; empty where the rows are taken as they are"""
        named = {"messages": self.messages, "prompt": self.prompt, "response": self.response, "system": self.system}
        return {key: column for key, column in named.items() if column}


@dataclass(frozen=True)
class Asked:
    """What an argument names"""

    argument: str
    options: Options
    name: str = ""
    "OWNER/NAME of the Hub; '' for a folder"
    revision: str = ""
    folder: Path = field(default=Path())


def asked_for(argument: str | None, settings: Options) -> Asked:
    """The data set of an argument, with the options behind its question mark; LimaError for another form"""
    if not argument:
        raise LimaError(f"The source 'hub' reads a data set: write it as {FORM}.")
    head, mark, query = (argument, "", "") if is_folder(argument) else argument.partition("?")
    options = _with_query(settings, query) if mark else settings
    if is_folder(head) or head.startswith((".", "/", "~")):
        folder = absolute(head)
        if not is_folder(folder):
            if is_file(folder):
                raise LimaError(
                    f"{visible(head)} is a file, not the folder of a data set. Name it alone, without 'hub:'."
                )
            raise LimaError(f"{visible(head)} is not there. Expected the folder of a data set.")
        return Asked(argument, options, folder=folder)
    found = _NAME.fullmatch(head)
    if not found or ".." in head:
        raise LimaError(f"{shown(head)} is neither a folder nor the name of a data set. Expected {FORM}.")
    return Asked(argument, options, found["name"], found["revision"] or "")


def _with_query(settings: Options, query: str) -> Options:
    given: dict[str, Any] = {}
    for key, value in parse_qsl(query, keep_blank_values=True, separator="&"):
        if key in given:
            raise LimaError(f"hub:…?{visible(query)} says {visible(key)} twice. Leave one of them.")
        given[key] = _value(key, value)
    if query and not given:
        raise LimaError(f"hub:…?{visible(query)} cannot be read; expected KEY=VALUE, several with & between.")
    return options_of(Options, PLUGIN, {**_told(settings), **given})


def _value(key: str, text: str) -> Any:
    if key == "limit" and text.isdecimal() and len(text) < 19:
        return int(text)
    if key == "merge_turns":
        return {"true": True, "false": False}.get(text, text)
    return tuple(filter(None, text.split(","))) if key == "ignore" else text


def _told(settings: Options) -> Mapping[str, Any]:
    return asdict(settings)
