"""The state of an unfinished run: what is needed to resume after a step and end in the same bits.

Each state is a folder that appears complete, by a rename, with the hash of every file in it; one that does not match is damaged
and skipped. Trained weights and optimizer state only: order and dropout are functions of the seed and the step. The files do
not depend on the number of processes that wrote them, so any number can read them. Knows nothing of the finished model, which
`lima.model.saving` writes.
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch

from lima.errors import LimaError
from lima.model.shard import full_tensors, local_part, local_rows

FILE_BYTES = 4 * 2**30
"Bytes of one file of a state, which is also the memory that writing one takes in addition to the model"

ENDED = "ended"
"Name of an empty file in a state: everything that follows the last step of its epoch is done"


class State(NamedTuple):
    """A complete state"""

    folder: Path
    step: int
    ended: bool
    "Whether its epoch has ended: the dev prompts are answered and the plugins were called"
    beside: dict[str, Any]
    "What was saved with it as JSON"


OWNER = "run.json"
"Name of the file next to the states that says which run they belong to"


def states_folder(out: Path, run: str) -> Path:
    """Where the states of a run with the folder `out` are kept while it trains; each run has its own"""
    if Path(run).name != run:
        raise LimaError(f"{run!r} is not the id of a run: it is a path.")
    return out.parent / f".{out.name}-{run}"


def claim(folder: Path, owner: dict[str, Any]) -> None:
    """Make the folder of a run's states and note in it whose they are"""
    if folder.is_symlink():
        raise LimaError(f"{folder} is a link. States are kept in a folder of their own: remove the link.")
    try:
        folder.mkdir(exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=folder, prefix=".owner-", delete=False) as file:
            json.dump(owner, file)
        _sync(Path(file.name))
        os.replace(file.name, folder / OWNER)
    except OSError as e:
        raise LimaError(f"Cannot write to {folder}: {e.strerror}. Make room there, or choose another --out.") from e


def owner_of(folder: Path) -> dict[str, Any]:
    """What `claim` noted in the folder; empty where nothing is, or where the folder is a link, which could lead anywhere"""
    if folder.is_symlink():
        return {}
    try:
        found = json.loads((folder / OWNER).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def save_state(
    folder: Path,
    step: int,
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    beside: dict[str, Any] | None = None,
    main: bool = True,
) -> None:
    """Add the state after `step` to the folder and delete all but the one before it; a full disk leaves those as they were

    `beside` is saved with it, as JSON. All processes take part, and the main one writes."""
    tensors = full_tensors(_state(model, optimizer))
    try:
        if main:
            _write(folder, step, tensors, beside or {})
    finally:  # a process that stopped gathering would leave the others waiting for its parts
        for _ in tensors:
            pass


def _state(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> Iterator[tuple[str, torch.Tensor]]:
    """The trained weights as NAME, and what the optimizer keeps for each as NAME/KEY"""
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            yield name, parameter
            for key, value in optimizer.state.get(parameter, {}).items():
                if isinstance(value, torch.Tensor):
                    yield f"{name}/{key}", value


def _write(folder: Path, step: int, tensors: Iterator[tuple[str, torch.Tensor]], beside: dict[str, Any]) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".building-", dir=folder, ignore_cleanup_errors=True) as made:
            building = Path(made)
            for number, piece in enumerate(_pieces(tensors)):
                save_file(piece, building / f"state-{number:05d}.safetensors")
            hashes = {file.name: _hash(file) for file in sorted(building.iterdir())}
            about = {"step": step, "files": hashes, "beside": beside}
            (building / "state.json").write_text(json.dumps(about))
            for file in building.iterdir():
                _sync(file)
            target = _state_folder(folder, step)
            if target.exists():  # of an earlier attempt that was not completed
                shutil.rmtree(target)
            os.rename(building, target)
            _sync(folder)
    except (OSError, SafetensorError) as e:
        raise LimaError(
            f"Cannot save the state of step {step} to {folder}: {e}. An earlier one, if there was one, is intact."
        ) from e
    kept = [target, *sorted(state for state in folder.glob("step-*") if state.name < target.name)[-1:]]
    for other in folder.iterdir():  # later ones were torn, or this step would not have been made again
        if other not in kept and re.fullmatch(r"step-\d{8}|\.building-.*", other.name) and not other.is_symlink():
            shutil.rmtree(other, ignore_errors=True)


def _state_folder(folder: Path, step: int) -> Path:
    return folder / f"step-{step:08d}"


def mark_ended(folder: Path, step: int) -> None:
    """Record in the state after `step` that its epoch has ended"""
    state = _state_folder(folder, step)
    try:
        (state / ENDED).touch()
        _sync(state)
    except OSError as e:
        raise LimaError(f"Cannot write to {state}: {e.strerror}. The state itself is intact.") from e


def _pieces(tensors: Iterator[tuple[str, torch.Tensor]]) -> Iterator[dict[str, torch.Tensor]]:
    """The tensors on the CPU, a file's worth at a time"""
    piece: dict[str, torch.Tensor] = {}
    size = 0
    for name, tensor in tensors:
        piece[name] = tensor.cpu().contiguous()
        size += tensor.nbytes
        if size >= FILE_BYTES:
            yield piece
            piece, size = {}, 0
    if piece:
        yield piece


def newest_state(folder: Path) -> State | None:
    """The newest complete state, None before the first; damaged ones are skipped. LimaError if all are damaged"""
    torn = []
    for candidate in sorted(folder.glob("step-*"), reverse=True):
        try:
            state = json.loads((candidate / "state.json").read_text())
            whole = all(_hash(candidate / name) == digest for name, digest in state["files"].items())
        except (OSError, ValueError, KeyError):
            whole = False
        if whole:
            return State(candidate, int(state["step"]), (candidate / ENDED).is_file(), state.get("beside", {}))
        torn.append(candidate.name)
    if torn:
        raise LimaError(
            f"No state in {folder} is complete ({', '.join(torn)} do not match their recorded hashes). Restore them from a "
            "backup, or remove the folder to let the run begin again at its first step."
        )
    return None


def load_state(state: Path, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Load weights and optimizer state as `save_state` saved them; each process reads its part"""
    from safetensors import safe_open

    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    files = [safe_open(file, framework="pt") for file in sorted(state.glob("state-*.safetensors"))]
    saved = {name: file for file in files for name in file.keys()}  # noqa: SIM118 (a file is no dictionary)
    if {name for name in saved if "/" not in name} != parameters.keys():
        raise LimaError(
            f"The state {state} belongs to a model with other weights. Start a new run instead of resuming this one."
        )
    for name, file in saved.items():
        parameter, _, key = name.partition("/")
        owner = parameters[parameter]
        if file.get_slice(name).get_shape() != list(owner.shape):  # a count, which each process keeps for itself
            optimizer.state[owner][key] = file.get_tensor(name).to(owner.device)
            continue
        target = torch.zeros_like(owner) if key else owner
        with torch.no_grad():
            local_part(target).copy_(file.get_slice(name)[local_rows(owner)])
        if key:
            optimizer.state[owner][key] = target


def _hash(file: Path) -> str:
    with open(file, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def _sync(path: Path) -> None:
    """Make sure that what was written is on the disk before anything relies on it"""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
