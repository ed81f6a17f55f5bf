"""JSON and JSONL files, read with errors that name file and line.

Knows nothing of what the rows mean.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lima.errors import LimaError
from lima.text import storable


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


def first_row(path: Path) -> Any:
    """The first JSON value of a JSONL file, or the first element of a JSON array; LimaError when it is neither"""
    try:
        with open(path, encoding="utf-8-sig") as file:
            line = next((text for text in file if text.strip()), "")
            if not line:
                raise LimaError(f"{path} is empty. Expected one JSON object a line.")
            try:
                value = json.loads(line)
            except (ValueError, RecursionError) as broken:
                file.seek(0)
                try:
                    value = json.load(file)
                except (ValueError, RecursionError):
                    raise LimaError(f"{path}, line 1: not JSON ({broken}). Expected JSONL or a JSON array.") from None
    except UnicodeDecodeError as e:
        raise LimaError(f"{path} is not UTF-8 text (byte {e.start}). Convert it, then try again.") from None
    except OSError as e:
        raise LimaError(f"Cannot read {path}: {e.strerror}.") from None
    return value[0] if isinstance(value, list) and value and isinstance(value[0], dict) else value
