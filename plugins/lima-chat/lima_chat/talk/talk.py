"""A conversation between a person and a model, one exchange after another; the last one can be undone or asked again.

Knows nothing of terminals, files or databases.
"""

import hashlib
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

from lima import LimaError, Reply, Sampling, Streams, blank, storable
from lima_chat.conversation import Conversation, Turn

STOPPED = "stopped"
"The `stop` of a reply that the person stopped"


@dataclass(frozen=True)
class Exchange:
    """What the person said, and the reply"""

    user: str
    reply: Reply
    attempt: int = 0
    "How often the reply was asked for again"


@dataclass
class Talk:
    """One person and one model"""

    id: str
    model: Any
    sampling: Sampling
    seed: int = 0
    system: str = ""
    exchanges: list[Exchange] = field(default_factory=list)

    @property
    def history(self) -> tuple[Turn, ...]:
        """Everything said so far, as a template is given it"""
        turns = [Turn("system", self.system)] if self.system else []
        for one in self.exchanges:
            turns += [Turn("user", one.user), Turn("assistant", one.reply.text, thoughts=one.reply.thoughts)]
        return tuple(turns)

    def say(self, text: str, attempt: int = 0) -> Generator[str, None, None]:
        """Say something: the reply piece by piece, and then it is the last exchange

        Ctrl-C, or closing the iterator, stops the reply and keeps what there is of it. LimaError for a model that fails, or
        whose context the talk fills; then nothing was said."""
        text, given, began = storable(text), list[str](), time.perf_counter()
        prompt = (*self.history, Turn("user", text))
        try:
            reply = yield from _answer(self.model, prompt, self.sampling, self._seed(attempt), given)
        except (GeneratorExit, KeyboardInterrupt):
            if not blank(so_far := "".join(given)):
                self._keep(text, Reply(so_far.strip(), [], STOPPED, time.perf_counter() - began, []), attempt)
            raise
        self._keep(text, reply, attempt)

    def _keep(self, text: str, reply: Reply, attempt: int) -> None:
        said = replace(reply, text=storable(reply.text), thoughts=storable(reply.thoughts))
        self.exchanges.append(Exchange(text, said, attempt))

    def undo(self) -> Exchange | None:
        """Take back the last exchange; None where there is none"""
        return self.exchanges.pop() if self.exchanges else None

    def conversation(self) -> Conversation:
        """The talk as something that can be trained on; LimaError while it has no exchange with a reply"""
        return Conversation(id=self.id, source="lima chat", turns=self.history)

    def _seed(self, attempt: int) -> int:
        """Of the next reply: a function of the talk's seed, its place and the attempt, so that a talk can be had again"""
        text = f"{self.seed}\0{len(self.exchanges)}\0{attempt}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")


def _answer(
    model: Any, prompt: tuple[Turn, ...], sampling: Sampling, seed: int, given: list[str]
) -> Generator[str, None, Reply]:
    """The reply piece by piece, each noted in `given` first; in one piece by a model that does not stream. Returns the reply

    LimaError for what is no reply, or where the talk fills the context."""
    if isinstance(model, Streams):
        reply = yield from _noted(model.stream(prompt, sampling, seed), given)
    else:
        (reply,) = model.reply([prompt], sampling, [seed])
    if isinstance(reply, Exception):
        raise reply if isinstance(reply, LimaError) else LimaError(f"{model.name} failed: {reply}")
    if reply.stop == "context" and not (reply.text or reply.thoughts):
        raise LimaError(
            f"The talk fills the context of {model.name}. Take exchanges back with /undo, or begin again with /clear."
        )
    so_far = "".join(given)
    if reply.text.startswith(so_far) and len(reply.text) > len(so_far):
        yield reply.text[len(so_far) :]
    return reply


def _noted(pieces: Generator[str, None, Reply], given: list[str]) -> Generator[str, None, Reply]:
    """The same pieces, each noted before it is handed on; returns what they return, and closes them when it is closed"""
    with closing(pieces):
        while True:
            try:
                piece = next(pieces)
            except StopIteration as end:
                return end.value
            given.append(piece)
            yield piece
