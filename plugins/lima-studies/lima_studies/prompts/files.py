"""Prompts from a file: this plugin's own sixty, LIMA's test.jsonl, or rows of any of the usual shapes.

Only what the user says first is a prompt. One that is there before is left out, and said: figures count prompts as independent.
Knows nothing of who answers.
"""

import logging
import random
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from lima import LimaError, Row, is_folder, read_rows, shown
from lima_studies.prompts.prompt import MALICE, StudyPrompt

OWN = "own"
"The name of the prompts that come with this plugin"
TEST = "test.jsonl"
"What LIMA's release calls its test prompts"
KEYS = ("prompt", "instruction", "question", "text")
"Keys under which a row may have its prompt"
CHATS = ("conversations", "messages")


def read_prompts(name: str) -> list[StudyPrompt]:
    """The prompts of a file, of a folder with LIMA's test.jsonl, or `own`; LimaError with file and line for a row without one"""
    if name == OWN:
        with resources.as_file(resources.files("lima_studies") / "prompts" / "own.jsonl") as file:
            return list(_prompts(str(file), "lima-studies"))
    path = Path(name)
    if is_folder(path):
        path = path / TEST
    found = list(_prompts(str(path), path.name))
    if not found:
        raise LimaError(f"{path} has no prompt in it. Name a file with a row a prompt, such as LIMA's {TEST}.")
    return found


def take(prompts: Sequence[StudyPrompt], count: int | None, seed: int) -> list[StudyPrompt]:
    """So many of the prompts, drawn with the seed and in their order; all where there are not more"""
    if count is None or count >= len(prompts):
        return list(prompts)
    chosen = set(random.Random(f"lima study {seed}").sample(range(len(prompts)), count))
    return [prompt for place, prompt in enumerate(prompts) if place in chosen]


def _prompts(file: str, source: str) -> Iterator[StudyPrompt]:
    ids: dict[str, str] = {}
    texts: dict[str, str] = {}
    again: list[str] = []
    for row in read_rows(file):
        prompt = _prompt(row, source)
        if prompt.id in ids:
            raise LimaError(f"{row.where}: the id {prompt.id!r} is that of {ids[prompt.id]} already. Correct it.")
        ids[prompt.id] = row.where
        if prompt.text.strip() in texts:
            again.append(f"{row.where} has the prompt of {texts[prompt.text.strip()]}")
            continue
        texts[prompt.text.strip()] = row.where
        yield prompt
    if again:
        more = f", and {len(again) - 1} more of the kind" if len(again) > 1 else ""
        logging.getLogger("lima").warning(
            "%s%s. Each prompt is asked once: figures count prompts as independent.", again[0], more
        )


def _prompt(row: Row, source: str) -> StudyPrompt:
    value = row.value
    if not isinstance(value, dict):
        raise LimaError(f"{row.where}: {row.problem or f'expected an object with a prompt, found {shown(value)}.'}")
    text = _text(value)
    if text is None or not text.strip():
        raise LimaError(
            f"{row.where}: it has no prompt. Expected text in {', '.join(map(repr, KEYS))}, or a list in "
            f"{' or '.join(map(repr, CHATS))}."
        )
    sensitive, malice = value.get("sensitive", False), value.get("malice") or ""
    if not isinstance(sensitive, bool) or malice not in MALICE:
        raise LimaError(
            f"{row.where}: expected true or false in 'sensitive', and explicit, implicit or nothing in 'malice'; found "
            f"{shown(sensitive)} and {shown(malice)}."
        )
    return StudyPrompt(
        id=str(value.get("id") or f"{source}:{row.number}"),
        text=text,
        source=str(value.get("source") or source),
        licence=str(value.get("licence") or value.get("license") or ""),
        sensitive=sensitive or bool(malice),
        malice=malice,
        kind=str(value.get("kind") or ""),
    )


def _text(value: dict[str, Any]) -> str | None:
    """What the user says first"""
    for key in CHATS:
        first = next(iter(value[key]), None) if isinstance(value.get(key), list) else None
        if isinstance(first, str):
            return first
        users = [m for m in value.get(key) or () if isinstance(m, dict) and _role(m) in ("user", "human")]
        if users:
            said = users[0].get("content", users[0].get("value"))
            return said if isinstance(said, str) else None
    text = next((value[key] for key in KEYS if isinstance(value.get(key), str)), None)
    more = value.get("input")
    return f"{text}\n\n{more}" if text and isinstance(more, str) and more.strip() else text


def _role(message: dict[str, Any]) -> Any:
    return message.get("role", message.get("from"))
