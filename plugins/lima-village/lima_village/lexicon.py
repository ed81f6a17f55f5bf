"""The words of the village: who and what exists, and the values that facts can have. The words are in `lexicon.toml`.

Sentences are in `attributes`. Nothing is drawn here.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.replace("-", " ") for word in text.split())


def table(path: Path) -> dict[str, Any]:
    """A TOML file, lists as tuples"""

    def frozen(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: frozen(inner) for key, inner in value.items()}
        return tuple(value) if isinstance(value, list) else value

    return frozen(tomllib.loads(path.read_text(encoding="utf-8")))


_LEXICON = table(Path(__file__).with_name("lexicon.toml"))
POOLS: dict[str, tuple[str, ...]] = {name: _words(text) for name, text in _LEXICON.pop("pools").items()}
WOMEN, MEN, SHOPS, DISHES = (_words(_LEXICON[name]) for name in ("women", "men", "shops", "dishes"))
STRANGE_WOMEN, STRANGE_MEN = _words(_LEXICON["strange_women"]), _words(_LEXICON["strange_men"])
RELATIVES, IDLE, HEDGES = (_words(_LEXICON[name]) for name in ("relatives", "idle", "hedges"))
ASKERS, TELLERS = _words(_LEXICON["askers"]), _words(_LEXICON["tellers"])
