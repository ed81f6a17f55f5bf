"""What the plugin registers: the dialogues as a source, the conversations as an evaluation.

Thin readers of the JSON files; a file with a problem is an error that says which and points to the linter. Knows nothing of
training or grading.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lima import LimaError
from lima_dialogues.files import EVAL, KNOWN, TRAIN, File, files_below, our_folder, read, read_folder
from lima_dialogues.schema import shape

if TYPE_CHECKING:
    from lima_chat import Conversation, EvalConversation, KnownReply

LICENCE = "Apache-2.0"
LARGEST = 1_000_000
"Bytes of a file that may be one conversation; a larger one is read as rows"


class Dialogues:
    """The thirty dialogues; dialogues:FOLDER reads a folder of your own"""

    description = (
        "30 multi-turn dialogues on 30 topics, written for this project (dialogues:FOLDER for your own, as JSON files)"
    )
    licence = LICENCE

    def examples(self, argument: str | None) -> "Iterator[Conversation]":
        """One conversation a file, in the order of their names"""
        from lima_chat import Conversation, Turn

        for file in _dialogues(argument):
            data = file.data
            origin = f", origin: {data['origin']}" if data.get("origin") else ""
            yield Conversation(
                id=data["id"],
                source="dialogues",
                licence=data["licence"],
                provenance=f"{argument or 'dialogues'}/{file.name}, by {data['author']}{origin}",
                turns=tuple(Turn(turn["role"], turn["content"]) for turn in data["turns"]),
                tags=tuple(data.get("tags", ())),
            )


class Scripts:
    """Conversations to evaluate with, from files"""

    grader = "requirements"

    def __init__(self, description: str, licence: str, files: "Callable[[], list[File]]") -> None:
        self.description, self.licence, self._files = description, licence, files

    def conversations(self) -> "list[EvalConversation]":
        """One conversation a file, in the order of their names; LimaError for a file with a problem"""
        found = []
        for file in self._files():
            if file.error or file.is_evaluation:
                _refuse(file)
                found.append(_script(file.data))
        return found

    def known_replies(self) -> "list[KnownReply]":
        """The replies with known grades, file by file"""
        from lima_dialogues.known import all_known

        return all_known(self._files())


class Conversations(Scripts):
    """The ten conversations to evaluate with, and files in their format"""

    def __init__(self) -> None:
        super().__init__(
            "10 scripted conversations, 46 turns, with requirements to tick off; no topic is shared with the dialogues",
            LICENCE,
            lambda: _conversations(""),
        )

    def recognises(self, path: str) -> bool:
        """Whether it is a JSON file of a conversation with requirements, or a folder that has one"""
        one = Path(path).is_file()
        if one and not (path.endswith(".json") and Path(path).stat().st_size <= LARGEST):
            return False
        return any(file.is_evaluation and _requires(file.data["turns"]) for file in files_below(path) if file.data)

    def read(self, path: str) -> Scripts:
        """The conversations to evaluate with in a file or folder; dialogues to train on are left out"""
        files = [file for file in files_below(path) if file.error or file.is_evaluation or file.is_known]
        licences = {file.data["licence"] for file in files if isinstance(file.data, dict) and "licence" in file.data}
        return Scripts(f"the conversations in {path}", ", ".join(sorted(map(str, licences))), lambda: files)


def further(name: str) -> Scripts:
    """A further set of conversations that comes with this package, by its name"""
    description = "further scripted conversations with requirements to tick off, on topics of their own"
    return Scripts(description, LICENCE, lambda: _conversations(name))


def _conversations(name: str) -> list[File]:
    """The conversations of one of our sets, and its replies with known grades"""
    return [file for file in read(our_folder()) if file.kind in (EVAL, KNOWN) and file.of_set == name]


def _requires(turns: Any) -> bool:
    return isinstance(turns, list) and any(isinstance(turn, dict) and "requirements" in turn for turn in turns)


def _script(data: dict[str, Any]) -> "EvalConversation":
    from lima_chat import EvalConversation, EvalTurn

    def facts(turn: dict[str, Any]) -> dict[str, str]:
        return {"note": turn["facts"]} if "facts" in turn else {}

    turns = tuple(
        EvalTurn(t["user"], tuple(t["requirements"]), t.get("kind", ""), facts(t), t.get("null", {}))
        for t in data["turns"]
    )
    return EvalConversation(data["id"], data["topic"], turns, data.get("system", ""))


def _dialogues(argument: str | None) -> list[File]:
    files = read_folder(argument) if argument else [file for file in read(our_folder()) if file.folder == TRAIN]
    kept = [file for file in files if not file.is_evaluation and not file.is_known]
    if not kept:
        raise LimaError(
            f"{argument} has only conversations to evaluate with; expected dialogues with 'role' and 'content'."
        )
    for file in kept:
        _refuse(file)
    return kept


def _refuse(file: File) -> None:
    """LimaError for a file of the wrong shape; lengths and the rest are left to the linter"""
    for problem in shape(file):
        raise LimaError(f"{problem} `lima dialogues-lint FOLDER` lists everything.")
