"""Conversations: what is trained on beyond one prompt and one response, and what an evaluation asks turn by turn.

Knows nothing of files, templates or tokens. Everything here is checked when it is made, so code that has a `Conversation` may
rely on its turns alternating and ending with an answer.
"""

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from lima import Example, LimaError, Record, did_you_mean

ROLES = ("system", "user", "assistant", "tool")
FOLLOWED_BY = {
    "": ("system", "user"),
    "system": ("user",),
    "user": ("assistant",),
    "assistant": ("user",),
    "tool": ("tool", "assistant"),
}
"Who may speak after whom; after an assistant's calls only the tools"
SURROGATE = re.compile("[\ud800-\udfff]")
"Lone surrogates, which JSON can write and UTF-8 cannot"


@dataclass(frozen=True)
class Turn:
    """One utterance"""

    role: str
    "system, user, assistant or tool"
    content: str
    "What is said; what a tool answers"
    train: bool = True
    "Whether an assistant's turn is learnt from; other turns never are"
    weight: float = 1.0
    "Loss weight of an assistant's tokens; 0 is not trained"
    thoughts: str = ""
    "What the assistant thought before it answered (reasoning_content, thinking)"
    tool_calls: tuple[dict[str, Any], ...] = ()
    'An assistant\'s calls: {"type": "function", "function": {"name": …, "arguments": {…}}}'
    name: str = ""
    "Which tool answers"
    call_id: str = ""
    "The id of the call that a tool answers, where the file has one"

    @property
    def trained(self) -> bool:
        """Whether this turn carries loss"""
        return self.role == "assistant" and self.train and self.weight > 0


@dataclass(frozen=True, kw_only=True)
class Conversation(Record):
    """Turns of user and assistant in alternation, with a system turn first if there is one, ending with an answer

    After an answer that calls tools come what they answer, and then the assistant again."""

    turns: tuple[Turn, ...]
    tools: tuple[dict[str, Any], ...] = ()
    "The functions that the assistant may call, as JSON describes them"
    tags: tuple[str, ...] = ()
    "What the conversation shows, such as 'ellipsis': for tables, not part of its content"

    def __post_init__(self) -> None:
        object.__setattr__(self, "turns", tuple(self.turns))
        object.__setattr__(self, "tools", tuple(self.tools))
        if problem := problem_of(self.turns):
            raise LimaError(
                f"Conversation {self.id!r}{f' of source {self.source!r}' if self.source else ''}: {problem}"
            )

    def content(self) -> dict[str, Any]:
        """Role and text of each turn, and what else it has; an assistant's turn also says what weight it is learnt with"""
        turns = []
        for turn in self.turns:
            said: dict[str, Any] = {"role": turn.role, "content": turn.content}
            if turn.role == "assistant":
                said["weight"] = turn.weight if turn.train else 0.0
            more = {"thoughts": turn.thoughts, "tool_calls": list(turn.tool_calls), "name": turn.name}
            more |= {"call_id": turn.call_id}
            turns.append(said | {key: value for key, value in more.items() if value})
        return {"turns": turns} | ({"tools": list(self.tools)} if self.tools else {})

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
    before = Turn("", "")
    for number, turn in enumerate(turns, 1):
        if problem := _problem_of_turn(turn, f"turn {number}") or _out_of_order(turn, before, f"turn {number}"):
            return problem
        before = turn
    if before.role != "assistant":
        return f"it ends with turn {len(turns)}, the {before.role}'s; expected an answer. Add it, or drop that turn."
    return ""


def _problem_of_turn(turn: Turn, which: str) -> str:
    """What is wrong with a turn, wherever it stands"""
    if turn.role not in ROLES:
        return f"{which} has role {turn.role!r}.{did_you_mean(str(turn.role), ROLES)}"
    which = f"{which} ({turn.role})"
    for text, what in (
        (turn.content, ""),
        (turn.thoughts, "thoughts: "),
        (turn.name, "name: "),
        (turn.call_id, "call_id: "),
    ):
        if not isinstance(text, str):
            return f"{which} is {what}{type(text).__name__}; expected text."
        if not text.isascii() and (at := SURROGATE.search(text)):
            return f"{which} has half a character, {at[0]!r}, which is not text. Correct its encoding."
    if not isinstance(turn.train, bool):
        return f"{which} has train {turn.train!r}; expected true or false."
    weight = turn.weight
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight <= sys.float_info.max:
        return f"{which} has weight {weight!r}; expected a number of 0 or more."
    if turn.role != "assistant" and (turn.thoughts or turn.tool_calls):
        return f"{which} has thoughts or tool calls, which only the assistant has."
    if turn.role != "tool" and turn.call_id:
        return f"{which} answers a call, which only a tool does."
    if any(not isinstance(c, dict) or not isinstance(c.get("function"), dict) for c in turn.tool_calls):
        return f'{which} has a tool call of another shape; expected {{"function": {{"name": …, "arguments": …}}}}.'
    return ""


def _out_of_order(turn: Turn, before: Turn, which: str) -> str:
    """What is wrong with a turn after the one before it"""
    expected = ("tool",) if before.tool_calls else FOLLOWED_BY[before.role]
    if turn.role not in expected:
        wanted = " or ".join(expected)
        advice = {
            "system": "a system turn comes first or not at all",
            "tool": "a tool answers an assistant's calls",
        }.get(turn.role, "the calls have no answer" if before.tool_calls else "user and assistant alternate")
        return f"{which} is the {turn.role}'s where the {wanted}'s was expected; {advice}."
    if turn.role == "assistant" and not turn.content.strip() and not turn.tool_calls:
        return f"{which} is an empty answer. Write it, or leave the conversation out."
    return ""


@dataclass(frozen=True)
class EvalTurn:
    """One scripted user turn of an evaluation, with what is required of the reply"""

    user: str
    "What the user says"
    requirements: tuple[dict[str, Any], ...] = ()
    'Each {"text": …, "check": {…} (optional), "must": bool}'
    kind: str = ""
    "What the turn tries: opening, follow-up, correction …"
    facts: dict[str, Any] = field(default_factory=dict)
    "What a grader needs to know and the model is not told: `reference` is an answer that a file has, `note` a text for readers"
    null: dict[str, str] = field(default_factory=dict)
    "Why a reply of NULL_REPLIES (an echo, an apology …) may be right here, by its name"


@dataclass(frozen=True)
class EvalConversation:
    """A scripted conversation: the user's turns are given, the replies are the model's own"""

    id: str
    "Unique within its evaluation"
    topic: str
    "For tables and readers"
    turns: tuple[EvalTurn, ...]
    system: str = ""
    "What the model is told before the user speaks; empty: nothing"

    def __post_init__(self) -> None:
        object.__setattr__(self, "turns", tuple(self.turns))
        if not isinstance(self.system, str):
            raise LimaError(f"Evaluation conversation {self.id!r}: 'system' is {self.system!r}; expected text.")
        if not self.turns:
            raise LimaError(f"Evaluation conversation {self.id!r} has no turns; expected at least one user turn.")
        for number, turn in enumerate(self.turns, 1):
            if not isinstance(turn.user, str) or not turn.user.strip():
                raise LimaError(f"Evaluation conversation {self.id!r}: turn {number} has no text for the user to say.")

    @classmethod
    def of(cls, record: "Conversation | Example", topic: str = "") -> "EvalConversation":
        """What the user says in a conversation, as a script; LimaError where tools are called"""
        conversation = Conversation.of(record)
        if conversation.tools:
            raise LimaError(NO_TOOLS)
        return cls(conversation.id, topic, *scripted(conversation.turns))


NO_TOOLS = "it has tools, for which a script cannot answer."


def scripted(turns: Iterable[Turn]) -> tuple[tuple[EvalTurn, ...], str]:
    """(the user's turns, each with the answer that follows it as the fact `reference`; the system's text) of turns in order

    An answer may be missing or empty. LimaError where tools are called."""
    system, asked, answers = "", list[str](), dict[int, str]()
    for turn in turns:
        if turn.role == "tool" or turn.tool_calls:
            raise LimaError(NO_TOOLS)
        if turn.role == "system":
            system = turn.content
        elif turn.role == "user":
            asked.append(turn.content)
        elif turn.content.strip():
            answers[len(asked) - 1] = turn.content
    kinds = ("opening", *["follow-up"] * len(asked))
    script = (
        EvalTurn(text, (), kind, {"reference": answers[n]} if n in answers else {})
        for n, (text, kind) in enumerate(zip(asked, kinds, strict=False))
    )
    return tuple(script), system
