"""What made a grade or a reply, by hash: evaluation, grader, the model's weights, its template, and the code of this plugin.

Names may stay while what they name changes; grades and replies of two hashes never mix. Knows nothing of runs.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lima import HasChatTemplate, LimaError, plugin_code
from lima_dialogue_eval.evaluation.kinds import Identifies
from lima_dialogue_eval.evaluation.source_code import source_of

if TYPE_CHECKING:
    from lima_chat import EvalConversation

OWN = "lima-dialogue-eval"


def script_hash(script: "Sequence[EvalConversation]") -> str:
    """SHA-256 of everything that an evaluation asks and requires; runs can be compared only if it is the same"""
    rows = [_without_later(asdict(c)) for c in script]
    return _hash(json.dumps(rows, sort_keys=True, ensure_ascii=False, default=str))


def _without_later(row: dict[str, Any]) -> dict[str, Any]:
    """A conversation's fields without those that later versions added, where they are empty: so a hash stays what it was"""
    turns = [{key: value for key, value in turn.items() if key != "null" or value} for turn in row["turns"]]
    return {key: value for key, value in {**row, "turns": turns}.items() if key != "system" or value}


def grader_hash(grader: Any) -> str:
    """SHA-256 of what a grader says that it is (`identity`), else of its source: its class's modules and what they import

    Of imported modules only those of the grader's own package count. LimaError where there is neither."""
    return _of_thing(grader, "grade", "grader")


def model_hash(model: Any) -> str:
    """SHA-256 of a model's weights, configuration and tokenizer, of what it says that it is (`identity`), else of its name"""
    from lima import CheckpointModel  # loads torch, which commands that ask no model do without

    if isinstance(model, CheckpointModel):
        return checkpoint_hash(model.name)
    if isinstance(model, Identifies):
        return _said(model, "model")
    return _hash(str(model.name))


def checkpoint_hash(folder: str | Path) -> str:
    """SHA-256 of a checkpoint's weights, configuration and tokenizer; read again only where a file has changed"""
    path = Path(folder).resolve()
    if not path.is_dir():
        raise LimaError(f"The folder of the model is gone: {folder}. Put it back, so that its hash can be recorded.")
    stats = {file.name: file.stat() for file in sorted(path.iterdir()) if file.is_file()}
    return _folder_hash(str(path), tuple((name, s.st_size, s.st_mtime_ns) for name, s in stats.items()))


def template_hash(model: Any) -> str | None:
    """SHA-256 of the template by which a checkpoint is prompted, or of its renderer's source; None where that is not known"""
    renderer = getattr(model, "renderer", None)
    from lima import CheckpointModel

    if renderer is None or not isinstance(model, CheckpointModel):
        return None
    if isinstance(renderer, HasChatTemplate):
        with plugin_code(f"the renderer {getattr(renderer, 'name', renderer)!r}"):
            return _hash(renderer.chat_template(model.tokenizer, model.eot))
    return _of_thing(renderer, "prompts", "renderer")


def own_code(plugins: Iterable[Any]) -> str:
    """Version and hash of this plugin's code, of the rows of the loaded plugins; without its row only the version"""
    found = next((row["hash"] for row in plugins if row["plugin"] == OWN), "")
    return f"{version(OWN)} ({found[:8]})" if found else version(OWN)


def _of_thing(thing: Any, method: str, what: str) -> str:
    if isinstance(thing, Identifies):
        return _said(thing, what)
    found = source_of(thing, method)
    if not found:
        raise LimaError(
            f"The {what} {thing.__class__.__qualname__} has no source file, by which lima would know it again. Give it a method "
            "identity() that returns, as text, everything that decides what it does."
        )
    return _hash(json.dumps({name: hashlib.sha256(source).hexdigest() for name, source in sorted(found.items())}))


def _said(thing: Identifies, what: str) -> str:
    with plugin_code(f"the identity of the {what} {thing.__class__.__qualname__}"):
        text: Any = thing.identity()
    if not isinstance(text, str) or not text:
        raise LimaError(f"identity() of the {what} {thing.__class__.__qualname__} returned {text!r}; expected text.")
    return _hash(text)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@lru_cache(maxsize=64)
def _folder_hash(folder: str, files: tuple[tuple[str, int, int], ...]) -> str:
    """`files` are names, sizes and times of change: where one has another, the folder is read again"""
    from lima import folder_hash

    return folder_hash(folder)
