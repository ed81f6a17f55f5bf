"""What the core itself registers, through the same hooks as any plugin: the plain renderer, prompt / response files, and
checkpoints as things that answer.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lima import hookimpl
from lima.errors import LimaError
from lima.example import Example


def json_lines(path: str | Path) -> Iterator[tuple[int, Any]]:
    """(line number, value) for each line of a JSONL file; LimaError with file and line where one is not JSON"""
    try:
        with open(path, encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    try:
                        yield number, json.loads(line)
                    except ValueError as e:
                        raise LimaError(
                            f"{path}, line {number}: not JSON ({e}). One object a line is expected."
                        ) from None
    except UnicodeDecodeError as e:
        raise LimaError(
            f"{path} is not UTF-8 text ({e.reason} at byte {e.start}). Convert it, then try again."
        ) from None
    except OSError as e:
        raise LimaError(f"Cannot read {path}: {e.strerror}.") from None


class Pairs:
    """A JSONL file of prompt and response"""

    description = "JSONL file, one object a line: prompt, response, and if you like id, licence, provenance, weight"
    licence = "the file's own"

    def recognises(self, row: Any) -> bool:
        return isinstance(row, dict) and "prompt" in row and "response" in row

    def examples(self, argument: str | None) -> Iterator[Example]:
        if not argument:
            raise LimaError("The source 'pairs' reads a file: write it as pairs:FILE.jsonl.")
        name = Path(argument).name
        for number, row in json_lines(argument):
            where = f"{argument}, line {number}"
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
                if any("\ud800" <= c <= "\udfff" for c in row[key]):
                    raise LimaError(f"{where}: {key!r} holds half of a character (a lone surrogate). Repair the text.")
            weight = row.get("weight", 1.0)
            if not isinstance(weight, int | float) or isinstance(weight, bool) or not 0 <= weight < float("inf"):
                raise LimaError(f"{where}: 'weight' is {weight!r}; expected a number of 0 or more.")
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
    """A folder or a run of this machine that answers"""

    description = "a Hugging Face folder, or the id of a run in the database: checkpoint:FOLDER or checkpoint:RUN"

    def open(self, argument: str | None, store: Any) -> Any:
        from lima.generate import open_checkpoint

        if not argument:
            raise LimaError("Name the folder or the run: checkpoint:FOLDER or checkpoint:RUN.")
        return open_checkpoint(argument, store)


@hookimpl
def register_sources(register: Callable[[str, Any], None]) -> None:
    register("pairs", Pairs())


@hookimpl
def register_renderers(register: Callable[[str, Any], None]) -> None:
    from lima.rendering import PlainRenderer

    register("plain", PlainRenderer())


@hookimpl
def register_models(register: Callable[[str, Any], None]) -> None:
    register("checkpoint", Checkpoints())


@hookimpl
def register_migrations(register: Callable[[str, Any], None]) -> None:
    from lima.store import migrations

    register("lima", migrations)
