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
from lima.hostile import storable


def json_lines(path: str | Path) -> Iterator[tuple[int, Any]]:
    """(line number, value) for each line of a JSONL file; LimaError with file and line where one is not JSON"""
    try:
        with open(path, encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, _parsed(line.rstrip(), f"{path}, line {number}")
    except UnicodeDecodeError as e:
        raise LimaError(
            f"{path} is not UTF-8 text ({e.reason} at byte {e.start}). Convert it, then try again."
        ) from None
    except OSError as e:
        raise LimaError(f"Cannot read {path}: {e.strerror}.") from None


def _parsed(text: str, where: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as e:
        why = f"{e.msg} at column {e.colno}" if isinstance(e, json.JSONDecodeError) else str(e)
        raise LimaError(f"{where}: not JSON ({why}). One object a line is expected.") from None
    # JSON can spell half of a character, which no database or UTF-8 file can hold.
    if "\\ud" in text.lower() and storable(text_of := json.dumps(value, ensure_ascii=False)) != text_of:
        raise LimaError(f"{where}: a text holds half of a character (a lone surrogate). Repair the text.")
    return value


def _rows(path: str) -> Iterator[tuple[str, Any]]:
    """(where, value) for each line of a JSONL file or item of a JSON array"""
    try:
        text = Path(path).read_text(encoding="utf-8-sig") if Path(path).is_file() else ""
    except (UnicodeDecodeError, OSError):
        text = ""  # json_lines says what is wrong
    if text.lstrip().startswith("["):
        yield from ((f"{path}, item {i}", item) for i, item in enumerate(_parsed(text, path), 1))
    else:
        yield from ((f"{path}, line {number}", value) for number, value in json_lines(path))


class Pairs:
    """A JSONL file of prompt and response"""

    description = "JSONL or JSON, objects with prompt and response, and if you like id, licence, provenance, weight"
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
    """A folder or a run of this machine that answers"""

    description = "a Hugging Face folder, or the id of a run in the database: checkpoint:FOLDER or checkpoint:RUN"

    def open(self, argument: str | None, store: Any, trust_remote_code: bool = False) -> Any:
        from lima.generate import open_checkpoint

        if not argument:
            raise LimaError("Name the folder or the run: checkpoint:FOLDER or checkpoint:RUN.")
        return open_checkpoint(argument, store, trust_remote_code)


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
