"""Conversations: what is trained on beyond one prompt and one response, and what an evaluation asks turn by turn.

Knows nothing of files, templates or tokens. Everything here is checked when it is made, so code that has a `Conversation` may
rely on its turns alternating and ending with an answer.
"""

import re
import sys
from dataclasses import dataclass, field
from typing import Any

from lima import Example, LimaError, Record, did_you_mean

ROLES = ("system", "user", "assistant", "tool")
SURROGATE = re.compile("[\ud800-\udfff]")
"Lone surrogates, which JSON can write and UTF-8 cannot"


@dataclass(frozen=True)
class Turn:
    """One utterance"""

    role: str
    "system, user, assistant or tool, whose content is a tool's answer to the calls of the assistant's turn before it"
    content: str
    train: bool = True
    "Whether an assistant's turn is learnt from; other turns never are"
    weight: float = 1.0
    "Loss weight of an assistant's tokens; 0 is not trained"
    thoughts: str = ""
    "What an assistant thinks before it answers"
    tool_calls: tuple[dict[str, Any], ...] = ()
    'Each {"type": "function", "id": …, "function": {"name": …, "arguments": {…}}}'
    name: str = ""
    "Who speaks, or the tool that answers"

    def said(self) -> dict[str, Any]:
        """Role and text as `content()` has them, and what only some turns have"""
        more = {"thoughts": self.thoughts, "tool_calls": list(self.tool_calls), "name": self.name}
        return {"role": self.role, "content": self.content} | {key: value for key, value in more.items() if value}

    @property
    def trained(self) -> bool:
        """Whether this turn carries loss"""
        return self.role == "assistant" and self.train and self.weight > 0


@dataclass(frozen=True, kw_only=True)
class Conversation(Record):
    """Turns of user and assistant in alternation, with a system turn first if there is one, ending with an answer"""

    turns: tuple[Turn, ...]
    tools: tuple[dict[str, Any], ...] = ()
    "Descriptions of the functions that the assistant may call, as the file has them"

    def __post_init__(self) -> None:
        object.__setattr__(self, "turns", tuple(self.turns))
        object.__setattr__(self, "tools", tuple(self.tools))
        if problem := problem_of(self.turns):
            raise LimaError(
                f"Conversation {self.id!r}{f' of source {self.source!r}' if self.source else ''}: {problem}"
            )

    def content(self) -> dict[str, Any]:
        """Role and text of each turn; a turn of the assistant also says what weight it is learnt with"""
        return {
            "turns": [
                t.said() | ({"weight": t.weight if t.train else 0.0} if t.role == "assistant" else {})
                for t in self.turns
            ]
        } | ({"tools": list(self.tools)} if self.tools else {})

    @property
    def trained_turns(self) -> tuple[int, ...]:
        """Indices of the turns that carry loss"""
        return tuple(i for i, t in enumerate(self.turns) if t.trained)

    @classmethod
    def of(cls, record: "Conversation | Example") -> "Conversation":
        """The record itself when it is a conversation, else prompt and response as two turns"""
        if isinstance(record, Conversation):
            return record
        return cls(
            id=record.id,
            source=record.source,
            licence=record.licence,
            provenance=record.provenance,
            turns=(Turn("user", record.prompt), Turn("assistant", record.response, weight=record.weight)),
        )


def problem_of(turns: tuple[Turn, ...]) -> str:
    """What is wrong with these turns, as a sentence naming the turn (counted from 1); empty if nothing is wrong"""
    if not turns:
        return "it has no turns; expected a user's and an assistant's."
    expected: tuple[str, ...] = ("system", "user")
    for number, turn in enumerate(turns, 1):
        if turn.role not in ROLES:
            return f"turn {number} has role {turn.role!r}.{did_you_mean(str(turn.role), ROLES)}"
        if not isinstance(turn.content, str):
            return f"turn {number} ({turn.role}) is {type(turn.content).__name__}; expected text."
        if not turn.content.isascii() and (at := SURROGATE.search(turn.content)):
            return (
                f"turn {number} ({turn.role}) has half a character, {at[0]!r}, which is not text. Correct its encoding."
            )
        if not isinstance(turn.train, bool):
            return f"turn {number} ({turn.role}) has train {turn.train!r}; expected true or false."
        if (
            isinstance(turn.weight, bool)
            or not isinstance(turn.weight, int | float)
            or not 0 <= turn.weight <= sys.float_info.max
        ):
            return f"turn {number} ({turn.role}) has weight {turn.weight!r}; expected a number of 0 or more."
        if turn.role not in expected:
            wanted = " or ".join(expected)
            advice = (
                "a system turn comes first or not at all" if turn.role == "system" else "user and assistant alternate"
            )
            return f"turn {number} is the {turn.role}'s where the {wanted}'s was expected; {advice}."
        if turn.role == "assistant" and not turn.content.strip() and not turn.tool_calls:
            return f"turn {number} is an empty answer. Write it, or leave the conversation out."
        expected = _after(turn)
    if turns[-1].role != "assistant":
        return f"it ends with turn {len(turns)}, the {turns[-1].role}'s; expected an answer. Add it, or drop that turn."
    return ""


def _after(turn: Turn) -> tuple[str, ...]:
    """The roles that may speak after a turn"""
    if turn.role == "tool":
        return ("assistant", "tool")
    if turn.role == "assistant":
        return ("tool",) if turn.tool_calls else ("user",)
    return ("assistant",) if turn.role == "user" else ("user",)


@dataclass(frozen=True)
class EvalTurn:
    """One scripted user turn of an evaluation, with what is required of the reply"""

    user: str
    requirements: tuple[dict[str, Any], ...] = ()
    'Each {"text": …, "check": {…} (optional), "must": bool}'
    kind: str = ""
    "What the turn tries: opening, follow-up, correction …"
    facts: dict[str, Any] = field(default_factory=dict)
    "What a grader of facts needs to know"


@dataclass(frozen=True)
class EvalConversation:
    """A scripted conversation: the user's turns are given, the replies are the model's own"""

    id: str
    topic: str
    turns: tuple[EvalTurn, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "turns", tuple(self.turns))
        if not self.turns:
            raise LimaError(f"Evaluation conversation {self.id!r} has no turns; expected at least one user turn.")
        for number, turn in enumerate(self.turns, 1):
            if not isinstance(turn.user, str) or not turn.user.strip():
                raise LimaError(f"Evaluation conversation {self.id!r}: turn {number} has no text for the user to say.")
