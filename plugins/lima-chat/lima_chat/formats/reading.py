"""From a row's turns to a record, for every format; and the base of sources that read a file row by row.

A single exchange becomes a core Example, which every renderer takes, anything more a Conversation. Knows nothing of any one
format.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import click

from lima import Example, Ignored, LimaError, Record, Refused, Row, number_of, records_of, shown, visible
from lima_chat.conversation import Conversation, Turn, problem_of
from lima_chat.formats import learning
from lima_chat.formats.recognise import format_of
from lima_chat.formats.tools import described
from lima_chat.formats.values import optional_text, refuse_media, whole_text

PLUGIN = "lima-chat"
SYSTEM = ("system", "system_prompt")
LABELS = ("label", "kto_tag")
ROW_KEYS = frozenset((*SYSTEM, *LABELS, *learning.KEYS))
"What a row of every format may have beside its turns"


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
        """One line on stderr for each kind of omission"""
        for what, places in self.notes.items():
            times = f"{len(places)} times, first in {places[0]}" if len(places) > 1 else places[0]
            click.echo(visible(f"{self.spec}: {what} ({times})."), err=True)


class FileSource(ABC):
    """What formats share in which one row is one conversation"""

    name: str
    description: str
    licence = "the file's own"
    options = Options.NAMES

    def __init__(self, settings: Options | None = None) -> None:
        self.settings = settings or Options()

    @abstractmethod
    def turns(self, row: Row, note: "Noting") -> list[Turn]:
        """The turns of one row; LimaError if it has another shape"""

    def recognises(self, row: Any) -> bool:
        """Whether a row is of this format"""
        return format_of(row) == self.name

    def with_options(self, values: dict[str, Any]) -> "FileSource":
        """The same with what the recipe says about reading"""
        return type(self)(Options.of(values))

    def origin(self, row: Row) -> str:
        """Where the row says it comes from"""
        return ""

    def examples(self, argument: str | None) -> Iterator[Record | Refused]:
        """A record for each row, or why there is none"""
        if not argument:
            raise LimaError(f"The source {self.name!r} reads a file: write it as {self.name}:FILE.")
        reading = Reading(argument, self.settings)

        def make(row: Row) -> Record | Refused:
            try:
                refuse_rejected(row, self.settings.ignored)
                turns = self.turns(row, Noting(reading, row))
                turns = learnt(row, with_system(row, turns))
            except Left as e:
                return Refused(row.where, str(e), fault=False)
            names = {"name": identity_of(row), "licence": licence_of(row), "origin": self.origin(row)}
            return reading.record(row, turns, **names, tools=described(row.value))

        yield from records_of(argument, self.settings.ignored, make)
        reading.say()

    def check(self, row: Row, understood: frozenset[str]) -> None:
        """LimaError for a key of the row that this format does not understand, and for pictures and sounds"""
        refuse_media(row.value, "the row")
        self.settings.ignored.check(row.value, understood | ROW_KEYS, "the row")


@dataclass(frozen=True)
class Noting:
    """How a format says that something of a row is left off"""

    reading: Reading
    row: Row

    def __call__(self, what: str) -> None:
        self.reading.note(self.row, what)


def refuse_rejected(row: Row, ignored: Ignored) -> None:
    """Left for a row of preference data whose answer was rejected"""
    for key in LABELS if isinstance(row.value, dict) else ():
        label = number_of(row, row.value.get(key))
        if isinstance(label, str) and label.lower() in ("true", "false", ""):
            label = {"true": True, "false": False, "": None}[label.lower()]
        if label is None or (isinstance(label, bool | int | float) and label == 1):
            continue
        if isinstance(label, bool | int | float) and label == 0:
            raise Left(f"its {key} says that the answer was rejected.")
        raise LimaError(
            f"the row has {key} {shown(label)}; expected true (a good answer) or false. If it means something else: "
            f"{ignored.also([key])}"
        )


def learnt(row: Row, turns: list[Turn]) -> list[Turn]:
    """The turns with the row's own `train` and `weight`; Left where nothing of the row is learnt"""
    train, weight = learning.learning(row.value, "the row")
    if train is False:
        raise Left("the row says that it is not to be learnt.")
    if weight is not None:
        turns = [replace(t, weight=t.weight * weight) if t.role == "assistant" else t for t in turns]
    answers = [t for t in turns if t.role == "assistant"]
    if answers and not any(t.trained for t in answers):
        raise Left("no answer of the row is to be learnt.")
    return turns


def unlearnt(turns: Sequence[Turn]) -> list[Turn]:
    """The turns as what comes before an answer: nothing of them is learnt"""
    return [replace(turn, train=False) if turn.role == "assistant" else turn for turn in turns]


def with_system(row: Row, turns: list[Turn]) -> list[Turn]:
    """The turns with the row's own system prompt first, where it has one"""
    text = optional_text(row.value, SYSTEM, "the row")
    if not text or (turns and turns[0] == Turn("system", text)):
        return turns
    return [Turn("system", text), *turns]


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


def identity_of(row: Row) -> str:
    """The row's own id, when it has one"""
    for key in ("id", "conversation_id"):
        value = row.value.get(key)
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
            return str(value)
    return ""


def licence_of(row: Row) -> str:
    """The row's own licence, when it says one"""
    return next((row.value[k] for k in ("licence", "license") if isinstance(row.value.get(k), str)), "")


def _more_than_text(turn: Turn) -> bool:
    return bool(turn.thoughts or turn.tool_calls or turn.name)
