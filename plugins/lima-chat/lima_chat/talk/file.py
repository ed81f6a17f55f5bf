"""Talks as lines of messages, a format that lima reads again: `lima train --source FILE`.

Knows nothing of who talked.
"""

import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lima import LimaError, absolute
from lima_chat.talk.talk import Talk


def save(file: str, talks: Sequence[Talk], ours: set[Path]) -> str:
    """Write talks to a file, a line each, in one piece; what there is to say of it

    `ours` are the files that were written before in this talk, which are written over. LimaError for any other that exists,
    for one that cannot be written, and for a talk without a reply."""
    if not file:
        raise LimaError("Name the file: /save talk.jsonl")
    place = absolute(os.path.expanduser(file))
    rows = [_row(talk) for talk in talks]
    try:
        _write(place, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), exclusive=place not in ours)
    except FileExistsError:
        raise LimaError(f"{place} exists. Name a new file.") from None
    except OSError as e:
        raise LimaError(f"Cannot write {place}: {e.strerror}. Name another file.") from None
    ours.add(place)
    exchanges = len(talks[0].exchanges)
    return f"Saved {exchanges} exchange{'s' * (exchanges != 1)} to {place}."


def _write(place: Path, text: str, exclusive: bool) -> None:
    """Write a file in one piece; `exclusive`: FileExistsError where there is one, also one that another process has just made"""
    if exclusive:
        place.open("x").close()
    try:
        handle, part = tempfile.mkstemp(prefix=f".{place.name}-", dir=place.parent)
        try:
            with open(handle, "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(part, place.stat().st_mode & 0o777)
            os.replace(part, place)
        except BaseException:
            os.unlink(part)
            raise
    except BaseException:
        if exclusive:
            place.unlink(missing_ok=True)
        raise


def _row(talk: Talk) -> dict[str, Any]:
    if not talk.exchanges:
        raise LimaError("Nothing was said yet.")
    messages = []
    for turn in talk.conversation().turns:
        thoughts = {"reasoning_content": turn.thoughts} if turn.thoughts else {}
        messages.append({"role": turn.role, "content": turn.content} | thoughts)
    return {"id": talk.id, "messages": messages}
