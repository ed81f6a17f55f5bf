"""What a recipe will need before anything runs: parameters, steps, tokens a source, peak memory, GPUs.

The model is built on the meta device from its configuration, without weights, and its largest micro-batch is sent through it
there; what autograd would keep is counted tensor by tensor, and every operation, so the estimate holds for any architecture.
Knows nothing of time; `lima.train.measure` runs steps to see how long they take.
"""

from collections import Counter
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map_only

from lima.data.automatic import as_settled, at_once
from lima.data.dataset import Prepared
from lima.errors import LimaError
from lima.model import attention, gated, norms
from lima.model.build import build
from lima.model.folder import saved_dtype
from lima.model.shard import blocks_of
from lima.model.values import AGAIN
from lima.recipe import Recipe
from lima.train.batching import MicroBatch, Steps, largest, micro_batch, split
from lima.train.head import can_chunk, causal_lm, chunk_rows
from lima.train.loss import weighted_loss

GIB = 2**30

GPU_SIZES = (24, 48, 80, 141)
"GiB of the GPUs that the table speaks of"

USABLE = 0.9
"Share of a GPU's memory that is planned with; the rest is fragments, kernels and communication"


@dataclass(frozen=True)
class Plan:
    """The answer of `lima plan`; memory in bytes"""

    parameters: int
    trained_parameters: int
    steps: int
    examples: int
    tokens: int
    trained_tokens: int
    micro_batch_tokens: int
    "Of the largest micro-batch"
    states: int
    "Weights, gradients in float32, AdamW's two moments"
    gradients: int
    "Of that, the gradients: they fill up while the activations of a step's only micro-batch are given back"
    several: bool
    "Whether a step has more than one micro-batch, so that gradients are there when the next one begins"
    activations: int
    "What the backward pass of the largest micro-batch needs at its start"
    recomputed: int
    "Of that, what a block makes again: the first one when the gradients of all others are there. 0 where nothing is recomputed"
    operations: int
    "Floating-point operations of all steps; two for a multiplication that is added"
    gpus: dict[int, int]
    "How many GPUs of each size in GiB, states sharded with FSDP2, in bfloat16 unless the recipe says float32"
    host: int
    "Memory beside a GPU: the main process loads the whole model in float32, and proves a merge on what it saved"
    disk: int
    "What the run's folder takes at its fullest: each epoch's model that is kept, the last one, and three states"

    @property
    def peak(self) -> int:
        if self.several:
            return self.states + self.activations
        return self.states - self.gradients + max(self.gradients + self.recomputed, self.activations)


def plan(recipe: Recipe, ready: Prepared, bfloat16: bool, device: str = "cpu") -> Plan:
    """Count everything for a recipe that is prepared, and a device; `bfloat16` is whether the activations will be"""
    # Whatever this machine has, a GPU takes 'auto' as bfloat16, and as many tokens at once as suit it.
    half, tokens_of_gpu = recipe.in_bfloat16("cuda"), at_once(recipe, "cuda")
    recipe = as_settled(recipe, ready.recipe)
    model = _structure(recipe, ready, bfloat16)
    held = sum(p.numel() for p in model.parameters())
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    steps = Steps(ready.rendered, recipe.epochs, recipe.batch_size, recipe.seed)
    batch = micro_batch(*largest(steps, recipe.micro_batch_tokens))
    several = any(len(split([n for n, _ in sizes], recipe.micro_batch_tokens)) > 1 for sizes in steps.sizes())
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    states = weights + 12 * trained
    gpu_model = model if half == bfloat16 else _structure(recipe, ready, half)
    with _computed(ready.base):
        on_gpu = activations(gpu_model, micro_batch(*largest(steps, tokens_of_gpu)), half, "cuda")
        if device == "cpu" and not (recipe.gradient_checkpointing or recipe.compile is True or recipe.shard):
            gated.keep_less(model)
            norms.keep_less(model)
        needed = activations(model, batch, bfloat16, device)
    gpu_states = sum(p.numel() * p.element_size() for p in gpu_model.parameters()) + 12 * trained
    gathered = together_for_a_step(model, half)
    saved = saved_dtype(ready.base, recipe.trust_remote_code).itemsize * held
    per_epoch = -(-len(ready.rendered) // recipe.batch_size)
    return Plan(
        parameters=held - (trained if recipe.lora_rank else 0),
        trained_parameters=trained,
        steps=per_epoch * recipe.epochs,
        examples=len(ready.rendered),
        tokens=sum(s["tokens"] for s in ready.sources),
        trained_tokens=sum(s["trained_tokens"] for s in ready.sources),
        micro_batch_tokens=batch.ids.shape[1],
        states=states,
        gradients=4 * trained,
        several=several,
        activations=needed.all,
        recomputed=needed.recomputed,
        operations=recipe.epochs * operations(recipe, model, batch, ready, bfloat16),
        gpus={size: gpus_needed(gpu_states, on_gpu.all, size, gathered, on_gpu.copies) for size in GPU_SIZES},
        host=4 * held + (saved if recipe.lora_rank else 0),
        disk=saved * (1 + recipe.epochs * recipe.keep_epochs) + 12 * trained * _states(recipe, per_epoch),
    )


@contextmanager
def _computed(base: Path) -> Iterator[None]:
    """Turn any failure of a model's first pass into a sentence: sizes in its configuration may not fit one another"""
    try:
        yield
    except Exception as e:
        said = next(iter(str(e).splitlines()), "")[:300].rstrip(".")
        raise LimaError(
            f"The model of {base / 'config.json'} cannot compute: {type(e).__name__}: {said}. {AGAIN}"
        ) from e


def _structure(recipe: Recipe, ready: Prepared, bfloat16: bool) -> Any:
    """The model to train, on the meta device"""
    model, plain = build(recipe, ready.base, ready.additions, weights=False, bfloat16=bfloat16)[:2]
    # Also for one example a row: the models' own attention is counted like this.
    plain.set_attn_implementation(attention.NAME)
    return model


class OnMeta(TorchFunctionMode):
    """What the meta device leaves out: autocast, where it is wanted, and products of all experts as one in every precision"""

    EXPERTS = ("grouped_mm", "_grouped_mm")
    ATTENTION = "scaled_dot_product_attention"
    CAST = ("linear", "matmul", "__matmul__", "mm", "bmm", "addmm", "baddbmm", "einsum", "conv1d", ATTENTION, *EXPERTS)
    "Products, which autocast computes in bfloat16; the rest follows from what they give"

    def __init__(self, bfloat16: bool, weights: Container[int] = ()) -> None:
        super().__init__()
        self.bfloat16, self.weights, self.copies = bfloat16, weights, dict[int, Any]()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, kwargs = getattr(func, "__name__", ""), kwargs or {}
        if self.bfloat16 and name in self.CAST:
            args, kwargs = tree_map_only(torch.Tensor, self.cast, (args, kwargs))
        return args[0] @ args[1][0] if name in self.EXPERTS else func(*args, **kwargs)

    def cast(self, tensor: torch.Tensor) -> torch.Tensor:
        if tensor.dtype != torch.float32:
            return tensor
        copy = tensor.to(torch.bfloat16)
        if tensor.untyped_storage()._cdata in self.weights:
            storage = copy.untyped_storage()
            self.copies[storage._cdata] = storage
        return copy


class Activations(NamedTuple):
    """What the backward pass of a micro-batch needs at its start, in bytes, parameters not counted"""

    all: int
    copies: int
    "Of all, copies of the blocks' weights"
    recomputed: int
    "Of all, what the block makes again that makes most"


def activations(model: Any, batch: MicroBatch, bfloat16: bool = False, device: str = "cpu") -> Activations:
    """Count them; with `bfloat16` under autocast, which leaves a copy of every matrix that it multiplies with"""
    model.train()
    kept, copies = kept_by_autograd(model, batch, bfloat16)
    kinds: dict[int, Any] = {sum(p.numel() for p in b.parameters()): b for b in blocks_of(model) if _recomputes(b)}
    recomputed = 0
    for block in kinds.values():
        block.gradient_checkpointing = False
        again = kept_by_autograd(model, batch, bfloat16)[0] - kept
        block.gradient_checkpointing = True
        # And the gradients of what goes in and out of its widest function, before anything of it is given back.
        recomputed = max(recomputed, sum(again.elements()) + 2 * max(again, default=0))
    # The head is done when the first block is made again.
    brief = max(_head_transient(model, len(batch.targets), device), recomputed)
    return Activations(sum(kept.elements()) + brief, copies, recomputed)


def _recomputes(block: Any) -> bool:
    return bool(getattr(block, "gradient_checkpointing", False))


def kept_by_autograd(model: Any, batch: MicroBatch, bfloat16: bool) -> tuple[Counter[int], int]:
    """(bytes of each tensor that a forward pass leaves for the backward pass, bytes of the copies of blocks among them)"""
    own = {p.untyped_storage()._cdata for p in model.parameters()}
    blocks = {p.untyped_storage()._cdata for block in blocks_of(model) for p in block.parameters()}
    kept: dict[int, Any] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage  # held, so that no other tensor gets the same address
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor), OnMeta(bfloat16, blocks) as meta:
        weighted_loss(model, batch, "meta")
    copies = sum(storage.nbytes() for key, storage in kept.items() if key in meta.copies)
    return Counter(storage.nbytes() for storage in kept.values()), copies


def _states(recipe: Recipe, per_epoch: int) -> int:
    """How many states lie on the disk at once: two are kept while a third is written"""
    every = recipe.save_every or per_epoch
    saved = (per_epoch * recipe.epochs - (not recipe.keep_epochs)) // every if every > 0 else 0
    return min(saved, 3)


def _head_transient(model: Any, positions: int, device: str) -> int:
    """Bytes that the head needs beside what is kept, of its gradient too"""
    model = causal_lm(model)
    head, vocabulary = model.get_output_embeddings().weight, model.config.get_text_config().vocab_size
    if not can_chunk(model, "meta"):
        # The softmax is kept; its gradient and that of the logits, as large again, come before anything is given back.
        return 2 * 4 * vocabulary * positions
    rows = chunk_rows(vocabulary, device)
    # Three tensors as large as a chunk's logits; and the head's gradient before it is added to that of the others.
    return 3 * 4 * vocabulary * min(rows, positions) + 4 * head.numel() * (head.requires_grad and positions > rows)


def operations(recipe: Recipe, model: Any, batch: MicroBatch, ready: Prepared, bfloat16: bool = False) -> int:
    """Floating-point operations of an epoch, from those of a micro-batch's forward pass: in proportion to the tokens"""
    from torch.utils.flop_counter import FlopCounterMode

    def causal(query: Sequence[int], *_: Any, **__: Any) -> int:
        rows, heads, length, width = query
        return 2 * rows * heads * length * length * width  # two products, of which half the scores are never made

    attend = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    counter = FlopCounterMode(display=False, custom_mapping={attend: causal})
    with counter, torch.no_grad(), OnMeta(bfloat16):
        weighted_loss(model, batch, "meta")
    # The backward pass makes the gradient of inputs and of weights; with LoRA hardly any of weights.
    passes = 1 + (1 if recipe.lora_rank else 2) + recipe.gradient_checkpointing
    tokens = sum(ready.rendered.sizes)
    return int(counter.get_total_flops() * passes * tokens / batch.ids.shape[1])


def together_for_a_step(model: Any, bfloat16: bool = True) -> int:
    """Bytes that FSDP2 has whole on each GPU at once: all outside the blocks with its gradient, in float32, and two blocks

    Of a block its weights, twice, for the next one is fetched ahead; its gradient, and, where that is bfloat16, once more in
    float32."""
    blocks = [sum(p.numel() for p in block.parameters()) for block in blocks_of(model)]
    outside = sum(p.numel() for p in model.parameters()) - sum(blocks)
    a_block = 2 * 2 + 2 + 4 if bfloat16 else 2 * 4 + 4
    return 8 * outside + a_block * max(blocks, default=0)


def gpus_needed(states: int, activations: int, gib: int, gathered: int = 0, copies: int = 0) -> int:
    """The fewest GPUs of that size that hold their share of the states beside a micro-batch and, of several, what is gathered

    `copies` of the activations are of blocks, of which nothing is kept where they are gathered. 0 when no number does."""
    room = int(USABLE * gib * GIB) - activations
    if states <= room:
        return 1
    room += copies - gathered
    return max(2, -(-states // room)) if room > 0 else 0
