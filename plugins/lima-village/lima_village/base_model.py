"""The shipped base model: where it lies, what made it, and the check that its weights are the ones that were measured."""

from __future__ import annotations

import hashlib
import tomllib
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from lima.errors import LimaError
from lima_village.corpus import documents

FOLDER = Path(__file__).parent / "base"
WEIGHTS = "model.safetensors"
RECIPE = "recipe.toml"
BESIDE = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json")
"""files without which the weights mean something else"""


def record(folder: Path = FOLDER) -> dict[str, Any]:
    """What is written beside the weights: seed, size, tokens, rates and the hash"""
    path = folder / RECIPE
    if not path.is_file():
        raise LimaError(
            f"{path} is missing, so nothing says what the village's base model is. Install lima-village again."
        )
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as e:  # not TOML, or no text at all
        raise LimaError(
            f"{path} cannot be read, so nothing says what the village's base model is: {e}. Install lima-village again."
        ) from None


def sha256(path: Path) -> str:
    """The hash of a file's bytes"""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def hashes(folder: Path) -> dict[str, str]:
    """What a recipe records of its base: the hash of the weights, of each file that decides how they are used, of the village"""
    return {
        "sha256": sha256(folder / WEIGHTS),
        **{f"{Path(name).stem}_sha256": sha256(folder / name) for name in BESIDE},
        "village_sha256": village_hash(),
    }


@cache
def village_hash() -> str:
    """The hash of a thousand documents about the village: of its facts, of how they are said, and of the kinds of talk"""
    return hashlib.sha256("\n".join(islice(documents(0), 1000)).encode()).hexdigest()


def verified(folder: Path = FOLDER) -> Path:
    """The folder, if its files have the hashes that its recipe records and it was taught this village; LimaError if not"""
    expected = record(folder)
    for name in (WEIGHTS, *BESIDE):
        if not (folder / name).is_file():
            raise LimaError(
                f"The village's base model is not whole: {folder / name} is missing. Install lima-village again."
            )
    found = hashes(folder)
    if found["village_sha256"] != expected.get("village_sha256"):
        raise LimaError(
            f"The base model in {folder} was taught another village than this one. Train one for it, `lima village build`, and "
            f"put its files into {folder}."
        )
    other = [key for key, value in found.items() if value != expected.get(key)]
    if other:
        raise LimaError(
            f"The village's base model is not the one that was shipped: in {folder} {other[0]} is {found[other[0]][:16]}…, "
            f"{RECIPE} expects {str(expected.get(other[0]))[:16]}…. Install lima-village again."
        )
    return folder


class Base:
    """The base model that `lima` finds under the name village."""

    description = "a tiny Llama that was taught a made-up village: no download, minutes to fine-tune on a laptop"

    def folder(self) -> Path:
        """Its Hugging Face folder, checked against its hash"""
        return verified()
