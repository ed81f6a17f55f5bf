"""What several processes do together: shard a model with torch's FSDP2, gather it again, and fail together.

The same `fully_shard` on a GPU and on the CPU, so that what a test without a GPU exercises is what runs on one. Each decoder
block is a group of weights that is gathered when it is needed and given back after; all else, tied embeddings among it, is one
more group. Knows models, tensors and processes; nothing of the loop, of optimizers or of files.
"""

import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from lima.errors import LimaError


def shard_model(model: torch.nn.Module, device: torch.device, bfloat16: bool) -> None:
    """Shard a model's weights over all processes, and with them its gradients and the optimizer's state

    The main process has the weights in its memory; the others bring the same model on the meta device and receive their parts
    from it, so that only one full copy is ever loaded. With `bfloat16` the blocks are gathered and computed in it."""
    blocks = blocks_of(model)
    if bfloat16 and device.type == "cpu" and any(isinstance(m, torch.nn.LayerNorm) for m in model.modules()):
        raise LimaError(
            "On the CPU torch's LayerNorm does not take the bfloat16 weights of a sharded block. Set precision=float32."
        )
    # Other references than the parameters', which fully_shard moves to the device.
    given = {name: tensor.detach() for name, tensor in _all(model)}
    mesh = init_device_mesh(device.type, (dist.get_world_size(),))
    # Under autocast alone every layer would keep its own bfloat16 copy of its weights until the backward pass: the whole
    # model on each GPU. So the blocks are gathered in bfloat16; the residual stream and the reductions stay in float32.
    half = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32, cast_forward_inputs=False)
    for block in blocks:
        fully_shard(block, mesh=mesh, mp_policy=half if bfloat16 else MixedPrecisionPolicy())
    fully_shard(model, mesh=mesh)
    # The model's output is only read.
    warnings.filterwarnings(
        "ignore", message=rf"FSDP2-wrapped module \({re.escape(type(model).__name__)}\) returned a view"
    )
    if dist.get_rank() > 0:
        _materialise(model, device)
    with torch.no_grad():
        for name, tensor in _all(model):
            tensor.copy_(_received(given[name], tensor))


def blocks_of(model: torch.nn.Module) -> list[torch.nn.Module]:
    """The decoder blocks: the members of each list of modules that is not inside another one"""
    blocks: list[torch.nn.Module] = []
    outer: list[str] = []
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.ModuleList) and not any(name.startswith(f"{o}.") for o in outer):
            outer.append(name)
            blocks += module
    return blocks


def full_tensor(tensor: torch.Tensor) -> torch.Tensor:
    """A sharded tensor gathered from all processes, which must all call this; any other tensor as it is"""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def is_main() -> bool:
    """Whether this is the main process, or the only one"""
    return not dist.is_initialized() or dist.get_rank() == 0


def from_main(tensor: torch.Tensor) -> torch.Tensor:
    """The main process's tensor, written into that of every other"""
    dist.broadcast(tensor, 0)
    return tensor


def full_state(model: torch.nn.Module, dtype: torch.dtype, keep: bool) -> dict[str, torch.Tensor]:
    """The state dict on the CPU, floats in `dtype`, gathered tensor by tensor; empty for a process that does not `keep` it"""
    seen: dict[int, torch.Tensor] = {}  # tied weights are gathered once, and stay one tensor
    state = {}
    for name, value in model.state_dict(keep_vars=True).items():
        if id(value) not in seen:
            part = value.detach()
            full = full_tensor(part.to(dtype) if part.is_floating_point() else part)
            seen[id(value)] = full.cpu() if keep else full.new_empty(0)
        if keep:
            state[name] = seen[id(value)]
    return state


def full_tensors(tensors: Iterable[tuple[str, torch.Tensor]]) -> Iterator[tuple[str, torch.Tensor]]:
    """Each tensor gathered, one at a time; all processes must iterate to the end, even those that keep nothing"""
    for name, tensor in tensors:
        yield name, full_tensor(tensor.detach())


def shard_like(full: torch.Tensor, parameter: torch.Tensor) -> torch.Tensor:
    """A tensor that every process has, with the parameter's number of rows, placed and sharded like the parameter"""
    full = full.to(parameter.device)
    if isinstance(parameter, DTensor):
        return distribute_tensor(full, parameter.device_mesh, parameter.placements, src_data_rank=None)
    return full


def local_rows(tensor: torch.Tensor) -> slice:
    """Which rows of a tensor this process has; all if it is not sharded"""
    if not isinstance(tensor, DTensor):
        return slice(None)
    each = -(-tensor.shape[0] // tensor.device_mesh.size())
    first = min(tensor.device_mesh.get_local_rank() * each, tensor.shape[0])
    return slice(first, first + local_part(tensor).shape[0])


def local_part(tensor: torch.Tensor) -> torch.Tensor:
    """The part of a tensor that this process has; writing to it writes to the tensor"""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


@contextmanager
def raise_together() -> Iterator[None]:
    """An error on one process inside this block is raised on all, so that none waits for another for ever"""
    wrong: Exception | None = None
    try:
        yield
    except Exception as e:
        wrong = e
    if dist.is_initialized() and dist.get_world_size() > 1:
        messages: list[str | None] = [None] * dist.get_world_size()
        dist.all_gather_object(messages, wrong and (str(wrong) or type(wrong).__name__))
        if wrong is None and any(messages):
            raise LimaError(next(m for m in messages if m))
    if wrong is not None:
        raise wrong


def _all(model: torch.nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Every parameter once, and every buffer by each of its names, also those that are not saved"""
    yield from model.named_parameters()
    yield from model.named_buffers(remove_duplicate=False)


def _materialise(model: torch.nn.Module, device: torch.device) -> None:
    """Allocate a model from the meta device on this device; the parameters stay the same objects, so ties are kept"""
    before = torch.__future__.get_swap_module_params_on_conversion()
    torch.__future__.set_swap_module_params_on_conversion(True)
    try:
        model.to_empty(device=device)
    finally:
        torch.__future__.set_swap_module_params_on_conversion(before)


def _received(given: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The main process's `given`, or this process's part of it, on `target`'s device; the others' `given` is ignored"""
    full = (
        torch.empty(target.shape, dtype=target.dtype, device=target.device)
        if given.is_meta
        else given.to(target.device)
    )
    if isinstance(target, DTensor):
        return distribute_tensor(full, target.device_mesh, target.placements)
    dist.broadcast(full, 0)
    return full
