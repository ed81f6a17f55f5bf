"""The base of sources that read a file row by row: a record of each row to learn from, or a script of it to ask.

Knows nothing of any one format.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from lima import Ignored, LimaError, Record, Refused, Row, number_of, records_of, shown
from lima_chat.conversation import EvalConversation, Turn
from lima_chat.formats import learning
from lima_chat.formats.reading import Left, Options, Reading, identity_of, licence_of
from lima_chat.formats.recognise import format_of
from lima_chat.formats.scripts import script
from lima_chat.formats.tools import described
from lima_chat.formats.values import optional_text, refuse_media

SYSTEM = ("system", "system_prompt")
LABELS = ("label", "kto_tag")
ROW_KEYS = frozenset((*SYSTEM, *LABELS, *learning.KEYS))
"What a row of every format may have beside its turns"
Made = TypeVar("Made", Record, EvalConversation)


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

    def asked(self, row: Row, note: "Noting") -> list[Turn]:
        """The turns of one row for an evaluation, which need no answers; a missing one may be an empty turn"""
        return self.turns(row, note)

    def examples(self, argument: str | None) -> Iterator[Record | Refused]:
        """A record for each row, or why there is none"""

        def make(row: Row, reading: Reading) -> Record:
            turns = learnt(row, with_system(row, self.turns(row, Noting(reading, row))))
            names = {"name": identity_of(row), "licence": licence_of(row), "origin": self.origin(row)}
            return reading.record(row, turns, **names, tools=described(row.value))

        return self._each(argument, make)

    def scripts(self, argument: str | None) -> Iterator[EvalConversation | Refused]:
        """What the user says in each row, as a conversation to hold with a model, or why there is none"""

        def make(row: Row, reading: Reading) -> EvalConversation:
            return script(row, with_system(row, self.asked(row, Noting(reading, row))), reading)

        return self._each(argument, make)

    def _each(self, argument: str | None, make: Callable[[Row, Reading], Made]) -> Iterator[Made | Refused]:
        """What is made of each row that does not say itself that it is to be left out"""
        if not argument:
            raise LimaError(f"The source {self.name!r} reads a file: write it as {self.name}:FILE.")
        reading = Reading(argument, self.settings)

        def made(row: Row) -> Made | Refused:
            try:
                refuse_rejected(row, self.settings.ignored)
                return make(row, reading)
            except Left as e:
                return Refused(row.where, str(e), fault=False)

        yield from records_of(argument, self.settings.ignored, made)
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
