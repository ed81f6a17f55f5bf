"""LoRA through peft: low-rank updates on the linear layers, and of the embeddings only the rows that end a turn.

Training a whole embedding for one new token made a 3.2 GB adapter of a 1B model (unsloth#1093); here the adapter holds those
rows alone, on the input and the output side, tied or not. The checkpoint is the merged model; the merge is
proved by its logits, or refused. Knows nothing of the loop.
"""

import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from lima.errors import LimaError
from lima.model.shard import blocks_of
from lima.recipe import Recipe


def add_lora(model: Any, recipe: Recipe, turn_rows: list[int]) -> Any:
    """The model with an adapter as the recipe says; all other weights are frozen"""
    from peft import LoraConfig, get_peft_model

    rows = {}
    if turn_rows:
        rows[_name_of(model, model.get_input_embeddings())] = turn_rows
        head = model.get_output_embeddings()
        if head is not None and head.weight is not model.get_input_embeddings().weight:
            rows[_name_of(model, head)] = turn_rows
    config = LoraConfig(
        r=recipe.lora_rank,
        lora_alpha=recipe.lora_alpha or 2 * recipe.lora_rank,
        lora_dropout=recipe.lora_dropout,
        target_modules=linear_layers(model),
        trainable_token_indices=rows or None,
        task_type="CAUSAL_LM",
    )
    with warnings.catch_warnings():
        # peft asks transformers by names that it is about to drop, and sets fan_in_fan_out for Conv1D by itself, saying so.
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing|fan_in_fan_out")
        try:
            return get_peft_model(model, config)
        except ValueError as e:
            raise LimaError(f"peft does not adapt {model.config.model_type!r}: {e} Set lora_rank=0.") from e


def linear_layers(model: Any) -> list[str]:
    """The names of the layers that LoRA adapts: every linear layer except the LM head and frozen ones

    The part of a block that is a mixture of experts in one tensor is left alone in every block, dense and shared experts too:
    peft takes its layers' names for those of the experts (seen in 0.21 on DeepSeek V3). LimaError when nothing is left."""
    from transformers.pytorch_utils import Conv1D

    head, blocks = model.get_output_embeddings(), set(blocks_of(model))
    parts = [
        (f"{n}.{part}.", part, m) for n, b in model.named_modules() if b in blocks for part, m in b.named_children()
    ]
    mixed = {part for _, part, m in parts if any(_holds_experts(inner) for inner in m.modules())}
    alone = tuple(name for name, part, _ in parts if part in mixed)
    found = [n for n, m in model.named_modules() if isinstance(m, (torch.nn.Linear, Conv1D)) and m is not head]
    found = [n for n in found if not n.startswith(alone) and model.get_submodule(n).weight.requires_grad]
    if not found:
        raise LimaError(f"{model.config.model_type!r} has no linear layer that LoRA could adapt. Set lora_rank=0.")
    return found


def _holds_experts(module: torch.nn.Module) -> bool:
    """Whether the matrices of several experts are one tensor of this module; a convolution has three dimensions, too"""
    own = module.parameters(recurse=False)
    return not isinstance(module, torch.nn.Conv1d) and any(p.ndim == 3 for p in own)


def _name_of(model: Any, wanted: torch.nn.Module) -> str:
    """The last part of a module's name, by which peft finds it"""
    return next(name for name, module in model.named_modules() if module is wanted).rpartition(".")[2]


def freeze_in_saved_dtype(model: Any, saved: torch.dtype) -> None:
    """Keep the blocks' frozen linear layers in bfloat16 if the base was saved in it, for a model that multiplies in it

    The same bits in half the memory: autocast would make the same numbers in each pass, and keep them for the backward pass."""
    if saved != torch.bfloat16:
        return
    for block in blocks_of(model):
        for module in block.modules():
            if type(module) is torch.nn.Linear and not any(p.requires_grad for p in module.parameters()):
                module.to(saved)


@contextmanager
def in_float32(model: Any) -> Iterator[None]:
    """Let layers that are kept in bfloat16 multiply in float32, by a copy that exists while the layer runs"""
    layers = [m for m in model.modules() if isinstance(m, torch.nn.Linear) and m.weight.dtype == torch.bfloat16]
    hooks = [layer.register_forward_pre_hook(lambda layer, _: layer.float() and None) for layer in layers]
    hooks += [layer.register_forward_hook(lambda layer, *_: layer.bfloat16() and None) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def merged_state(adapted: Any, dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    """The weights of the plain model with the adapter merged in, by the plain model's names; the adapter is left as it is

    What is merged is in `dtype` on the CPU, a layer at a time: the device has no room for a second model."""
    from peft.tuners.lora import LoraLayer
    from peft.utils.other import TrainableTokensWrapper

    model = adapted.get_base_model()
    state: dict[str, torch.Tensor] = {}
    rows: dict[int, torch.Tensor] = {}  # tied embeddings, by the tensor that they share, stay one tensor
    inside: set[str] = set()
    modules: list[tuple[str, Any]] = list(model.named_modules())
    for name, module in modules:
        if isinstance(module, LoraLayer):
            base: Any = module.get_base_layer()
            layer: Any = module
            merged = base.weight.float() + layer.get_delta_weight("default").float()
            state[f"{name}.weight"] = merged.detach().to(dtype).cpu()
            if getattr(base, "bias", None) is not None:
                state[f"{name}.bias"] = base.bias
        elif isinstance(module, TrainableTokensWrapper):
            layer = module.token_adapter.base_layer
            if id(layer.weight) not in rows:
                merged = module.token_adapter.get_merged_weights(["default"])
                rows[id(layer.weight)] = merged.detach().to(dtype).cpu()
            state[f"{name}.weight"] = rows[id(layer.weight)]
            if getattr(layer, "bias", None) is not None:
                state[f"{name}.bias"] = layer.bias
        else:
            continue
        inside.add(f"{name}.")
    for name, value in model.state_dict().items():
        if not any(name.startswith(i) for i in inside):
            state[name] = value
    return {name: value.detach() for name, value in state.items()}


def prove_merge(adapted: Any, merged: Any, ids: list[int], tolerance: float) -> tuple[float, float]:
    """How far the merged model's logits are from the adapter's, and the adapter's from those without LoRA; relative

    LimaError if the first is above the tolerance, or above half of the second where that is more than a third of the
    tolerance: a merge that lost LoRA differs by that much (transformers#45127, unsloth#9331)."""
    from peft.tuners.lora import LoraLayer

    adapted.eval()
    merged.eval()
    with torch.no_grad(), in_float32(adapted):
        probe = torch.tensor([ids], device=adapted.device)
        theirs = adapted(input_ids=probe).logits.float().cpu()
        ours = merged(input_ids=probe.to(merged.device)).logits.float().cpu()
        layers = [m for m in adapted.modules() if isinstance(m, LoraLayer)]
        for layer in layers:
            layer.enable_adapters(False)
        without = adapted(input_ids=probe).logits.float().cpu()
        for layer in layers:
            layer.enable_adapters(True)
    scale = theirs.abs().max().item() or 1.0
    worst, effect = ((other - theirs).abs().max().item() / scale for other in (ours, without))
    right = min(tolerance, max(effect / 2, tolerance / 3))
    if not worst <= right:
        raise LimaError(
            f"The merged model's logits differ from the adapter's by {worst:.2g} of their size (at most {right:.2g} is allowed; "
            f"LoRA changes them by {effect:.2g}), so it was not saved."
        )
    return worst, effect


def keep_adapter(built: Path, folder: Path) -> str:
    """Move the adapter of a model that is not saved to the model's folder, without a model; a sentence for the user"""
    kept = folder / "adapter"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(kept, ignore_errors=True)
    shutil.move(built / "adapter", kept)
    return f"The adapter is in {kept}: use it with peft, or train with a base whose weights are in float32."


def save_adapter(adapted: Any, folder: Path, base: str, card: str) -> int:
    """Write the adapter and its card into the folder of its merged model; its size in bytes

    It names its base by the name `base`, not by a place on this machine."""
    config = adapted.peft_config["default"]
    place, config.base_model_name_or_path = config.base_model_name_or_path, base
    try:
        adapted.save_pretrained(folder, save_embedding_layers=False)
    finally:
        config.base_model_name_or_path = place
    (folder / "README.md").write_text(card, encoding="utf-8")
    return adapter_bytes(folder.parent)


def use_of(adapted: Any, tokenizer: str = "the tokenizer that is here") -> str:
    """How to put the saved adapter on its base, which has no rows yet for tokens that were added; `tokenizer` says with which"""
    rows = adapted.get_input_embeddings().weight.shape[0]
    return (
        f"To use it on its base: `base.resize_token_embeddings({rows})`, then `peft.PeftModel.from_pretrained(base, 'adapter')`, "
        f"with {tokenizer}."
    )


def adapter_bytes(folder: Path) -> int:
    """The size of the weights of the adapter in a model's folder"""
    return sum(file.stat().st_size for file in (folder / "adapter").glob("*.safetensors"))
