"""Hold many conversations at once: a turn of all of them in one batch, the model's own replies feeding the next.

A model that can be asked further, such as one behind an API, continues each conversation when its reply is there: no slow one
holds up the others. A reply is handed on when it is there. What goes wrong with one conversation (a server that fails, a reply
that is none, a history that fills the context) is a status of that conversation, never a grade and never the end of the others.
Knows nothing of grades or databases.
"""

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lima import PluginStopped, Reply, Sampling, contained, said, storable
from lima_dialogue_eval.conversation.arrivals import Arrivals, shown, takes

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
    "A system turn if the conversation has one; then users' turns and the model's own replies, in turn"
    index: int = 0
    "The next exchange, counted from 0"
    status: str = RUNNING
    "running; then complete, or 'context full' or 'error'"

    def __post_init__(self) -> None:
        if self.conversation.system and not self.history:
            from lima_chat import Turn

            self.history = [Turn("system", self.conversation.system)]

    @property
    def turn(self) -> "EvalTurn":
        return self.conversation.turns[self.index]

    def prompt(self) -> "tuple[Turn, ...]":
        """The history and what the user says next"""
        from lima_chat import Turn

        return (*self.history, Turn("user", self.turn.user))

    def before(self, index: int) -> "tuple[Turn, ...]":
        """Everything said before the reply of an exchange that is in the history; the user's turn is the last"""
        return tuple(self.history[: bool(self.conversation.system) + 2 * index + 1])

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


Keep = Callable[[list[Outcome]], None]
"Takes outcomes when they are there, one or several, after the dialogues have moved on"
Asked = tuple[Dialogue, int, "tuple[Turn, ...]", int]
"A dialogue, which of its exchanges, what the model is prompted with, and its seed"


def converse(
    dialogues: Sequence[Dialogue],
    model: Any,
    sampling: Sampling,
    keep: Keep | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Iterator[list[Outcome]]:
    """Ask the next turn of every dialogue that still runs, until none does; yields the outcomes batch by batch

    `keep` is given each outcome when it is there. `on_progress` is called with the number of new replies by a model that tells
    it while a batch is under way. What the two raise ends everything."""
    listener = on_progress and _Listener(on_progress)
    while live := [d for d in dialogues if d.status == RUNNING]:
        yield _ask(live, model, sampling, keep, listener)


def draw_seed(dialogue: Dialogue) -> int:
    """The seed of one reply: a function of the dialogue's seed, its conversation and the turn, and nothing else

    So a reply does not depend on the rest of its batch, and both arms draw the same numbers."""
    text = f"{dialogue.seed}\0{dialogue.conversation.id}\0{dialogue.index}"
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:6], "big")


class _Listener:
    """Passes progress on, and remembers an error of the callback, which is not the model's"""

    def __init__(self, on_progress: Callable[[int], None]) -> None:
        self.on_progress = on_progress
        self.error: Exception | None = None

    def __call__(self, more: int) -> None:
        try:
            self.on_progress(more)
        except Exception as e:
            self.error = e
            raise


def _ask(
    live: list[Dialogue], model: Any, sampling: Sampling, keep: Keep | None, listener: _Listener | None
) -> list[Outcome]:
    """One outcome per turn, in order: all in one call; if that fails, those that did not come are asked each alone

    The next turns of a model that asks `further` follow the first ones."""
    asked: list[Asked] = [_next(d) for d in live]
    outcomes: dict[int, Outcome] = {}
    followed = set[int]()

    def take(found: list[tuple[int, Any]]) -> None:
        new = [_outcome(asked[place], thing, model) for place, thing in found]
        for (place, _), outcome in zip(found, new, strict=True):
            outcomes[place] = outcome
            _move_on(outcome)
        if keep:
            keep(new)

    def further(place: int) -> "tuple[tuple[Turn, ...], int] | None":
        """The prompt and the seed that follow a reply that was handed over, as the next place; None where nothing follows"""
        outcome = outcomes.get(place)
        if outcome is None or outcome.dialogue.status != RUNNING or place in followed:
            return None
        followed.add(place)
        asked.append(_next(outcome.dialogue))
        whole.expected += 1
        return asked[-1][2:]

    whole = Arrivals(len(asked), take)
    _call(model, asked, sampling, whole, listener, further)
    for place in whole.missing:
        alone = Arrivals(1, lambda found, place=place: take([(place, found[0][1])]))  # type: ignore[misc]
        if message := _call(model, [asked[place]], sampling, alone, listener):
            alone.rest([_Failure(message)])
    return [outcomes[place] for place in range(len(asked))]


def _next(dialogue: Dialogue) -> Asked:
    return dialogue, dialogue.index, dialogue.prompt(), draw_seed(dialogue)


@dataclass(frozen=True)
class _Failure:
    """What became of a prompt that got no reply"""

    message: str


def _call(
    model: Any,
    asked: list[Asked],
    sampling: Sampling,
    arrivals: Arrivals,
    listener: _Listener | None,
    further: Callable[[int], Any] | None = None,
) -> str:
    """Ask for replies to some prompts, which arrive; what went wrong if not all did, in words

    `further` adds to what is asked."""
    prompts, seeds = [prompt for _, _, prompt, _ in asked], [seed for _, _, _, seed in asked]
    own = takes(model.reply, "on_reply")
    more: dict[str, Any] = {"on_reply": arrivals} if own else {}
    if own and further and takes(model.reply, "further"):
        more["further"] = further
    if takes(model.reply, "keys"):
        more["keys"] = [(dialogue.conversation.id, index + 1, dialogue.seed) for dialogue, index, _, _ in asked]
    message = ""
    try:
        with contained(f"a reply of {model.name}"):
            # A model that hands over its replies one by one need not count them as well.
            found = model.reply(prompts, sampling, seeds, None if own else listener, **more)
            replies = [] if found is None else list(found)
        if len(replies) == len(asked):
            arrivals.rest(replies)
        elif arrivals.missing:
            raise ValueError(f"{model.name} gave {len(replies)} replies to {len(asked)} prompts")
    except Exception as e:
        if isinstance(e, PluginStopped):
            raise
        message = said(e)
    # Outside of `except`, where the error no longer keeps the failed batch in memory.
    arrivals.finish()
    if listener and listener.error:
        raise listener.error
    return message if arrivals.missing else ""


def _move_on(outcome: Outcome) -> None:
    if outcome.reply is not None:
        outcome.dialogue.take(outcome.reply.text, outcome.reply.thoughts)
    else:
        outcome.dialogue.status = outcome.status


def _outcome(asked: Asked, found: Any, model: Any) -> Outcome:
    """What became of a prompt: a reply, a full context, or an error, which may be that what came is not a reply"""
    dialogue, index, prompt, _ = asked
    if isinstance(found, BaseException):
        found = _Failure(f"{type(found).__name__}: {found}")
    elif not isinstance(found, _Failure) and (problem := _problem(found)):
        found = _Failure(f"{model.name} gave {problem}")
    if isinstance(found, _Failure):
        return Outcome(dialogue, index, prompt, ERROR, message=found.message)
    # What is stored is what the next turn reads.
    text, thoughts = storable(found.text), storable(found.thoughts)
    if found.stop == "context" and not (text or thoughts):
        tokens = (
            f"The history has {len(found.prompt_ids)} tokens, which fill" if found.prompt_ids else "The history fills"
        )
        return Outcome(dialogue, index, prompt, FULL, message=f"{tokens} the context of {model.name}.")
    said = Reply(text, list(found.ids), storable(found.stop), float(found.seconds), list(found.prompt_ids), thoughts)
    return Outcome(dialogue, index, prompt, ANSWERED, said)


def _problem(found: Any) -> str:
    """What is wrong with a reply; '' if nothing is"""
    try:
        return _wrong(found)
    except Exception as e:
        return f"a reply that cannot be read ({type(e).__name__}: {e})"


def _wrong(found: Any) -> str:
    if not isinstance(found, Reply):
        return f"{shown(found)}; expected a Reply"
    for name in ("text", "stop", "thoughts"):
        if not isinstance(value := getattr(found, name), str):
            return f"a reply whose {name} is {shown(value)}; expected text"
    for name in ("ids", "prompt_ids"):
        ids = getattr(found, name)
        if not isinstance(ids, list | tuple) or not all(isinstance(i, int) for i in ids):
            return f"a reply whose {name} are {shown(ids)}; expected a list of whole numbers"
    if not isinstance(found.seconds, int | float) or not math.isfinite(found.seconds):
        return f"a reply whose seconds are {shown(found.seconds)}; expected a number"
    return ""
