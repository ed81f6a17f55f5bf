"""What the plugin registers: the dialogues as a source, the conversations as an evaluation.

Thin readers of the JSON files; a file with a problem is an error that says which and points to the linter. Knows nothing of
training or grading.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lima import LimaError
from lima_dialogues.files import EVAL, TRAIN, File, our_folder, read, read_folder
from lima_dialogues.schema import shape

if TYPE_CHECKING:
    from lima_chat import Conversation, EvalConversation, KnownReply

LICENCE = "Apache-2.0"


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


class Conversations:
    """The ten conversations to evaluate with"""

    description = (
        "10 scripted conversations, 46 turns, with requirements to tick off; no topic is shared with the dialogues"
    )
    licence = LICENCE
    grader = "requirements"

    def conversations(self) -> "list[EvalConversation]":
        """One conversation a file, in the order of their names"""
        from lima_chat import EvalConversation, EvalTurn

        found = []
        for file in read(our_folder()):
            if file.folder == EVAL:
                _refuse(file)
                turns = (
                    EvalTurn(t["user"], tuple(t["requirements"]), t.get("kind", ""), null=t.get("null", {}))
                    for t in file.data["turns"]
                )
                found.append(EvalConversation(file.data["id"], file.data["topic"], tuple(turns)))
        return found

    def known_replies(self) -> "list[KnownReply]":
        """The replies with known grades, file by file"""
        from lima_dialogues.known import all_known

        return all_known(read(our_folder()))


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
