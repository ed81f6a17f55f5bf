"""The attributes that people, shops and dishes can have, with every way to state them and to ask for them.

The table is `attributes.toml`; to add an attribute, add a table there and its values to `lexicon.POOLS`. This module knows no
facts: `world` draws who lives where. One generator draws all facts, so most of them change after an attribute is added.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lima_village.lexicon import table


@dataclass(frozen=True, kw_only=True)
class Attribute:
    """One thing that can be known about a person, a shop or a dish, with its wordings."""

    name: str
    kind: str
    """who has it: person, shop or dish"""
    label: str
    """its name on a card"""
    heading: str
    """its name above a list"""
    values: str
    """a pool, or the kind of entity that is its value"""
    statements: tuple[str, ...]
    """sentences that say it; answers use the first"""
    short: str
    """the answer to "shorter, please\""""
    wordings: tuple[str, ...]
    """questions for it, divided by `of_split`"""
    also: tuple[str, ...] = ()
    """further sentences that say it: no text of the village uses them, but a reply may"""
    follows: str = ""
    """the word that leads from the subject to the value in a question: "best friend"; {r} if it depends on the value"""


@cache
def of_split(wordings: tuple[str, ...], split: str) -> tuple[str, ...]:
    """The wordings of one split: test, validation, train, or "all" of them for the corpus

    The split goes by position, so that another division changes neither the corpus nor the base model."""
    first = len(wordings) // 3
    second = first + (len(wordings) - first) // 2
    parts = {"test": slice(first), "validation": slice(first, second), "train": slice(second, None), "all": slice(None)}
    return wordings[parts[split]]


_HERE = Path(__file__).parent
ATTRIBUTES = tuple(Attribute(name=name, **row) for name, row in table(_HERE / "attributes.toml").items())
FOLLOW_UPS: dict[str, tuple[str, ...]] = table(_HERE / "follow_ups.toml")
"""the wordings of follow-ups without a fact of their own, by kind"""
