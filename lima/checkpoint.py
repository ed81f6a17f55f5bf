"""The state of an unfinished run: what is needed, bit for bit, to go on from a step as if nothing had happened.

Each state is a folder that appears whole, by a rename, with the hash of every file in it; one that does not match is torn and
is passed over. Trained weights and optimizer state only: order and dropout are functions of the seed and the step. Knows
nothing of the finished model, which `lima.model` saves.
"""

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path

import torch

from lima.errors import LimaError


def states_folder(out: Path, run: str) -> Path:
    """Where the states of a run that will end in `out` are kept meanwhile; each run has its own"""
    return out.parent / f".{out.name}-{run}"


def save_state(folder: Path, step: int, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Add the state after `step` to the folder and drop the older ones; a full disk leaves those as they were"""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=".building-", dir=folder))
    try:
        trained = {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}
        moments = {
            f"{name}/{key}": value
            for name, p in model.named_parameters()
            for key, value in optimizer.state.get(p, {}).items()
            if isinstance(value, torch.Tensor)
        }
        save_file({k: v.contiguous() for k, v in trained.items()}, building / "weights.safetensors")
        save_file({k: v.contiguous() for k, v in moments.items()}, building / "optimizer.safetensors")
        hashes = {file.name: _hash(file) for file in sorted(building.iterdir())}
        (building / "state.json").write_text(json.dumps({"step": step, "files": hashes}))
        for file in building.iterdir():
            _sync(file)
        target = folder / f"step-{step:08d}"
        if target.exists():  # of an earlier attempt that was not whole
            shutil.rmtree(target)
        os.rename(building, target)
        _sync(folder)
    except (OSError, SafetensorError) as e:
        raise LimaError(
            f"Cannot save the state of step {step} to {folder}: {e}. An earlier one, if there was one, is intact."
        ) from e
    finally:
        shutil.rmtree(building, ignore_errors=True)
    for older in folder.iterdir():
        if older != target:
            shutil.rmtree(older, ignore_errors=True)


def newest_state(folder: Path) -> tuple[Path, int] | None:
    """The newest whole state and its step; torn ones are passed over"""
    for candidate in sorted(folder.glob("step-*"), reverse=True):
        try:
            state = json.loads((candidate / "state.json").read_text())
            whole = all(_hash(candidate / name) == digest for name, digest in state["files"].items())
        except (OSError, ValueError, KeyError):
            whole = False
        if whole:
            return candidate, int(state["step"])
    return None


def load_state(state: Path, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Put weights and optimizer state back where `save_state` took them from"""
    from safetensors.torch import load_file

    weights, moments = load_file(state / "weights.safetensors"), load_file(state / "optimizer.safetensors")
    parameters = dict(model.named_parameters())
    if weights.keys() != {n for n, p in parameters.items() if p.requires_grad}:
        raise LimaError(
            f"The state {state} is of a model with other weights. Start a new run instead of resuming this one."
        )
    with torch.no_grad():
        for name, value in weights.items():
            parameters[name].copy_(value)
    for name, value in moments.items():
        parameter, _, key = name.rpartition("/")
        owner = parameters[parameter]
        # AdamW counts its steps in a tensor that stays on the CPU unless the optimizer is fused or capturable.
        device = owner.device if key != "step" or owner.device.type == "cuda" else "cpu"
        optimizer.state[owner][key] = value.to(device)


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
