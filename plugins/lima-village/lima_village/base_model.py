"""The base model in the package: its folder, the record of its training, and the check that its files are the measured ones."""

from __future__ import annotations

import hashlib
import tomllib
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from lima import LimaError
from lima_village.corpus import documents

FOLDER = Path(__file__).parent / "base"
WEIGHTS = "model.safetensors"
RECIPE = "recipe.toml"
BESIDE = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json")
"""files that decide what the weights mean"""
AGAIN = "Install lima-village again."


def record(folder: Path = FOLDER) -> dict[str, Any]:
    """What was recorded at the training of a base: seed, size, tokens, rates and hashes"""
    path = folder / RECIPE
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LimaError(f"{path} is missing, so the village's base model cannot be checked. {AGAIN}") from None
    except (OSError, ValueError) as e:  # not TOML, or not text at all
        raise LimaError(f"{path} cannot be read, so the village's base model cannot be checked: {e}. {AGAIN}") from None


def sha256(path: Path) -> str:
    """The hash of a file's bytes"""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def hashes(folder: Path) -> dict[str, str]:
    """The hashes in a base's record: of the weights, of each file that decides what they mean, and of the village"""
    return {
        "sha256": sha256(folder / WEIGHTS),
        **{f"{Path(name).stem}_sha256": sha256(folder / name) for name in BESIDE},
        "village_sha256": village_hash(),
    }


@cache
def village_hash() -> str:
    """The hash of a thousand documents about the village, so of its facts, their wordings and the kinds of talk"""
    return hashlib.sha256("\n".join(islice(documents(0), 1000)).encode()).hexdigest()


def verified(folder: Path = FOLDER) -> Path:
    """The folder; LimaError unless its files have the recorded hashes and it was trained on this village"""
    expected = record(folder)
    for name in (WEIGHTS, *BESIDE):
        if not (folder / name).is_file():
            raise LimaError(f"The village's base model is incomplete: {folder / name} is missing. {AGAIN}")
    found = hashes(folder)
    if found["village_sha256"] != expected.get("village_sha256"):
        raise LimaError(
            f"The base model in {folder} was trained on another village. Train one for this village with `lima village build`, "
            f"and copy its files into {folder}."
        )
    other = [key for key, value in found.items() if value != expected.get(key)]
    if other:
        raise LimaError(
            f"The village's base model in {folder} has changed: {other[0]} is {found[other[0]][:16]}…, but {RECIPE} expects "
            f"{str(expected.get(other[0]))[:16]}…. {AGAIN}"
        )
    return folder


class Base:
    """The base model that `lima` finds under the name village."""

    description = "a tiny Llama trained on a made-up village: no download, minutes to fine-tune on a laptop"

    def folder(self) -> Path:
        """Its Hugging Face folder, checked against the recorded hashes"""
        return verified()
