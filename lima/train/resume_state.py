"""The state of an unfinished run: what is needed, bit for bit, to go on from a step as if nothing had happened.

Each state is a folder that appears whole, by a rename, with the hash of every file in it; one that does not match is torn and
is passed over. Trained weights and optimizer state only: order and dropout are functions of the seed and the step. The files do
not tell how many processes wrote them, so that any number can read them. Knows nothing of the finished model, which
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
"A state's file is closed at this size: so much memory, and no more, does writing one take beside the model"

ENDED = "ended"
"Name of the empty file in a state that says that all is done which follows the last step of its epoch"


class State(NamedTuple):
    """A whole state"""

    folder: Path
    step: int
    ended: bool
    "Whether the epoch that it closes has ended: its dev prompts are answered and plugins have heard of it"
    beside: dict[str, Any]
    "What else was saved with it"


OWNER = "run.json"
"Name of the file beside the states that says whose they are"


def states_folder(out: Path, run: str) -> Path:
    """Where the states of a run that will end in `out` are kept meanwhile; each run has its own"""
    if Path(run).name != run:
        raise LimaError(f"{run!r} is not the id of a run: it names a path.")
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
    """Add the state after `step` to the folder and drop all but the one before it; a full disk leaves those as they were

    `beside` is kept with it, as JSON. Of several processes all bring their parts and the main one writes."""
    tensors = full_tensors(_state(model, optimizer))
    try:
        if main:
            _write(folder, step, tensors, beside or {})
    finally:  # whoever stopped gathering would leave the others waiting for its parts
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
            if target.exists():  # of an earlier attempt that was not whole
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
    """Note in the state after `step` that nothing of its epoch is left to do"""
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
    """The newest whole state, None before the first; torn ones are passed over. LimaError when all are torn"""
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
            f"No state in {folder} is whole ({', '.join(torn)} do not have the hashes that were recorded). Restore them from a "
            "backup, or remove the folder to let the run begin again at its first step."
        )
    return None


def load_state(state: Path, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Put weights and optimizer state back where `save_state` took them from; of several processes each reads its part"""
    from safetensors import safe_open

    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    files = [safe_open(file, framework="pt") for file in sorted(state.glob("state-*.safetensors"))]
    saved = {name: file for file in files for name in file.keys()}  # noqa: SIM118 (a file is no dictionary)
    if {name for name in saved if "/" not in name} != parameters.keys():
        raise LimaError(
            f"The state {state} is of a model with other weights. Start a new run instead of resuming this one."
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
