"""What the core itself registers, as a plugin does: the plain renderer, prompt / response files, and checkpoints that answer."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lima import hookimpl
from lima.contract.examples import Example
from lima.data.files import _rows
from lima.errors import LimaError


class Pairs:
    """A JSONL file of prompt and response"""

    description = "JSONL or JSON, objects with prompt and response; optional: id, licence, provenance, weight"
    licence = "the file's own"

    def recognises(self, row: Any) -> bool:
        return isinstance(row, dict) and "prompt" in row and "response" in row

    def examples(self, argument: str | None) -> Iterator[Example]:
        if not argument:
            raise LimaError("The source 'pairs' reads a file: write it as pairs:FILE.jsonl.")
        name = Path(argument).name
        for number, (where, row) in enumerate(_rows(argument), 1):
            if not isinstance(row, dict):
                raise LimaError(
                    f"{where}: expected an object with 'prompt' and 'response', found {type(row).__name__}."
                )
            for key in ("prompt", "response"):
                if not isinstance(row.get(key), str):
                    found = (
                        f"{key!r} is {type(row[key]).__name__}" if key in row else f"keys {', '.join(map(repr, row))}"
                    )
                    raise LimaError(f"{where}: expected text in {key!r}, found {found}.")
            if not row["response"].strip():
                raise LimaError(f"{where}: 'response' is empty, which teaches to say nothing. Leave the example out.")
            weight = row.get("weight", 1.0)
            if not isinstance(weight, int | float) or isinstance(weight, bool) or not 0 <= weight <= 1e6:
                raise LimaError(f"{where}: 'weight' is {weight!r}; expected a number from 0 to 1,000,000.")
            yield Example(
                id=str(row.get("id", f"{name}:{number}")),
                source=name,
                licence=str(row.get("licence", "")),
                provenance=str(row.get("provenance", where)),
                prompt=row["prompt"],
                response=row["response"],
                weight=float(weight),
            )


class Checkpoints:
    """A folder, a base model or a run of this machine that answers"""

    description = "a Hugging Face folder, a base model or a run in the database: checkpoint: and its path, name or id"

    def open(self, argument: str | None, store: Any, trust_remote_code: bool = False) -> Any:
        from lima.answer.checkpoint_model import open_checkpoint

        if not argument:
            raise LimaError("Name the folder or the run: checkpoint:FOLDER or checkpoint:RUN.")
        return open_checkpoint(argument, store, trust_remote_code)


@hookimpl
def register_sources(register: Callable[[str, Any], None]) -> None:
    register("pairs", Pairs())


@hookimpl
def register_renderers(register: Callable[[str, Any], None]) -> None:
    from lima.data.rendering import PlainRenderer

    register("plain", PlainRenderer())


@hookimpl
def register_models(register: Callable[[str, Any], None]) -> None:
    register("checkpoint", Checkpoints())


@hookimpl
def register_migrations(register: Callable[[str, Any], None]) -> None:
    from lima.record.store import migrations

    register("lima", migrations)
