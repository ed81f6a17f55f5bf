"""Hold many conversations at once: a turn of all of them in one batch, the model's own replies feeding the next.

What goes wrong with one conversation (a server that fails, a history that fills the context) is a status of that
conversation, never a grade and never the end of the others. Knows nothing of grades or databases.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from inspect import signature
from typing import TYPE_CHECKING, Any

from lima import PluginStopped, Reply, Sampling, contained, storable

if TYPE_CHECKING:
    from lima_chat import EvalConversation, EvalTurn, Turn

ANSWERED, FULL, ERROR = "answered", "context full", "error"
RUNNING, COMPLETE = "running", "complete"


@dataclass
class Dialogue:
    """One conversation with one seed, and how far it has come"""

    conversation: "EvalConversation"
    seed: int
    history: "list[Turn]" = field(default_factory=list)
    "Users' turns and the model's own replies, in turn"
    index: int = 0
    "The next exchange, counted from 0"
    status: str = RUNNING
    "running; then complete, or 'context full' or 'error'"

    @property
    def turn(self) -> "EvalTurn":
        return self.conversation.turns[self.index]

    def prompt(self) -> "tuple[Turn, ...]":
        """The history and what the user says next"""
        from lima_chat import Turn

        return (*self.history, Turn("user", self.turn.user))

    def take(self, reply: str, thoughts: str = "") -> None:
        """Add the model's reply to the current turn, and move to the next; whether a template shows thoughts is its own affair"""
        from lima_chat import Turn

        self.history = [*self.prompt(), Turn("assistant", reply, thoughts=thoughts)]
        self.index += 1
        if self.index == len(self.conversation.turns):
            self.status = COMPLETE


@dataclass(frozen=True)
class Outcome:
    """What became of one turn of one dialogue"""

    dialogue: Dialogue
    index: int
    prompt: "tuple[Turn, ...]"
    status: str
    "answered, 'context full' or 'error'"
    reply: Reply | None = None
    message: str = ""
    "What went wrong, in the words of the model or server"


def converse(
    dialogues: Sequence[Dialogue], model: Any, sampling: Sampling, on_progress: Callable[[int], None] | None = None
) -> Iterator[list[Outcome]]:
    """Ask the next turn of every dialogue that still runs, until none does; yields the outcomes turn by turn

    `on_progress` is called with the number of new replies while a batch is under way. What it raises ends everything."""
    listener = on_progress and _Listener(on_progress)
    while live := [d for d in dialogues if d.status == RUNNING]:
        outcomes = _ask(live, model, sampling, listener)
        for outcome in outcomes:
            if outcome.reply is not None:
                outcome.dialogue.take(outcome.reply.text, outcome.reply.thoughts)
            else:
                outcome.dialogue.status = outcome.status
        yield outcomes


def draw_seed(dialogue: Dialogue) -> int:
    """The seed of one reply: a function of the dialogue's seed, its conversation and the turn, and nothing else

    So a reply does not depend on the rest of its batch, and both arms draw the same numbers."""
    text = f"{dialogue.seed}\0{dialogue.conversation.id}\0{dialogue.index}"
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:6], "big")


class _Listener:
    """Passes progress on, and remembers an error of the callback, which is not the model's"""

    def __init__(self, on_progress: Callable[[int], None]) -> None:
        self.on_progress, self.failed = on_progress, False

    def __call__(self, more: int) -> None:
        try:
            self.on_progress(more)
        except Exception:
            self.failed = True
            raise


def _ask(
    live: list[Dialogue], model: Any, sampling: Sampling, listener: _Listener | None, once_more: bool = True
) -> list[Outcome]:
    """One outcome per dialogue, in order: all in one call; if that fails, each alone, so that only the failing ones are errors"""
    try:
        with contained(f"a reply of {model.name}"):
            keys = [(d.conversation.id, d.index + 1, d.seed) for d in live]
            more = {"keys": keys} if "keys" in signature(model.reply).parameters else {}
            replies = model.reply([d.prompt() for d in live], sampling, [draw_seed(d) for d in live], listener, **more)
        if len(replies) != len(live):
            raise ValueError(f"{model.name} gave {len(replies)} replies to {len(live)} prompts")
    except Exception as e:
        if isinstance(e, PluginStopped) or (listener and listener.failed):
            raise
        message = f"{type(e).__name__}: {e}"
    else:
        return [_outcome(d, reply, model) for d, reply in zip(live, replies, strict=True)]
    # Outside of `except`, where the error no longer keeps the failed batch in memory.
    if once_more:
        return [outcome for d in live for outcome in _ask([d], model, sampling, listener, once_more=False)]
    return [Outcome(live[0], live[0].index, live[0].prompt(), ERROR, message=message)]


def _outcome(dialogue: Dialogue, reply: Reply | Exception, model: Any) -> Outcome:
    if isinstance(reply, Exception):
        message = f"{type(reply).__name__}: {reply}"
        return Outcome(dialogue, dialogue.index, dialogue.prompt(), ERROR, message=message)
    if reply.stop == "context" and not reply.text:
        message = f"The history has {len(reply.prompt_ids)} tokens, which fill the context of {model.name}."
        return Outcome(dialogue, dialogue.index, dialogue.prompt(), FULL, message=message)
    # What is stored is what the next turn reads.
    said = replace(reply, text=storable(reply.text), thoughts=storable(reply.thoughts))
    return Outcome(dialogue, dialogue.index, dialogue.prompt(), ANSWERED, said)
