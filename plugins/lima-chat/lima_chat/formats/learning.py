"""What is learnt of an answer, and how much: the keys by which files say so, of a message or of a whole row.

Different files say the same in different words; where two of them disagree it is an error. Knows nothing of texts.
"""

import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from lima import LimaError, shown

FLAGS = ("train", "training", "trainable", "loss")
"True: learn it"
WEIGHTS = ("weight", "loss_weight")
"How much; 0 is not at all"
KEYS = frozenset((*FLAGS, *WEIGHTS, "mask", "train_detail"))


def learning(holder: Mapping[str, Any], what: str) -> tuple[bool | None, float | None]:
    """(whether, with what weight) it is learnt; None where nothing is said"""
    if not KEYS & holder.keys():
        return None, None
    flags = {key: _flag(holder[key], key, what) for key in FLAGS if _said(holder, key)}
    if _said(holder, "mask"):
        flags["mask"] = not _mask(holder["mask"], what)
    if _said(holder, "train_detail"):
        flags["train_detail"] = _detail(holder["train_detail"], what)
    weights = {key: _weight(holder[key], key, what) for key in WEIGHTS if _said(holder, key)}
    if len(set(flags.values())) > 1 or len(set(weights.values())) > 1:
        raise _conflict(holder, what, [*(flags if len(set(flags.values())) > 1 else weights)])
    train, weight = next(iter(flags.values()), None), next(iter(weights.values()), None)
    if train is not None and weight is not None and train != (weight > 0):
        raise _conflict(holder, what, [next(iter(flags)), next(iter(weights))])
    return train, weight


def _said(holder: Mapping[str, Any], key: str) -> bool:
    return holder.get(key) is not None and holder[key] != ""


def _conflict(holder: Mapping[str, Any], what: str, keys: list[str]) -> LimaError:
    said = " beside ".join(f"{key} {shown(holder[key]).lower()}" for key in keys)
    return LimaError(f"{what} has {said}, which contradict each other. Leave one of them.")


def _flag(value: Any, key: str, what: str) -> bool:
    """true, false, 1 or 0; a table has them as text"""
    if isinstance(value, str) and value.lower() in ("true", "false", "1", "0"):
        return value.lower() in ("true", "1")
    if isinstance(value, bool | int | float) and value in (0, 1):
        return bool(value)
    raise LimaError(f"{what} has {key} {shown(value)}; expected true or false.")


def _mask(value: Any, what: str) -> bool:
    """Whether it is masked, which is to say not learnt; numbers are used for either, so they are refused"""
    if isinstance(value, bool):
        return value
    raise LimaError(
        f"{what} has mask {shown(value)}; expected true (not learnt) or false. Some files mean the opposite by numbers: write "
        "train instead, true or false."
    )


def _detail(value: Any, what: str) -> bool:
    """One answer for all parts of a text, if they agree"""
    parts = value if isinstance(value, list) else []
    found = {part.get("train") for part in parts if isinstance(part, dict) and isinstance(part.get("train"), bool)}
    if not parts or len(found) != 1 or not all(isinstance(part, dict) and "train" in part for part in parts):
        raise LimaError(
            f"{what} has a train_detail that learns only parts of the text; a turn is learnt completely or not at all. "
            "Write train, true or false, instead."
        )
    return bool(found.pop())


def _weight(value: Any, key: str, what: str) -> float:
    if isinstance(value, str):
        with suppress(ValueError):
            value = float(value)
    if isinstance(value, int) and abs(value) > sys.float_info.max:
        raise LimaError(f"{what} has a {key} of {len(str(abs(value)))} digits; expected a number such as 1 or 0.5.")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= sys.float_info.max:
        raise LimaError(f"{what} has {key} {shown(value)}; expected a number of 0 or more.")
    return float(value)
