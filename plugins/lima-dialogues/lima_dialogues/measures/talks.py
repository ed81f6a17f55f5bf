"""Dialogues as they are read aloud: who said what, and what came before each later user turn.

A conversation to evaluate with has no answers of its own, so its first good known replies stand in for them, where there are
some. Knows nothing of what is right in a file; turns that are not text are left out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lima_dialogues.files import File
from lima_dialogues.known import all_known
from lima_dialogues.schema import shape, spoken, system_text

ASIDE = frozenset(("thanks", "topic-change"))
"Tags of dialogues of which one later turn need not lean on what was said"


@dataclass(frozen=True)
class Talk:
    """One dialogue or conversation, from its first turn to its last"""

    name: str
    "The file's name below its folder"
    tags: frozenset[str]
    side: str
    "The set it belongs to: train, eval, or `eval-NAME`"
    turns: tuple[tuple[int, str, str], ...]
    "(number in the file, role, text); an answer that stands in has the number of the user's turn, the system 0"

    @property
    def opening(self) -> str:
        """What the user says first, '' where nobody says anything"""
        return next((text for _, role, text in self.turns if role == "user"), "")

    @property
    def answers(self) -> list[tuple[int, str]]:
        """(number, text) of the assistant's turns"""
        return [(number, text) for number, role, text in self.turns if role == "assistant"]

    def later(self) -> Iterator[tuple[int, str, tuple[tuple[str, str], ...]]]:
        """(number, text, the (role, text) before it) of each user turn after the first"""
        users = [i for i, (_, role, _) in enumerate(self.turns) if role == "user"]
        for i in users[1:]:
            yield self.turns[i][0], self.turns[i][2], tuple((role, text) for _, role, text in self.turns[:i])

    def __str__(self) -> str:
        return "\n".join(text for _, _, text in self.turns)


def talks(files: Sequence[File]) -> list[Talk]:
    """The dialogues and conversations among the files that hold an object, in their order"""
    good: dict[tuple[str, int], str] = {}
    for known in all_known([file for file in files if file.is_known and not any(shape(file))]):
        if known.good:
            good.setdefault((known.conversation, known.turn), known.reply)
    return [_talk(file, good) for file in files if isinstance(file.data, dict) and not file.is_known]


def _talk(file: File, good: dict[tuple[str, int], str]) -> Talk:
    turns = [(0, "system", told)] if (told := system_text(file)) else []
    for number, role, text in spoken(file):
        turns.append((number, role, text))
        if file.is_evaluation and (reply := good.get((str(file.data.get("id")), number))):
            turns.append((number, "assistant", reply))
    tags = file.data.get("tags")
    named = frozenset(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else frozenset()
    return Talk(file.name, named, file.side, tuple(turns))
