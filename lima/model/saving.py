"""A trained model as a plain Hugging Face folder, written completely or not at all.

safetensors only. Knows nothing of what the model is nor of how it was trained.
"""

import glob
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lima.errors import LimaError
from lima.paths import entries, is_folder, is_there, shown

if TYPE_CHECKING:
    import torch

ROOM = "Make room there, or choose another --out."
"What to do when the disk fails"


def save(
    model: Any,
    tokenizer: Any,
    base: Path,
    folder: Path,
    dtype: "torch.dtype",
    card: str,
    state: "dict[str, torch.Tensor]",
    finish: Callable[[Path], str] | None = None,
) -> None:
    """Write a complete Hugging Face folder, or nothing: it is built next to its place and moved there file by file

    `state` is what is saved under the model's configuration. The preprocessors of a `base` for images or audio are copied
    from its folder. `finish` may check the built folder, refuse it or add to it, and returns a text for the card."""
    with beside(folder) as building:
        state = _converted(state, dtype)
        model.config.dtype = dtype
        model.save_pretrained(building, state_dict=state)
        tokenizer.save_pretrained(building)
        for file in base.glob("*processor_config.json"):
            shutil.copyfile(file, building / file.name)
        (building / "README.md").write_text(card + (finish(building) if finish else ""), encoding="utf-8")
        to_disk(building)
        put_in_place(building, folder)


def _converted(state: "dict[str, torch.Tensor]", dtype: "torch.dtype") -> "dict[str, torch.Tensor]":
    """A state on the CPU with its floats in `dtype`; weights that share their memory still do, so each is written once"""
    made: dict[Any, torch.Tensor] = {}

    def one(value: "torch.Tensor") -> "torch.Tensor":
        key = (value.data_ptr(), value.dtype, value.shape, value.stride(), value.device)
        if key not in made or not value.numel():
            made[key] = value.detach().to(dtype).cpu() if value.is_floating_point() else value.cpu()
        return made[key]

    return {name: one(value) for name, value in state.items()}


def check_new(folder: Path) -> None:
    """Raise LimaError unless a model can be written there and nothing would be lost: before the work, not after it

    Valid only while the caller has the folder's lock."""
    if is_there(folder) and (not is_folder(folder) or entries(folder)):
        raise LimaError(f"{shown(folder)} exists and is not empty. Choose another --out, or move it away.")
    # Create nothing yet: the run may fail before it starts.
    place = next(above for above in folder.parents if is_there(above))
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as e:
        raise LimaError(f"Cannot write to {shown(folder.parent)}: {e.strerror}. Choose another --out.") from None


@contextmanager
def beside(folder: Path, advice: str = ROOM) -> Iterator[Path]:
    """A temporary folder to build a model in, on the disk of `folder`; LimaError with the advice if the disk fails

    The caller has the folder's lock, so what a killed process left of an earlier attempt is removed."""
    with _explained(folder, advice):
        folder.parent.mkdir(parents=True, exist_ok=True)
        for left in folder.parent.glob(f".{glob.escape(folder.name)}-saving-*"):
            shutil.rmtree(left, ignore_errors=True)
        building = Path(tempfile.mkdtemp(prefix=f".{folder.name}-saving-", dir=folder.parent))
        try:
            yield building
        finally:
            shutil.rmtree(building, ignore_errors=True)


@contextmanager
def _explained(folder: Path, advice: str) -> Iterator[None]:
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, SafetensorError) as e:  # a full disk raises either
        raise LimaError(f"Cannot save the model to {folder}: {e}. {advice}") from e


def to_disk(building: Path) -> None:
    """Wait until every file of a built model is on the disk"""
    for file in building.rglob("*"):
        if file.is_file():
            with open(file, "rb") as f:
                os.fsync(f.fileno())


def put_in_place(building: Path, folder: Path, advice: str = ROOM) -> None:
    """Move a built model to its folder file by file, config.json last, so that an incomplete one is never taken for a model"""
    with _explained(folder, advice):
        folder.mkdir(exist_ok=True)
        for weights in building.rglob("*.safetensors"):  # safetensors makes them readable by their owner only
            weights.chmod((building / "config.json").stat().st_mode)
        (folder / "config.json").unlink(missing_ok=True)
        # The card first, which says whose the folder is; the configuration last, which says that it is complete.
        for file in sorted(building.iterdir(), key=lambda f: (f.name == "config.json", f.name != "README.md", f.name)):
            if file.is_dir():  # an adapter, or a tokenizer's further templates
                _move_folder(file, folder / file.name)
            else:
                os.replace(file, folder / file.name)


def _move_folder(built: Path, place: Path) -> None:
    """Move a folder of a model over an older one, and refuse to remove one that is something else"""
    strange = [
        f.name for f in place.rglob("*") if f.is_dir() or f.suffix not in (".json", ".safetensors", ".md", ".jinja")
    ]
    if place.is_symlink() or strange:
        raise OSError(f"{place} holds {strange[0] if strange else 'a link'}, which is not part of a model")
    shutil.rmtree(place, ignore_errors=True)
    os.replace(built, place)
