"""The source: which conversations are taken, who is the assistant in them, and what is left off at their ends.

Knows nothing of the file's shape.
"""

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import click

from lima import Credit, LimaError, Record, Refused, Tally, Wrong, is_there, options_of, visible
from lima_chat import Conversation, Turn
from lima_chitchat.dataset import Chat, chat_of, conversations_in, file_of
from lima_chitchat.options import PLUGIN, Options
from lima_chitchat.wording import turn_text

LICENCE = "MIT"
ADDRESS = "https://github.com/BYU-PCCL/chitchat-dataset"
AUTHORS = "William Myers, Tyler Etchart and Nancy Fulda, with 1,315 participants of the Chit-Chat Challenge"
ALONE = "nobody answers in it."
SHORT = "it has fewer exchanges than `least_exchanges`."
FIRST_OFF = "left off: a first turn, which is the assistant's"
LAST_OFF = "left off: a last turn without an answer"
RATED = "it has no ratings, or one below `least_rating`."


class Chitchat:
    """Small talk of students with a topic to begin with"""

    name = "chitchat"
    description = (
        "7,168 conversations between two people, small talk, for tests rather than for training (chitchat:FILE.json)"
    )
    licence = LICENCE
    options = tuple(Options.__dataclass_fields__)

    def __init__(self, settings: Options | None = None) -> None:
        self.settings = settings or Options()

    def with_options(self, values: dict[str, Any]) -> Self:
        """The same with what the recipe says"""
        return type(self)(options_of(Options, PLUGIN, values))

    def examples(self, argument: str | None) -> Iterator[Record | Refused]:
        """The conversations in the order of the file, then the reasons why others are not among them"""
        file = file_of(argument)
        if not is_there(file):
            raise LimaError(
                f"{visible(str(file))} does not exist. Without a file, {self.name} reads the installed package."
            )
        tally, left_off = Tally(), Counter[str]()
        drawn = self._drawn(file) if self.settings.limit else None
        for one in self._candidates(file, tally):
            if drawn is not None and one.id not in drawn:
                tally.add(tally.NOT_DRAWN, one.provenance)
                continue
            left_off.update(note for note in one.provenance.split("; ") if note in (FIRST_OFF, LAST_OFF))
            yield one
        for what, count in left_off.items():
            click.echo(f"{self.name}: {what} in {count:,} conversation{'s' * (count != 1)}.", err=True)
        yield from tally.refused()

    def _drawn(self, file: Path) -> set[str]:
        """The ids of those that are taken where not all are"""
        ids = [one.id for one in self._candidates(file, Tally())]
        return set(random.Random(self.settings.seed).sample(ids, min(self.settings.limit, len(ids))))

    def _candidates(self, file: Path, tally: Tally) -> Iterator[Conversation]:
        for id, where, value in conversations_in(file):
            try:
                one = self._conversation(chat_of(id, visible(where), value))
            except Wrong as e:
                tally.add_wrong(e, visible(where))
                continue
            if isinstance(one, Conversation):
                yield one
            else:
                tally.add(one, visible(where))

    def _conversation(self, chat: Chat) -> Conversation | str:
        """The conversation, or why it is none"""
        settings = self.settings
        ratings = chat.ratings.values()
        if settings.least_rating and min(ratings, default=0) < settings.least_rating:
            return RATED
        spoken, left_off = self._roles(spoken_in(chat, settings.mend), chat.id)
        if len(spoken) < 2:
            return ALONE
        if len(spoken) // 2 < settings.least_exchanges:
            return SHORT
        system = [Turn("system", chat.topic)] if chat.topic and settings.topic == "system" else []
        turns = [Turn(("user", "assistant")[place % 2], text) for place, (_, text) in enumerate(spoken)]
        rated = [f"{name} {value}" for name, value in chat.ratings.items()]
        return Conversation(
            id=chat.id,
            source=self.name,
            licence=LICENCE,
            provenance="; ".join([ADDRESS, chat.where, *left_off]),
            credits=(Credit(author=AUTHORS, url=ADDRESS, licence=LICENCE, written=chat.date, part="conversation"),),
            turns=tuple(system + turns),
            tags=tuple(rated + ([f"topic: {chat.topic}"] if chat.topic else [])),
        )

    def _roles(self, spoken: list[tuple[str, str]], id: str) -> tuple[list[tuple[str, str]], list[str]]:
        """From the user's first turn to the assistant's last one, and what was left off"""
        left_off = list[str]()
        who = self.settings.assistant
        first = random.Random(f"{self.settings.seed} {id}").random() < 0.5 if who == "random" else who == "first"
        if first and spoken:
            spoken, left_off = spoken[1:], [FIRST_OFF]
        if len(spoken) % 2:
            spoken, left_off = spoken[:-1], [*left_off, LAST_OFF]
        return spoken, left_off


def spoken_in(chat: Chat, mend: bool) -> list[tuple[str, str]]:
    """(who, what) in turn: what one person says in a row is one turn; Wrong where there are more than two people"""
    found = list[tuple[str, list[str]]]()
    for one in chat.said:
        if not turn_text(one.lines, mend):
            continue
        if found and found[-1][0] == one.speaker:
            found[-1][1].extend(one.lines)
        else:
            found.append((one.speaker, list(one.lines)))
    if len(people := {who for who, _ in found}) > 2:
        raise Wrong(f"{len(people)} people speak in it; expected two.")
    return [(who, turn_text(lines, mend)) for who, lines in found]
