"""Replies that were recorded elsewhere, `recorded:FILE`: rows of conversation, turn (from 1), reply; seed and stop if known.

What a judge answered can be recorded, too: its seed is the number of the vote, and `code` is the code that it was asked for.

A row without a seed answers every seed. They are found by the dialogue's keys, never by the text of a prompt. Knows nothing of
who gave the replies.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lima import LimaError, Reply, read_rows

if TYPE_CHECKING:
    from lima import Prompt, Row, Sampling

Key = tuple[str, int, int]
"Conversation, turn (from 1) and seed"


class RecordedReplies:
    """`recorded:FILE`, replies from elsewhere"""

    description = (
        "replies recorded elsewhere: recorded:FILE.jsonl with rows of conversation, turn, reply, and optionally seed"
    )

    def open(self, argument: str | None, store: Any) -> "Recording":
        """The recording; LimaError with file and line for a row that is not one"""
        if not argument:
            raise LimaError("Name the file: recorded:FILE.jsonl, with rows of conversation, turn and reply.")
        return Recording(argument)


class Recording:
    """A file of replies that answers as a model"""

    def __init__(self, file: str) -> None:
        self.name = f"recorded:{Path(file).resolve()}"
        self.file = file
        self._replies: dict[tuple[str, int, int | None], tuple[str, str, str]] = {}
        places: dict[tuple[str, int, int | None], str] = {}
        for row in read_rows(file):
            key, reply = _read(row)
            if key in places:
                seed = "" if key[2] is None else f", seed {key[2]}"
                raise LimaError(
                    f"{row.where}: conversation {key[0]!r}, turn {key[1]}{seed} has a reply in {places[key]} already. Keep one."
                )
            places[key], self._replies[key] = row.where, reply
        if not self._replies:
            raise LimaError(f"{file} has no reply in it; expected rows of conversation, turn and reply.")

    def identity(self) -> str:
        """All replies with their keys"""
        return "\n".join(["recorded", *(repr(item) for item in sorted(self._replies.items(), key=repr))])

    def code(self, key: Key) -> str:
        """The code with which the recorded answer of a judge begins its lines; empty where none is recorded"""
        row = self._row(key)
        return row[2] if row else ""

    def _row(self, key: Key) -> tuple[str, str, str] | None:
        return self._replies.get(key) or self._replies.get((key[0], key[1], None))

    def reply(
        self,
        prompts: "Sequence[Prompt]",
        settings: "Sampling",
        seed: int | Sequence[int],
        on_progress: Callable[[int], None] | None = None,
        keys: Sequence[Key] | None = None,
    ) -> list[Reply | Exception]:
        """The recorded replies to these turns of dialogues; a LimaError in the place of one that is missing"""
        if keys is None:
            raise LimaError(f"{self.name} answers turns of conversations only, as in `lima dialogues run EVALUATION`.")
        found: list[Reply | Exception] = []
        for conversation, turn, one in keys:
            row = self._row((conversation, turn, one))
            if row is None:
                found.append(
                    LimaError(f"{self.file} has no reply for conversation {conversation!r}, turn {turn}, seed {one}.")
                )
            else:
                found.append(Reply(row[0], [], row[1], 0.0, []))
        if on_progress:
            on_progress(sum(isinstance(one, Reply) for one in found))
        return found


def _read(row: "Row") -> tuple[tuple[str, int, int | None], tuple[str, str, str]]:
    """(key, (reply, stop, code)) of one row; LimaError with its place for anything else"""
    value = row.value
    if not isinstance(value, dict):
        raise LimaError(f"{row.where}: {row.problem or 'expected an object with conversation, turn and reply.'}")
    conversation, reply = value.get("conversation"), value.get("reply")
    stop, code = value.get("stop", "stop"), value.get("code", "")
    numbers = {name: _number(row, name) for name in ("turn", "seed")}
    if not isinstance(conversation, str) or not conversation:
        raise LimaError(f"{row.where}: 'conversation' is {conversation!r}; expected the id of a conversation.")
    if not isinstance(reply, str):
        raise LimaError(f"{row.where}: 'reply' is {reply!r}; expected text.")
    if not isinstance(stop, str):
        raise LimaError(f"{row.where}: 'stop' is {stop!r}; expected why the reply ended, such as 'stop' or 'length'.")
    if not isinstance(code, str):
        raise LimaError(f"{row.where}: 'code' is {code!r}; expected the code of a judge's answer.")
    if not numbers["turn"]:
        raise LimaError(f"{row.where}: 'turn' is {value.get('turn')!r}; expected a whole number from 1.")
    return (conversation, numbers["turn"], numbers["seed"]), (reply, stop or "stop", code)


def _number(row: "Row", name: str) -> int | None:
    """A whole number from 0, also as the text that CSV has; None where there is none"""
    value = row.value.get(name)
    if row.texts and isinstance(value, str):
        value = int(value) if value.isascii() and value.isdecimal() else value or None
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
        raise LimaError(f"{row.where}: {name!r} is {value!r}; expected a whole number.")
    return value
