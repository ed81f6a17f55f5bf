"""What stands in a base's JSON files, checked where transformers takes anything: sizes, token ids, lengths, templates.

Knows nothing of how a model is loaded.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lima.errors import LimaError, quoted
from lima.paths import is_file, read_bytes

AGAIN = "Correct it, or copy it from the base model again."
"What to do about a file of a base that is wrong"

_SIZES = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "max_position_embeddings")
LARGEST = 2**31
LAYERS = 10_000
"What no model has more of; each takes time to be made, also without weights"
_IDS = ("bos_token_id", "eos_token_id", "pad_token_id")


def check_json(file: Path) -> None:
    """Raise LimaError unless the file, if it is there, is an object of JSON that can be written again with the model"""
    if not is_file(file):
        return
    try:
        value = json.loads(read_bytes(file))
        json.dumps(value, ensure_ascii=False).encode()  # as it is saved with the model
    except UnicodeEncodeError as e:
        half = f"\\u{ord(e.object[e.start]):04x}"
        raise LimaError(f"{file} has {half} in a text, half of a character, which cannot be saved. {AGAIN}") from None
    except (ValueError, RecursionError) as e:
        why = "it is nested too deeply" if isinstance(e, RecursionError) else e
        raise LimaError(f"{file} is not JSON: {why}. {AGAIN}") from None
    if not isinstance(value, dict):
        raise LimaError(f"{file} holds {quoted(value)}, expected an object of JSON. {AGAIN}")


def check_sizes(file: Path, config: Any) -> None:
    """Raise LimaError for a size of a model that is not a number, or that no model has; one that is lacking may be left out"""
    for key in _SIZES:
        value = getattr(config, key, None)
        if value is None and key != "vocab_size":
            continue
        most = LAYERS if key == "num_hidden_layers" else LARGEST
        if value is None or not _is_whole(value) or not 1 <= value <= most:
            raise _wrong(file, key, value, f"a whole number from 1 to {most:,}")


def check_ids(file: Path, config: Any) -> None:
    """Raise LimaError for token ids that are not whole numbers; several may end a text"""
    for key in _IDS:
        value = getattr(config, key, None)
        several = value if isinstance(value, list) and key == "eos_token_id" else [value]
        if value is not None and not all(map(_is_whole, several)):
            raise _wrong(file, key, value, "the number of a token")


def check_tokenizer(file: Path, tokenizer: Any) -> None:
    """Raise LimaError for a length that is not a number, and for a template that is not text"""
    length, template = tokenizer.model_max_length, tokenizer.chat_template
    if not isinstance(length, int | float) or isinstance(length, bool):
        raise _wrong(file, "model_max_length", length, "a number, without quotes")
    several = list(template.values()) if isinstance(template, Mapping) else [template]
    if not all(one is None or isinstance(one, str) for one in several):
        raise _wrong(file, "chat_template", template, "text")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _wrong(file: Path, key: str, value: Any, expected: str) -> LimaError:
    return LimaError(f"{file}: {key} is {quoted(value)}; expected {expected}. {AGAIN}")
