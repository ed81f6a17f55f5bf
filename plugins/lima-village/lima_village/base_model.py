"""The shipped base model: where it lies, what made it, and the check that its weights are the ones that were measured."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import Any

from lima.errors import LimaError

FOLDER = Path(__file__).parent / "base"
WEIGHTS = "model.safetensors"
RECIPE = "recipe.toml"


def record(folder: Path = FOLDER) -> dict[str, Any]:
    """What is written beside the weights: seed, size, tokens, rates and the hash"""
    path = folder / RECIPE
    if not path.is_file():
        raise LimaError(
            f"{path} is missing, so nothing says what the village's base model is. "
            "Install lima-village again, or rebuild it with: lima village build"
        )
    return tomllib.loads(path.read_text(encoding="utf-8"))


def sha256(path: Path) -> str:
    """The hash of a file's bytes"""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def verified(folder: Path = FOLDER) -> Path:
    """The folder, if its weights have the hash that its recipe records; LimaError if not"""
    expected, weights = record(folder).get("sha256"), folder / WEIGHTS
    if not weights.is_file():
        raise LimaError(
            f"The village's base model has no weights: {weights} is missing. "
            "Install lima-village again, or rebuild it with: lima village build"
        )
    found = sha256(weights)
    if found != expected:
        raise LimaError(
            f"The village's base model is not the one that was shipped: {weights} has sha256 {found[:16]}…, "
            f"{RECIPE} expects {str(expected)[:16]}…. Install lima-village again, or rebuild it with: "
            "lima village build"
        )
    return folder


class Base:
    """The base model that `lima` finds under the name village."""

    description = "a tiny Llama that was taught a made-up village: no download, minutes to fine-tune on a laptop"

    def folder(self) -> Path:
        """Its Hugging Face folder, checked against its hash"""
        return verified()
