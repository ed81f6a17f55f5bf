"""Evaluations made of files: in the format of a plugin's evaluation, or in any that a source reads, whose users' turns they ask.

Knows nothing of models or grades, and reads no file itself: the evaluations and sources of the plugins do.
"""

import glob
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from lima import Evaluation, Example, FoundSource, LimaError, Refused, find_source, plugin_code

if TYPE_CHECKING:
    from lima import Plugins
    from lima_chat import Conversation, EvalConversation

Tables = Mapping[str, Mapping[str, Any]]
"Tables of plugins, as in a recipe: how files are read"


@runtime_checkable
class ReadsEvaluations(Protocol):
    """An evaluation whose format is one for files, too: whether a file or a folder has it, and the evaluation that is there"""

    def recognises(self, path: str) -> bool:
        """Whether a file or a folder has the format; raises nothing

        For each file or folder that is named as an evaluation."""

    def read(self, path: str) -> Evaluation:
        """The evaluation that is there; LimaError, with the file, for what cannot be read

        Where `recognises` says so, before anything is asked."""


@runtime_checkable
class YieldsScripts(Protocol):
    """A source whose examples can be asked, with answers or without: what the user says, as conversations to hold"""

    def scripts(self, argument: str | None) -> "Iterable[EvalConversation | Refused]":
        """What the user says in each example; LimaError where nothing can be read

        By `lima dialogues run SOURCE`, before anything is asked."""


class SourceEvaluation:
    """What the users say in the examples of a source; the history of a turn has the model's replies, not the file's answers"""

    grader = "requirements"

    def __init__(self, found: FoundSource) -> None:
        self.found = found
        self.description = f"what users say in {found.spec}, read as {found.name}"
        self.licence = str(found.source.licence)

    def conversations(self) -> "tuple[EvalConversation, ...]":
        """The conversations in the order of the file; LimaError for rows that cannot be asked, unless they are skipped"""
        return self._conversations

    @cached_property
    def _conversations(self) -> "tuple[EvalConversation, ...]":
        from lima_chat import EvalConversation

        expected = (
            "lima_chat.EvalConversation"
            if isinstance(self.found.source, YieldsScripts)
            else "examples or conversations"
        )
        return self.found.read(_asked, EvalConversation, "conversations", f"{expected}, or lima.Refused")[0]


def check_reading(name: str, evaluation: Any, tables: Tables) -> None:
    """LimaError for options on how files are read, and an evaluation that they say nothing to"""
    if tables and not isinstance(evaluation, SourceEvaluation):
        raise LimaError(
            f"The evaluation {name!r} is not read row by row by a source, so options on how rows are read have no effect on it: "
            "leave out --skip-bad, --merge-turns and --set."
        )


def _asked(source: Any, argument: str | None) -> "Iterator[EvalConversation | Refused | Any]":
    """The scripts of a source, or what becomes of its examples; anything strange stays as it is"""
    from lima_chat import Conversation

    if isinstance(source, YieldsScripts):
        yield from source.scripts(argument)
        return
    for record in source.examples(argument):
        yield _scripted(record) if isinstance(record, Conversation | Example) else record


def _scripted(record: "Conversation | Example") -> "EvalConversation | Refused":
    from lima_chat import EvalConversation

    try:
        return EvalConversation.of(record)
    except LimaError as e:
        return Refused(record.provenance or record.id, str(e), fault=False)


def open_file(spec: str, plugins: "Plugins", tables: Tables | None = None) -> Any:
    """The evaluation that a file, a folder, a pattern or a source is; None where there is nothing of that name

    LimaError where there is something that nobody reads."""
    evaluations, sources = plugins.registry("evaluations"), plugins.registry("sources")
    able = list(_recognising(spec, plugins)) if spec and Path(spec).exists() else []
    if len(able) > 1:
        owners = " and ".join(repr(evaluations.owners[name]) for name in able)
        raise LimaError(f"The plugins {owners} both read {spec}. Remove one with `lima uninstall`.")
    if able:
        with plugin_code(f"the evaluation {able[0]!r}", evaluations.owners[able[0]]):
            return evaluations[able[0]].read(spec)
    if not (_on_disk(spec) or _source_of(spec, sources)):
        return None
    return SourceEvaluation(find_source(spec, plugins, tables))


def from_anywhere(spec: str, plugins: "Plugins") -> str | None:
    """The name by which an evaluation that is not registered is found from any directory; None for one that is"""
    if spec in plugins.registry("evaluations"):
        return None
    source = _source_of(spec, plugins.registry("sources"))
    path = spec[len(source) + 1 :] if source else spec
    if not _on_disk(path):
        return spec
    return (f"{source}:" if source else "") + str(Path.cwd() / path)


def _recognising(path: str, plugins: "Plugins") -> Iterator[str]:
    evaluations = plugins.registry("evaluations")
    for name in evaluations.able(ReadsEvaluations):
        with plugin_code(f"the evaluation {name!r}", evaluations.owners[name]):
            if evaluations[name].recognises(path):
                yield name


def _source_of(spec: str, sources: Mapping[str, Any]) -> str:
    """The NAME of NAME or NAME:ARGUMENT, where it is that of a source; '' for anything else"""
    name = spec.partition(":")[0]
    return name if name in sources else ""


def _on_disk(path: str) -> bool:
    return bool(path) and (Path(path).exists() or any(glob.iglob(path, recursive=True)))
