"""Replies that another system gave elsewhere, `replies:FILE`: rows of prompt and reply, with its version and the date where
known.

Found by the prompt's text. Outputs in the form of AlpacaEval (instruction, output, generator) are read, too. Knows nothing of who
gave the replies.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lima import LimaError, Reply, read_rows

if TYPE_CHECKING:
    from lima import Prompt, Row, Sampling

PROMPTS, REPLIES, VERSIONS = (
    ("prompt", "instruction"),
    ("reply", "output", "response"),
    ("version", "generator", "model"),
)
"Keys of a row, the first that it has"


@dataclass(frozen=True)
class Recorded:
    """A recorded reply"""

    text: str
    version: str
    date: str
    stop: str


class ReplyFiles:
    """`replies:FILE`, what a system replied elsewhere"""

    description = (
        "what a system replied elsewhere: replies:FILE with rows of prompt, reply, and optionally version and date"
    )

    def open(self, argument: str | None, store: Any) -> "ReplyFile":
        """The recording; LimaError with file and line for a row that is not one"""
        if not argument:
            raise LimaError("Name the file: replies:FILE.jsonl, with rows of prompt and reply.")
        return ReplyFile(argument)


class ReplyFile:
    """A file of replies that answers as a model"""

    def __init__(self, file: str) -> None:
        self.file, self.name = file, f"replies:{Path(file).resolve()}"
        self._replies: dict[str, Recorded] = {}
        places: dict[str, str] = {}
        for row in read_rows(file):
            prompt, reply = _read(row)
            if prompt in places:
                raise LimaError(f"{row.where}: its prompt has a reply in {places[prompt]} already. Keep one.")
            places[prompt], self._replies[prompt] = row.where, reply
        if not self._replies:
            raise LimaError(f"{file} has no reply in it; expected rows of prompt and reply.")

    def identity(self) -> str:
        """All replies with their prompts"""
        return "\n".join(["replies", *(repr(item) for item in sorted(self._replies.items(), key=repr))])

    def recorded(self, prompt: str) -> tuple[str, str]:
        """(version, date) of the reply to a prompt, as the file says; empty where it does not"""
        found = self._replies.get(prompt.strip())
        return (found.version, found.date) if found else ("", "")

    def kept(self, prompt: str) -> str | None:
        """The reply to a prompt"""
        found = self._replies.get(prompt.strip())
        return found.text if found else None

    def reply(
        self,
        prompts: "Sequence[Prompt]",
        settings: "Sampling",
        seed: int | Sequence[int],
        on_progress: Callable[[int], None] | None = None,
    ) -> list[Reply | Exception]:
        """The recorded replies to these texts; a LimaError in the place of one that is missing"""
        found: list[Reply | Exception] = []
        for prompt in prompts:
            text = _asked(prompt)
            one = self._replies.get(text.strip())
            if one is None:
                found.append(LimaError(f"{self.file} has no reply to the prompt {text[:60]!r}."))
            else:
                found.append(Reply(one.text, [], one.stop, 0.0, []))
        if on_progress:
            on_progress(sum(isinstance(one, Reply) for one in found))
        return found


def _asked(prompt: "Prompt") -> str:
    """The text of a prompt: what is said last, of messages"""
    if isinstance(prompt, str):
        return prompt
    return str(getattr(prompt[-1], "content", "")) if prompt else ""


def _read(row: "Row") -> tuple[str, Recorded]:
    value = row.value
    if not isinstance(value, dict):
        raise LimaError(f"{row.where}: {row.problem or 'expected an object with prompt and reply.'}")

    def first(keys: tuple[str, ...]) -> Any:
        return next((value[key] for key in keys if value.get(key) is not None), None)

    prompt, reply = first(PROMPTS), first(REPLIES)
    if not isinstance(prompt, str) or not prompt.strip():
        raise LimaError(f"{row.where}: expected the prompt's text in 'prompt' (or 'instruction').")
    if not isinstance(reply, str):
        raise LimaError(f"{row.where}: expected the reply's text in 'reply' (or 'output').")
    stop = value.get("stop")
    return prompt.strip(), Recorded(
        reply,
        str(first(VERSIONS) or ""),
        str(value.get("date") or ""),
        stop if isinstance(stop, str) and stop else "stop",
    )
