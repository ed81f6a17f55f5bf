"""Talks as lines of messages, a format that lima reads again: `lima train --source FILE`.

Knows nothing of who talked.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lima import LimaError, absolute, is_there
from lima_chat.talk.talk import Talk


def save(file: str, talks: Sequence[Talk], ours: set[Path]) -> str:
    """Write talks to a file, a line each, in one piece; what there is to say of it

    `ours` are the files that were written before in this talk, which are written over. LimaError for any other that exists,
    for one that cannot be written, and for a talk without a reply."""
    if not file:
        raise LimaError("Name the file: /save talk.jsonl")
    place = absolute(os.path.expanduser(file))
    if place not in ours and is_there(place):
        raise LimaError(f"{place} exists. Name a new file.")
    rows = [_row(talk) for talk in talks]
    part = place.with_name(place.name + ".part")
    try:
        part.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        os.replace(part, place)
    except OSError as e:
        raise LimaError(f"Cannot write {place}: {e.strerror}. Name another file.") from None
    ours.add(place)
    exchanges = len(talks[0].exchanges)
    return f"Saved {exchanges} exchange{'s' * (exchanges != 1)} to {place}."


def _row(talk: Talk) -> dict[str, Any]:
    if not talk.exchanges:
        raise LimaError("Nothing was said yet.")
    messages = []
    for turn in talk.conversation().turns:
        thoughts = {"reasoning_content": turn.thoughts} if turn.thoughts else {}
        messages.append({"role": turn.role, "content": turn.content} | thoughts)
    return {"id": talk.id, "messages": messages}
