"""From a row's turns to a record, for every format.

A single exchange becomes a core Example, which every renderer takes, anything more a Conversation. Knows nothing of any one
format.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lima import Example, Ignored, LimaError, Record, Row
from lima_chat.conversation import Conversation, Turn, problem_of
from lima_chat.formats.values import whole_text

PLUGIN = "lima-chat"


@dataclass(frozen=True)
class Options:
    """What the table [plugins.lima-chat] of a recipe says about reading"""

    ignored: Ignored = Ignored(PLUGIN)
    merge_turns: bool = False

    NAMES = ("ignore", "merge_turns")

    @classmethod
    def of(cls, values: dict[str, Any]) -> "Options":
        """From the table; LimaError for a value of the wrong kind"""
        merge = values.get("merge_turns", False)
        if not isinstance(merge, bool):
            raise LimaError(f"{PLUGIN}.merge_turns is {merge!r}; expected true or false.")
        return cls(Ignored.of(PLUGIN, values), merge)


class Left(LimaError):
    """Why a row is left out that is not wrong: it says so itself"""


@dataclass
class Reading:
    """One pass over one source: makes its records, and counts what is left off"""

    spec: str
    options: Options
    notes: dict[str, list[str]] = field(default_factory=dict)
    "What was left off: where"

    def record(
        self,
        row: Row,
        turns: Sequence[Turn],
        *,
        name: str = "",
        licence: str = "",
        origin: str = "",
        tools: tuple[dict[str, Any], ...] = (),
    ) -> Record:
        """The record of a row's turns

        Answers before the first question and questions after the last answer are left off, with a note in the provenance."""
        turns = merged(turns) if self.options.merge_turns else turns
        kept, left_off = answered(turns)
        check(tuple(kept or turns), self.options.merge_turns)
        for what, text in (("its id", name), ("its licence", licence), ("its origin", origin)):
            whole_text(text, what)
        for note in left_off:
            self.note(row, note)
        provenance = "; ".join([row.where, *([origin] if origin else []), *(f"left off: {n}" for n in left_off)])
        identity = name or f"{row.label}:{row.number}"
        same: dict[str, Any] = {"id": identity, "source": row.label, "licence": licence, "provenance": provenance}
        if [t.role for t in kept] == ["user", "assistant"] and not tools and not any(map(_more_than_text, kept)):
            weight = float(kept[1].weight) if kept[1].train else 0.0
            return Example(**same, prompt=kept[0].content, response=kept[1].content, weight=weight)
        return Conversation(**same, turns=tuple(kept), tools=tools)

    def note(self, row: Row, what: str) -> None:
        """Remember something to be said at the end"""
        self.notes.setdefault(what, []).append(row.where.removeprefix(f"{self.spec}, "))

    def say(self) -> None:
        """A warning for each kind of omission"""
        for what, places in self.notes.items():
            times = f"{len(places)} times, first in {places[0]}" if len(places) > 1 else places[0]
            logging.getLogger("lima").warning("%s: %s (%s).", self.spec, what, times)


def check(turns: tuple[Turn, ...], merge: bool = False) -> None:
    """LimaError unless the turns make a conversation, as a file must have it; `merge` if those of a role are joined already"""
    if problem := problem_of(turns):
        if any(a.role == b.role != "tool" for a, b in zip(turns, turns[1:], strict=False)):
            problem += (
                " Turns of the same role in a row that differ in train, weight, thoughts or name cannot be joined."
                if merge
                else " Turns of the same role in a row: --merge-turns joins them."
            )
        raise LimaError(problem)
    for number, turn in enumerate(turns, 1):
        if turn.role == "user" and not turn.content.strip():
            raise LimaError(f"turn {number} is an empty question. Write it, or leave the conversation out.")


def merged(turns: Sequence[Turn]) -> list[Turn]:
    """The turns with those joined that the same role says in a row, as far as they are learnt alike"""
    joined = list[Turn]()
    for turn in turns:
        last = joined[-1] if joined else None
        alike = last and replace(turn, content="") == replace(last, content="")
        if last and alike and turn.role != "tool" and not turn.tool_calls and not turn.thoughts:
            joined[-1] = replace(last, content=f"{last.content}\n\n{turn.content}")
        else:
            joined.append(turn)
    return joined


def answered(turns: Sequence[Turn]) -> tuple[list[Turn], list[str]]:
    """The turns from the first question to the last answer, and a note for each end that was left off

    A system turn that is not the first is never at an end: all turns are kept, so that the caller says what is wrong."""
    kept, notes = list(turns), list[str]()
    head = 1 if kept and kept[0].role == "system" else 0
    if any(turn.role == "system" for turn in kept[head:]):
        return kept, notes
    first = next((i for i, t in enumerate(kept) if t.role == "user"), len(kept))
    last = next((i for i in range(len(kept) - 1, -1, -1) if kept[i].role == "assistant"), -1)
    if last < first:
        return [], []  # no question with an answer: the caller says what is wrong with all of it
    if last < len(kept) - 1:
        notes.append("a last question without an answer")
    if first > head:
        notes.append("a first answer without a question")
    return kept[:head] + kept[first : last + 1], notes


def identity_of(row: Row, more: Sequence[str] = ()) -> str:
    """The row's own id, when it has one; `more` keys may have it, too"""
    for key in ("id", "conversation_id", *more):
        value = row.value.get(key)
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
            return str(value)
    return ""


def licence_of(row: Row) -> str:
    """The row's own licence, when it says one"""
    return next((row.value[k] for k in ("licence", "license") if isinstance(row.value.get(k), str)), "")


def _more_than_text(turn: Turn) -> bool:
    return bool(turn.thoughts or turn.tool_calls or turn.name)
